"""A row that the store refuses goes to quarantine alone, and comes back when that is mended."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from databases import PostgreSQL

from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.lines import encode

from .hosts import Host, hosting
from .ledger import Ledger, SentBeat, beats_of_a_view
from .load import send

REFUSED = 77_777
"""Visible milliseconds that the store is told to refuse."""
TOO_LARGE = 2**63


def test_sqlite_takes_all_beats_but_the_one_that_it_refuses(ledger: Ledger, tmp_path: Path) -> None:
    refuse = f"""
        CREATE TRIGGER refusal BEFORE INSERT ON pagetimer_beat WHEN NEW.visible_ms = {REFUSED}
        BEGIN SELECT RAISE(ABORT, 'no such time'); END
    """
    with hosting("gunicorn-sync", tmp_path) as host:
        begin(host, ledger)
        path = host.store.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(refuse)
            all_but_two_are_stored(host, ledger)
            database.execute("DROP TRIGGER refusal")
        one_comes_back(host, ledger)


def test_postgresql_takes_all_beats_but_the_one_that_it_refuses(
    ledger: Ledger, tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = postgresql.database()
    table, refusal = "ALTER TABLE pagetimer_beat", f"refusal CHECK (visible_ms <> {REFUSED})"
    with hosting("gunicorn-sync", tmp_path, store=url) as host:
        begin(host, ledger)
        postgresql.psql(f"{table} ADD CONSTRAINT {refusal}", url)
        all_but_two_are_stored(host, ledger)
        postgresql.psql(f"{table} DROP CONSTRAINT refusal", url)
        one_comes_back(host, ledger)


def begin(host: Host, ledger: Ledger) -> None:
    """Let the host make its tables."""
    assert send(host.port, ledger, beats_of_a_view(1)[0]) == 204
    ledger.hold(host.store)


def all_but_two_are_stored(host: Host, ledger: Ledger) -> None:
    """Hold that of 99 good beats, one that is refused and one that fits no store all are kept."""
    beats = [beats_of_a_view(1)[0] for _ in range(100)]
    beats[40] = SentBeat(beats[40].view_id, 0, REFUSED)
    assert [send(host.port, ledger, beat) for beat in beats] == [204] * 100
    view_id = beats_of_a_view(1)[0].view_id
    too_large = Beat(view_id=view_id, seq=0, received_at=1, path="/far", visible_ms=TOO_LARGE)
    host.leave(encode(too_large))
    host.until(lambda said: said["quarantined"] == 2)
    counts = ledger.compare(host.store, timeout=0)
    assert (counts.stored, counts.missing) == (100, 1)


def one_comes_back(host: Host, ledger: Ledger) -> None:
    """Hold that what the store takes now leaves the quarantine, and the rest stays there."""
    ledger.notes.append(host.drain("--quarantine").splitlines()[1])
    ledger.hold(host.store)
    assert [row["beat"]["visible_ms"] for row in host.quarantined()] == [TOO_LARGE]
