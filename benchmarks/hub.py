"""How long gevent's hub stands still while beats come in and the store is locked.

    python benchmarks/hub.py [--seconds N] [--rounds N]

Each side is a process of its own, patched by gevent, into which greenlets send beats, 300 a second.
A greenlet that sleeps for a millisecond, over and over, sees how late it is woken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from load.bodies import SECRET, make_bodies
from load.neighbours import locked
from load.probe import percentile
from tables import show

if TYPE_CHECKING:
    from pagetimer_wsgi import PageTimer

SIDES = ("no beats", "writer off", "store there", "store locked")
_SENDERS = 3
_PAUSE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description="How long gevent's hub stands still.")
    parser.add_argument("--seconds", type=float, default=10, help="that a side's turn lasts (10)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side (2)")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(measure(chosen.side, chosen.seconds)))
        return
    late: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(chosen.rounds):
        for side, gaps in late.items():
            command = [sys.executable, __file__, "--side", side, "--seconds", str(chosen.seconds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            gaps += json.loads(done.stdout)
    rows = [["the hub wakes a greenlet late by, ms", "p50", "p99", "p99.9", "most"]]
    for side, gaps in late.items():
        figures = [*(percentile(gaps, share) for share in (0.5, 0.99, 0.999)), max(gaps)]
        rows.append([side, *(f"{figure:.1f}" for figure in figures)])
    show(rows)


def measure(side: str, seconds: float) -> list[float]:
    """Return by how many milliseconds the hub was late, each time."""
    from gevent import monkey

    monkey.patch_all()
    from pagetimer_wsgi import PageTimer

    gaps: list[float] = []
    with tempfile.TemporaryDirectory(prefix="pagetimer-") as folder:
        writer = "off" if side == "writer off" else "auto"
        timer = PageTimer(lambda *call: [], data=folder, secret=SECRET, writer=writer)
        with closing(timer):
            timer.parts.store.check()
            timer.parts.store.close()
            lock = (
                locked(Path(folder) / "pagetimer.db") if side == "store locked" else nullcontext()
            )
            with lock:
                _run(_sender(timer) if side != "no beats" else lambda: None, gaps, seconds)
    return gaps


def _sender(timer: PageTimer) -> Callable[[], None]:
    """Return what sends one beat."""
    from webob import Request

    bodies = cycle(f"{before}1000000{after}".encode() for before, after in make_bodies())

    def send() -> None:
        request = Request.blank("/_pagetimer/beat", method="POST", body=next(bodies))
        answer = request.get_response(timer)
        assert answer.status_int == 204, answer

    return send


def _run(send: Callable[[], None], gaps: list[float], seconds: float) -> None:
    import gevent

    end = time.monotonic() + seconds

    def watch() -> None:
        while (before := time.monotonic()) < end:
            gevent.sleep(0.001)
            gaps.append((time.monotonic() - before) * 1000 - 1)

    def keep_sending() -> None:
        while time.monotonic() < end:
            send()
            gevent.sleep(_PAUSE)

    gevent.joinall([gevent.spawn(watch), *(gevent.spawn(keep_sending) for _ in range(_SENDERS))])


if __name__ == "__main__":
    main()
