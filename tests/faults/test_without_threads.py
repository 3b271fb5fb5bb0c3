"""uWSGI runs no threads unless told to: requests drain what was accepted, or the CLI does."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from pagetimer_wsgi.stores.base import open_store

from .hosts import Host, hosting
from .ledger import ALL, Ledger
from .load import Load, Pulse
from .steps import Site, fork


def drain(host: Host) -> None:
    """Drain by the command line."""
    assert fork(Site(host.data, host.store).drain).join() == 0


def stored(host: Host) -> int:
    """Return how many beats its store has."""
    with contextlib.closing(open_store(host.store, migrate=False)) as store:
        return sum(1 for _ in store.beats(ALL))


def threads(host: Host) -> int:
    """Return how many threads its workers have, together."""
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in host.workers())


def test_requests_drain_what_was_accepted_and_the_command_line_drains_the_rest(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("uwsgi-without-threads", tmp_path) as host:
        with Load(host.port, ledger, pause=0.01) as load:
            load.wait_for(200)
            host.kill_a_worker(0)
            load.wait_for(200)
            end = time.monotonic() + 20
            while stored(host) < 400:
                assert time.monotonic() < end, f"only {stored(host)} of {ledger.answers} stored"
                time.sleep(0.2)
        ledger.notes.append(f"{stored(host)} stored by requests")
        assert threads(host) == len(host.workers())
        drain(host)
        ledger.hold(host.store, timeout=0)


def test_no_request_waits_for_a_locked_store(ledger: Ledger, tmp_path: Path) -> None:
    with hosting("uwsgi-alone-without-threads", tmp_path) as host:
        drain(host)
        with contextlib.closing(sqlite3.connect(host.data / "pagetimer.db")) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN EXCLUSIVE")
            with Load(host.port, ledger, pause=0.01) as load, Pulse(host.port) as pulse:
                load.wait_for(400)
                time.sleep(1.5)
        assert pulse.statuses == {200}
        assert max(pulse.times) < 2  # SQLite would wait for a lock for five seconds
        ledger.notes.append(f"host's p99 {pulse.percentile(99):.0f} ms")
        drain(host)
        ledger.hold(host.store, timeout=0)
