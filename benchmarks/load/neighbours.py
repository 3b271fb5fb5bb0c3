"""What the host's other pages feel of beats: beside empty requests, and while a store is away."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .probe import Probe, percentile
from .rounds import wait_until_stored
from .sides import OURS, Side
from .workers import Server

_AROUND = 5
"""Seconds before and after a store is away."""
_AWAY = 10
_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@dataclass(frozen=True)
class Felt:
    """What the probe felt.

    :param while_what: what went on meanwhile
    :param took: milliseconds of each answer
    :param failed: requests of the probe that failed
    :param rate: requests a second that went beside
    :param refused: those of them that were not taken
    """

    while_what: str
    took: list[float]
    failed: int
    rate: float
    refused: int

    def cells(self) -> list[str]:
        """Return the row's cells."""
        figures = [percentile(self.took, share) for share in (0.5, 0.9, 0.99)]
        milliseconds = [f"{figure:.1f}" for figure in (*figures, max(self.took))]
        return [self.while_what, *milliseconds, str(self.failed), f"{self.rate:.0f}"]


HEAD = ["a page of the host, ms", "p50", "p90", "p99", "most", "failed", "beside it /s"]


def beside_beats(
    side: Side, mode: str, folder: Path, bodies: Path, rate: float, rounds: int, seconds: int
) -> list[Felt]:
    """Ask for a page beside empty requests and beside as many beats, by turns."""
    felt = {"/empty": ([], [], []), OURS: ([], [], [])}
    with side.serve(mode, folder) as server:
        _warm_up(server, bodies)
        for number in range(1, rounds + 1):
            for path, (took, rates, failed) in felt.items():
                with Probe(server.port, "/page").running() as probe:
                    sent = server.send(path, bodies, seconds, number * 1000, rate)
                took += [milliseconds for _, milliseconds in probe.took]
                rates.append(sent.answered / sent.seconds)
                failed.append((probe.failed, sent.refused))
                wait_until_stored(server)
    return [
        Felt(
            "beside empty requests" if path == "/empty" else "beside beats",
            took,
            sum(probe for probe, _ in failed),
            sum(rates) / rounds,
            sum(refused for _, refused in failed),
        )
        for path, (took, rates, failed) in felt.items()
    ]


def beside_a_store_that_is_away(
    side: Side,
    mode: str,
    folder: Path,
    bodies: Path,
    rate: float,
    away: Callable[[], AbstractContextManager[Any]],
) -> list[Felt]:
    """Ask for a page beside beats, before, while and after the store is away."""
    with side.serve(mode, folder) as server:
        _warm_up(server, bodies)
        sent = []
        beats = threading.Thread(
            target=lambda: sent.append(server.send(OURS, bodies, 2 * _AROUND + _AWAY, 1000, rate))
        )
        with Probe(server.port, "/page").running() as probe:
            beats.start()
            time.sleep(_AROUND)
            left = time.monotonic()
            with away():
                time.sleep(_AWAY)
            back = time.monotonic()
            beats.join()
        wait_until_stored(server)
    (result,) = sent
    parts = {
        "before": [took for moment, took in probe.took if moment < left],
        "while it is away": [took for moment, took in probe.took if left <= moment < back],
        "after": [took for moment, took in probe.took if moment >= back],
    }
    return [
        Felt(name, took, probe.failed, result.answered / result.seconds, result.refused)
        for name, took in parts.items()
    ]


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let another process lock an SQLite file for the block."""
    command = [sys.executable, "-c", _LOCK, str(file), str(_AWAY + 30)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def frozen(server: Any) -> Iterator[None]:
    """Let a PostgreSQL server stand still for the block."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def _warm_up(server: Server, bodies: Path) -> None:
    server.send("/empty", bodies, 1, 0)
    server.send(OURS, bodies, 1, 0, 100)
    server.writers()
    wait_until_stored(server)
