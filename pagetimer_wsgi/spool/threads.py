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
import time  # noqa: F401  (sleep's)
from collections.abc import Callable
from typing import Any, TypeVar, cast

Result = TypeVar("Result")
Lock = _thread.LockType


def lock() -> Lock:
    """Return a lock that keeps threads apart; whoever waits for it keeps the thread."""
    found: Lock = _original("_thread", "allocate_lock")()
    return found


def run_here() -> bool:
    """Tell whether threads run while no request does; in uWSGI before 2.0.27 not by themselves."""
    return bool(getattr(sys.modules.get("uwsgi"), "has_threads", True))


def start(run: Callable[[], None], name: str) -> None:
    """Run a function in a thread of its own, which ends with the process at the latest.

    :raises RuntimeError: if the system gives none now
    """
    if _patched() is None:
        threading.Thread(target=run, name=name, daemon=True).start()
    else:
        _original("_thread", "start_new_thread")(run, ())


def beside(run: Callable[[], Result]) -> Result:
    """Return what a function does; under gevent in another thread, while greenlets go on."""
    if _patched() is None:
        return run()
    result, error = sys.modules["gevent"].get_hub().threadpool.apply(_outcome, (run,))
    if error is not None:
        raise error
    return cast(Result, result)


def _outcome(run: Callable[[], Result]) -> tuple[Result | None, Exception | None]:
    """Return what a function does, and what it raises: gevent's pool would print it."""
    try:
        return run(), None
    except Exception as error:
        return None, error


def sleep(seconds: float) -> None:
    """Let this thread wait, and whatever greenlets it has."""
    _original("time", "sleep")(seconds)


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


def _original(module: str, name: str) -> Any:
    patched = _patched()
    if patched is None:
        return getattr(sys.modules[module], name)
    return patched.get_original(module, name)
