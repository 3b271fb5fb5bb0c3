"""The host of the faults: a page, wrapped; the environment (``PAGETIMER_…``) says the options."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pagetimer_wsgi import PageTimer

PAGE = b"<!DOCTYPE html><html><head><title>Tides</title></head><body>High at nine.</body></html>"


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/eat":
        eat()
    if environ["PATH_INFO"] in ("/eat", "/die"):
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


def eat(seconds: float = 0.3, piece: int = 2**16) -> None:
    """Take all the memory that a limit leaves to this process, and keep it for a while."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, used + 2**25))
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            taken.append(bytearray(piece))
        except MemoryError:
            time.sleep(0.01)


application = page if "BARE" in os.environ else PageTimer(page)
