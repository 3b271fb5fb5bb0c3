"""A store that is away for a while: no answer of the host tells of it, and nothing is lost."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from .hosts import Host, hosting
from .ledger import Ledger
from .load import Load, Pulse

STALL = 500.0
"""Milliseconds more that show a host which waits for the store, and not a busy machine."""


@pytest.mark.parametrize(
    ("server", "seconds"),
    [
        ("gunicorn-sync", 7),  # longer than a connection waits for the lock
        ("gunicorn-eight", 3),
        pytest.param("gunicorn-eight", 10, marks=pytest.mark.long),
        pytest.param("gunicorn-gthread", 10, marks=pytest.mark.long),
        pytest.param("gunicorn-gevent", 10, marks=pytest.mark.long),
        pytest.param("uwsgi", 10, marks=pytest.mark.long),
    ],
)
def test_a_locked_database_is_felt_by_nobody(
    server: str, seconds: float, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting(server, tmp_path) as host:
        nobody_feels(locked(host.store), seconds, host, ledger)


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold an SQLite file's lock; this process is another one than the host's."""
    path = url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def nobody_feels(
    away: AbstractContextManager[None], seconds: float, host: Host, ledger: Ledger
) -> None:
    """Hold that a store which is away for so long changes no answer, and loses nothing."""
    with Load(host.port, ledger, pause=0.01) as load:
        load.wait_for(100)
        with Pulse(host.port) as before:
            time.sleep(1)
        with away, Pulse(host.port) as during:
            time.sleep(seconds)
        back = time.monotonic()
        with Pulse(host.port) as after:
            load.wait_for(200)
    ledger.hold(host.store)
    pulses = before, during, after
    slowest = [pulse.percentile(99) for pulse in pulses]
    ledger.notes += [
        "p99 {:.0f}, {:.0f}, {:.0f} ms".format(*slowest),
        f"stored after {time.monotonic() - back:.1f} s",
    ]
    assert set().union(*(pulse.statuses for pulse in pulses)) == {200}
    assert set().union(*(pulse.bodies for pulse in pulses)) == before.bodies
    assert slowest[1] < slowest[0] + STALL
