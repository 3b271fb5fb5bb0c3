"""The ways to store the lines that the drain benchmark compares, each run in a process of its own.

    python benchmarks/drain_sides.py SIDE URL FOLDER COUNT

prints what one run took, as JSON.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from drain_lines import AGENTS, lines

from pagetimer_wsgi.agents import describe
from pagetimer_wsgi.events import fold, keep
from pagetimer_wsgi.lines import decode
from pagetimer_wsgi.spool import drain
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.stores.base import open_store
from pagetimer_wsgi.stores.sql.rows import beat_values, page_view_values

Run = Callable[[], int]
"""Stores all lines and returns how many."""

_GREATEST = "visible = max(visible, excluded.visible), engaged = max(engaged, excluded.engaged)"


@contextlib.contextmanager
def ours(url: str, folder: Path, count: int) -> Iterator[Run]:
    """Drain the spool as the writer does, into tables that are there, with all their indexes."""
    spool, store = Spool(folder / "spool", url, 2**40), open_store(url)
    for line in lines(count):
        spool.append(line)
    store.check()
    for agent in AGENTS:  # a writer that has run for a while knows them
        describe(agent)
    yield lambda: drain.drain(spool, store, Quarantine(folder / "quarantine"))
    store.close()
    spool.process.close()


@contextlib.contextmanager
def ours_in_a_busy_process(url: str, folder: Path, count: int) -> Iterator[Run]:
    """Do the same beside two threads that compute in Python all the while."""
    stopped = threading.Event()

    def compute() -> None:
        while not stopped.is_set():
            sum(range(1_000))

    with ours(url, folder, count) as run:
        threads = [threading.Thread(target=compute) for _ in range(2)]
        for thread in threads:
            thread.start()
        yield run
        stopped.set()


@contextlib.contextmanager
def bare_sqlite(url: str, folder: Path, count: int) -> Iterator[Run]:
    """Decode the lines and keep their keys and totals, in two tables without further indexes."""
    file = folder / "lines"
    file.write_bytes(b"".join(lines(count)))
    database = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL",
        "CREATE TABLE page_view (id BLOB PRIMARY KEY, visible, engaged) WITHOUT ROWID",
        "CREATE TABLE beat (id BLOB, seq, visible, engaged, PRIMARY KEY (id, seq)) WITHOUT ROWID",
    ):
        database.execute(statement)
    views = f"INSERT INTO page_view VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET {_GREATEST}"
    beats = f"INSERT INTO beat VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET {_GREATEST}"

    def run() -> int:
        with open(file, "rb") as stream:
            for some in _batches(stream):
                rows = [
                    (bytes.fromhex(beat.view_id), beat.seq, beat.visible_ms, beat.engaged_ms)
                    for beat in map(decode, some)
                ]
                database.execute("BEGIN IMMEDIATE")
                database.executemany(views, [(row[0], *row[2:]) for row in rows])
                database.executemany(beats, rows)
                database.execute("COMMIT")
        return count

    yield run
    database.close()


@contextlib.contextmanager
def bare_copy(url: str, folder: Path, count: int) -> Iterator[Run]:
    """COPY the same rows, ready in memory, into tables and indexes that are the same."""
    import psycopg

    store = open_store(url)
    store.check()
    store.close()
    decoded = list(map(decode, lines(count)))
    views = [page_view_values(view, 1, 2, 3, 4, 5) for view in fold(decoded).values()]
    beats = [beat_values(kept) for kept in keep(decoded).values()]

    def copy(connection: Any, table: str, types: str, rows: Iterable[Sequence[Any]]) -> None:
        for some in _batches(rows):
            statement = f"COPY {table} FROM STDIN (FORMAT BINARY)"
            with connection.cursor() as cursor, cursor.copy(statement) as stream:
                stream.set_types(types.split())
                for view_id, *values in some:
                    stream.write_row((bytes.fromhex(view_id), *values))
            connection.commit()

    def run() -> int:
        with psycopg.connect(url) as connection:
            for table, rows in (("pagetimer_page_view", views), ("pagetimer_beat", beats)):
                copy(connection, table, _types(connection, table), rows)
        return count

    yield run


SIDES = {
    "ours": ours,
    "ours in a busy process": ours_in_a_busy_process,
    "bare SQLite": bare_sqlite,
    "bare COPY": bare_copy,
}


def _batches(things: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(things)
    while some := list(itertools.islice(left, drain.BATCH)):
        yield some


def _types(connection: Any, table: str) -> str:
    column = "SELECT string_agg(atttypid::regtype::text, ' ' ORDER BY attnum) FROM pg_attribute"
    query = f"{column} WHERE attrelid = %s::regclass AND attnum > 0"
    return connection.execute(query, [table]).fetchone()[0].replace("character varying", "text")


def _memory() -> int:
    """Return the most memory, in KiB, that this process had since it was last looked at."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0])


def main(side: str, url: str, folder: str, count: str) -> None:
    with SIDES[side](url, Path(folder), int(count)) as run:
        _memory()
        before, began, cpu = _memory(), time.perf_counter(), time.process_time()
        stored = run()
        seconds, cpu = time.perf_counter() - began, time.thread_time() - cpu
        assert stored == int(count), f"{stored} of {count} stored"
        took = {"rate": stored / seconds, "cpu": cpu / stored, "memory": _memory() - before}
    print(json.dumps(took))


if __name__ == "__main__":
    main(*sys.argv[1:])
