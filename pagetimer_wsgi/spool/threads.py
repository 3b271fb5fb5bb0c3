"""Threads and locks of the operating system's own, also where gevent has put greenlets there.

The writer must not keep a hub from turning while the store makes it wait, and no greenlet may
be switched off while it holds what the writer waits for. gevent's functions are looked for each
time: it may patch long after this package was imported, as gunicorn's worker does.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")
Lock = _thread.LockType


def lock() -> Lock:
    """Return a lock that keeps threads apart; whoever waits for it keeps the thread."""
    found: Lock = _original("allocate_lock")()
    return found


def start(run: Callable[[], None], name: str) -> None:
    """Run a function in a thread of its own, which ends with the process at the latest."""
    if _patched() is None:
        threading.Thread(target=run, name=name, daemon=True).start()
    else:
        _original("start_new_thread")(run, ())


def beside(run: Callable[[], Result]) -> Result:
    """Run a function; under gevent in another thread, while other greenlets go on."""
    patched = _patched()
    if patched is None:
        return run()
    result: Result = sys.modules["gevent"].get_hub().threadpool.apply(run)
    return result


class Signal:
    """Something that happens once, and that threads wait for."""

    def __init__(self) -> None:
        self._closed = lock()
        self._closed.acquire()

    def give(self) -> None:
        """Let whoever waits go on, now and from now on."""
        with contextlib.suppress(RuntimeError):  # it is open already
            self._closed.release()

    def wait(self, timeout: float) -> bool:
        """Return true as soon as it was given, false after so many seconds."""
        given = self._closed.acquire(timeout=timeout)
        if given:
            self.give()
        return given


def _patched() -> Any:
    """Return ``gevent.monkey`` if it has put greenlets in the place of threads."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey if monkey and monkey.is_module_patched("threading") else None


def _original(name: str) -> Any:
    patched = _patched()
    return patched.get_original("_thread", name) if patched else getattr(_thread, name)
