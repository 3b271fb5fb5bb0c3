"""What an administrator is told once, however many pages it is true of."""

from __future__ import annotations

import logging
from functools import lru_cache

log = logging.getLogger("pagetimer")


@lru_cache(maxsize=256)
def warn_once(message: str) -> None:
    """Log a warning the first time that this process gives it.

    :param message: the same text on every page that it is about: no address, no nonce
    """
    log.warning(message)
