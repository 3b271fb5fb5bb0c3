"""What is looked at once a second, and not for every beat."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import SpoolAway
from . import threads

_PERIOD = 1
"""Seconds for which what was seen counts."""
_SHARE = 50
"""So many times as long as a look took nobody looks again, if that is longer."""


class Look:
    """A look at the spool's disk. One thread looks; the others go on with what was seen before.

    :param at: says what stands against keeping anything now, or ``None``
    """

    def __init__(self, at: Callable[[], str | None]) -> None:
        self._look = at
        self._lock = threads.lock()
        self._objection: str | None = None
        self._seen = float("-inf")
        self._period = float(_PERIOD)

    def check(self, early: float = 1.0) -> None:
        """Look again if the last look is old.

        :param early: after so much of the time; who is in no hurry looks before the others must
        :raises SpoolAway: with what stands against keeping anything
        :raises OSError: if it cannot be looked at; then each call tries again
        """
        if time.monotonic() - self._seen >= self._period * early:
            self._look_once(early)
        if self._objection:
            raise SpoolAway(self._objection)

    def _look_once(self, early: float) -> None:
        if self._lock.acquire(blocking=self._seen < 0):
            try:
                if time.monotonic() - self._seen >= self._period * early:
                    self._look_now()
            finally:
                self._lock.release()

    def _look_now(self) -> None:
        began = time.monotonic()
        self._objection = self._look()
        self._seen = time.monotonic()
        self._period = max(_PERIOD, _SHARE * (self._seen - began))
