"""Our log. What the host's own handlers and filters raise when they are told ends here."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Adapter = logging.LoggerAdapter[logging.Logger]
else:  # which can be said so from Python 3.11 on
    Adapter = logging.LoggerAdapter


class _Log(Adapter):
    def log(self, level: int, msg: object, *args: Any, **options: Any) -> None:
        """Log, by whichever of the logger's methods; nothing is raised."""
        with contextlib.suppress(Exception):
            super().log(level, msg, *args, **options)


log = _Log(logging.getLogger("pagetimer"), {})
