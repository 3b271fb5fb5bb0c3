"""A worker whose other threads compute: what it takes in, and what it stores."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .rounds import figures
from .sides import OURS, Side
from .workers import Server

_SECONDS = 8
_SECONDS_TO_STORE = 60
_COMPUTING = 4
"""Connections that always have a request for ``/compute`` going."""


def taken_and_stored(side: Side, folder: Path, bodies: Path) -> tuple[float, float]:
    """Return how many beats a second one gthread worker takes, and how many it then stores.

    What it took lies in the spool until the next process, with a writer, stores it.
    """
    off = dataclasses.replace(side, environment={**side.environment, "PAGETIMER_WRITER": "off"})
    with off.serve("gthread", folder, workers=1) as server, _computing(server):
        sent = server.send(OURS, bodies, _SECONDS, 0)
    with side.serve("gthread", folder, workers=1) as server, _computing(server):
        server.get("/page")  # the writer starts after the first answer
        stored = _rate(server, sent.answered)
    return sent.answered / sent.seconds, stored


def _rate(server: Server, all_of_them: int) -> float:
    """Return the beats that are stored in a second, its first second of waiting left out."""
    began = time.monotonic() + 1
    while time.monotonic() < began + _SECONDS_TO_STORE:
        stored = figures(server)["stored"]
        if stored >= all_of_them:
            break
        time.sleep(0.02)
    return stored / (time.monotonic() - began)


@contextmanager
def _computing(server: Server) -> Iterator[None]:
    """Let the worker compute while the block runs."""
    stopped = threading.Event()

    def compute() -> None:
        while not stopped.is_set():
            server.get("/compute")

    threads = [threading.Thread(target=compute) for _ in range(_COMPUTING)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
