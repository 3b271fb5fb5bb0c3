"""A store that is away for a while: no answer of the host tells of it, and nothing is lost."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from databases import PostgreSQL

from .hosts import Host, hosting
from .ledger import Ledger
from .load import Load, Pulse

STALL = 2_000.0
"""Milliseconds that show a host which waits for the store, and not a busy machine."""


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


@pytest.mark.parametrize(
    ("how", "server", "seconds"),
    [
        ("stopped", "gunicorn-gthread", 3),
        ("frozen", "gunicorn-sync", 3),
        ("restarted", "gunicorn-gevent", 1),
        *(
            pytest.param(how, server, 40, marks=pytest.mark.long)
            for how in ("stopped", "frozen", "restarted")
            for server in ("gunicorn-gthread", "gunicorn-gevent", "uwsgi")
        ),
    ],
)
def test_a_server_that_is_away_is_felt_by_nobody(
    how: str,
    server: str,
    seconds: float,
    ledger: Ledger,
    tmp_path: Path,
    own_postgresql: PostgreSQL,
) -> None:
    away = {"stopped": stopped, "frozen": frozen, "restarted": restarted}[how](own_postgresql)
    with hosting(server, tmp_path, store=own_postgresql.url) as host:
        nobody_feels(away, seconds, host, ledger)


@contextlib.contextmanager
def stopped(server: PostgreSQL) -> Iterator[None]:
    """Stop the server, and start it again."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextlib.contextmanager
def frozen(server: PostgreSQL) -> Iterator[None]:
    """Let the server stand still: it takes connections, and answers nothing."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextlib.contextmanager
def restarted(server: PostgreSQL) -> Iterator[None]:
    """Restart the server, once like this and once as after a crash."""
    server.restart()
    server.stop(signal.SIGQUIT)
    server.start()
    yield


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
    assert during.percentile(100) < STALL
