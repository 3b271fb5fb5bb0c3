"""Waiting for what must come, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str, timeout: float = 15.0) -> None:
    """Wait until the condition holds.

    :param what: is waited for, as the error names it
    :raises TimeoutError: if it does not in ``timeout`` seconds
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"in {timeout} s there was no {what}")
        time.sleep(0.005)
