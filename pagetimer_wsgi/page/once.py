"""What an administrator is told once, however many pages it is true of."""

from __future__ import annotations

from functools import lru_cache
from itertools import count

from ..logs import log


def warn_once(message: str, path: str = "") -> None:
    """Log a warning the first time that this process gives it.

    :param message: the same text on every page that it is about: no address, no nonce
    :param path: of the page at hand, as an example
    """
    if next(times(message)) == 0:
        log.warning("%s (seen first at %r)" if path else "%s", *filter(None, (message, path)))


@lru_cache(maxsize=256)
def times(message: str) -> count[int]:
    """Return how often a message came, to be counted on."""
    return count()
