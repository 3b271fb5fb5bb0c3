"""Pauses in long loops of a thread that shares its process with the host's requests.

A thread that computes gives the interpreter away once in five milliseconds
(:func:`sys.getswitchinterval`, which is the host's to set), and a request asks for it several
times: whenever it has waited for its client. A pause gives it away at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
_WORK = 0.0005
"""Seconds between two pauses: what a request then waits for, at the most, each time it asks."""
_PAUSE = 0.00005
"""Seconds: as short as the system's clock allows; whoever waits takes its turn at once."""
_LOOK = 16
"""Items from one look at the clock to the next."""


class _Pace(threading.local):
    sleep: Callable[[float], None] | None = None
    next = 0.0
    """When the next pause is due, by the monotonic clock."""


_pace = _Pace()


@contextmanager
def pausing(sleep: Callable[[float], None]) -> Iterator[None]:
    """Let this thread's loops over :func:`gently` make pauses.

    :param sleep: waits for so many seconds, and lets other threads have the interpreter
    """
    _pace.sleep = sleep
    try:
        yield
    finally:
        _pace.sleep = None


def gently(items: Iterable[Item], look: int = _LOOK) -> Iterable[Item]:
    """Return the items; where this thread is :func:`pausing`, with pauses between them.

    :param look: items from one look at the clock to the next
    """
    return items if _pace.sleep is None else _with_pauses(items, look, _pace.sleep)


def _with_pauses(
    items: Iterable[Item], look: int, sleep: Callable[[float], None]
) -> Iterator[Item]:
    for number, item in enumerate(items):
        if number % look == 0 and time.monotonic() > _pace.next:
            sleep(_PAUSE)
            _pace.next = time.monotonic() + _WORK
        yield item
