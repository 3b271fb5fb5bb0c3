"""The writer's thread in one process, which ends before its process does."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from weakref import WeakSet

from ..pace import pausing
from . import threads

PAUSE = 1.0
_PAUSE_AWAY = 5.0
_PAUSE_WITHOUT = 60.0
"""Seconds between two tries to start the thread, where the system gives none."""
_AT_EXIT = 0.5
"""Seconds; a server that ends takes some of its own, and we may delay it by one."""


class Background:
    """A thread that takes turns until it is stopped.

    :param turn: takes one; false if something failed, and the next one has more time
    :param say: told why the system gives no thread
    """

    def __init__(self, turn: Callable[[], bool], say: Callable[[str], None]) -> None:
        self.runs = False
        self.ends = False
        self._turn = turn
        self._say = say
        self._process = os.getpid()
        self._once = threads.lock()
        self._not_before = float("-inf")
        self._told = 0.0
        self._stop = threads.Signal()
        self._ended = threads.Signal()
        self._last: Callable[[], object] = lambda: None
        _all.add(self)

    def start(self) -> None:
        """Start it, unless it runs, or was tried in vain less than a minute ago."""
        with self._once:
            if self.runs or time.monotonic() < self._not_before:
                return
            self.runs, self._ended = True, threads.Signal()
            try:
                threads.start(self._run, "pagetimer writer")
            except RuntimeError as error:  # the system is out of threads, or of memory
                self.runs, self._not_before = False, time.monotonic() + _PAUSE_WITHOUT
                self._say(f"{error}. What is accepted waits for a process that has one.")

    def stop(self, last: Callable[[], object] = lambda: None) -> None:
        """Let it end after the turn that it takes.

        :param last: what it does then
        """
        self._last = last
        if not self.ends:
            self.ends, self._told = True, time.monotonic()
        self._stop.give()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, for so long at the most since it was told to, by whomever."""
        if self.runs and self._process == os.getpid():  # a fork leaves all threads to the parent
            self._ended.wait(max(0.0, self._told + seconds - time.monotonic()))

    def _run(self) -> None:
        pause = PAUSE
        try:
            with pausing(threads.sleep):
                while not self._stop.wait(pause):
                    pause = PAUSE if self._turn() else _PAUSE_AWAY
            self._last()
        finally:  # a host may end threads that it does not know: a later request starts another
            self.runs = False
            self._ended.give()


_all: WeakSet[Background] = WeakSet()


@atexit.register
def _end_all() -> None:
    """Let all threads end: one that the interpreter finds at work is torn out of what it calls."""
    for each in list(_all):
        each.stop()
    for each in list(_all):
        each.wait(_AT_EXIT)
