"""What is looked at once a second, and not for every beat."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import SpoolAway
from . import threads

_PERIOD = 1
"""Seconds for which what was seen counts."""


class Look:
    """A look at the spool's disk. One thread looks; the others go on with what was seen before.

    :param at: says what stands against keeping anything now, or ``None``
    """

    def __init__(self, at: Callable[[], str | None]) -> None:
        self._look = at
        self._lock = threads.lock()
        self._objection: str | None = None
        self._seen = float("-inf")

    def check(self) -> None:
        """Look again if the last look is a second old.

        :raises SpoolAway: with what stands against keeping anything
        :raises OSError: if it cannot be looked at; then each call tries again
        """
        if self._is_old() and self._lock.acquire(blocking=self._seen < 0):
            try:
                if self._is_old():
                    self._objection = self._look()
                    self._seen = time.monotonic()
            finally:
                self._lock.release()
        if self._objection:
            raise SpoolAway(self._objection)

    def _is_old(self) -> bool:
        return time.monotonic() - self._seen >= _PERIOD
