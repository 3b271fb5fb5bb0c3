"""SIGTERM under load: a server with us ends as soon as without us, and no beat is lost."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from .hosts import Host, hosting
from .ledger import Ledger
from .load import Load

MOST = 1.0
"""Seconds by which we may delay the exit of a server."""
NOISE = 1.0
"""Seconds by which two exits of one server may differ here."""


@pytest.mark.parametrize("locked", [True, pytest.param(False, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "server",
    [
        "gunicorn-sync",
        "gunicorn-gthread",
        "gunicorn-gevent",
        "uwsgi",
        "waitress",
        "granian",
        "mod_wsgi",
        "mod_wsgi-embedded",
    ],
)
def test_an_exit_is_delayed_by_a_second_at_most_and_what_was_accepted_is_stored_later(
    server: str, locked: bool, ledger: Ledger, open_folder: Path
) -> None:
    with hosting(server, open_folder, environment={"BARE": "yes"}) as host:
        without = exit_under_load(host, Ledger("without us"), contextlib.nullcontext())
    with hosting(server, open_folder) as host:
        database = host.data / "pagetimer.db"
        lock = locking(database) if locked else contextlib.nullcontext()
        within = exit_under_load(host, ledger, lock)
    assert "Traceback" not in host.log()
    with hosting(server, open_folder) as host:
        ledger.hold(host.store)
    ledger.notes.append(f"exit after {within:.2f} s, without us {without:.2f} s")
    assert within <= without + MOST + NOISE


def exit_under_load(host: Host, ledger: Ledger, lock: AbstractContextManager[object]) -> float:
    """Send SIGTERM while clients send beats; return the seconds until the server has ended."""
    with Load(host.port, ledger, pause=0.005), contextlib.ExitStack() as stack:
        time.sleep(0.5)
        stack.enter_context(lock)
        time.sleep(1.2)  # the writer, which looks once a second, has come to wait
        if host.name != "mod_wsgi-embedded":
            return end(host)
    # A process of prefork that is ended within a request waits for itself, until it is killed.
    return end(host)


def end(host: Host) -> float:
    began = time.monotonic()
    host.process.send_signal(signal.SIGTERM)
    host.process.wait(30)
    return time.monotonic() - began


@contextlib.contextmanager
def locking(database: Path) -> Iterator[None]:
    """Keep a database locked, once it is there."""
    end = time.monotonic() + 20
    while not database.exists() or database.stat().st_size == 0:
        assert time.monotonic() < end, f"{database} does not appear"
        time.sleep(0.05)
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.isolation_level = None
        connection.execute("BEGIN EXCLUSIVE")
        yield
