"""Each kind of SQL database as a test meets it: empty, and open to the test behind our back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from databases import PostgreSQL

from pagetimer_wsgi.events import Beat, PageView
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore, schema

__all__ = ["Place", "Postgresql", "Sqlite", "a_beat", "all_views", "opened"]

NOON = 1_772_366_400_000  # 2026-03-01 12:00 UTC
SESSION = "5" * 32
VISITOR = "7" * 32
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def a_beat(number: int = 1, seq: int = 0, **known: object) -> Beat:
    """Return a beat of the page view of this number."""
    values = {
        "view_id": f"{NOON:012x}{number:020x}",
        "seq": seq,
        "received_at": NOON + number,
        "path": f"/{number}",
        **known,
    }
    return Beat(**values)


EVERYTHING = {
    "age": 40,
    "visible_ms": 30,
    "engaged_ms": 0,
    "capped": True,
    "why": "leave",
    "site": "shop",
    "route": "/<id>",
    "referrer": "/before",
    "agent": FIREFOX,
    "words": 120,
    "ip_address": "203.0.113.0",
    "client_started_at": NOON - 9_000,
    "username": "ada",
    "session_key": SESSION,
}


class Place:
    """A database of one kind. What is written in SQL is the same for all."""

    url: str

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement behind the store's back and return its rows."""
        raise NotImplementedError

    def refuse(self, table: str, condition: str, event: str = "INSERT") -> None:
        """Let a trigger refuse the rows for which the condition holds."""
        raise NotImplementedError

    def time(self, text: str) -> object:
        """Return a point in time as the view shows it."""
        raise NotImplementedError

    def size_of_page_views(self) -> int:
        """Return the bytes that all take with their indexes, save the beats, which may go now."""
        raise NotImplementedError

    def everything(self) -> dict[str, list[str]]:
        """Return every row of our tables."""
        return {
            table: sorted(map(repr, self.sql(f"SELECT * FROM {table}")))
            for table in schema.metadata.tables
        }


class Sqlite(Place):
    """A file, which is not there yet; nor is its folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "data" / "pagetimer.db"
        self.url = f"sqlite:///{self.file}"

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def refuse(self, table: str, condition: str, event: str = "INSERT") -> None:
        self.sql(
            f"CREATE TRIGGER no_{event}_{table} BEFORE {event} ON {table} WHEN {condition}"
            " BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )

    def time(self, text: str) -> str:
        return text

    def size_of_page_views(self) -> int:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("DROP TABLE pagetimer_beat")
            connection.commit()
            connection.executescript("PRAGMA incremental_vacuum")  # execute() stops after one page
            pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
            size: int = connection.execute("PRAGMA page_size").fetchone()[0]
        return pages * size


class Postgresql(Place):
    """A new schema in the server that the tests share."""

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        self.url = server.schema()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return self.server.psql(statement, self.url)

    def refuse(self, table: str, condition: str, event: str = "INSERT") -> None:
        self.sql(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'not this one'; END $$"
        )
        self.sql(
            f"CREATE TRIGGER no_{event} BEFORE {event} ON {table} FOR EACH ROW"
            f" WHEN ({condition}) EXECUTE FUNCTION refuse()"
        )

    def time(self, text: str) -> datetime:
        return datetime.fromisoformat(text)

    def size_of_page_views(self) -> int:
        tables = [table for table in schema.metadata.tables if table != "pagetimer_beat"]
        sizes = " + ".join(f"pg_total_relation_size('{table}')" for table in tables)
        size: int = self.sql(f"SELECT {sizes}")[0][0]
        return size


KINDS = ["SQLite", "PostgreSQL"]


@pytest.fixture(scope="module", params=KINDS)
def places(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Place]:
    """Make a new place of one kind whenever it is called."""
    if request.param == "SQLite":
        return lambda: Sqlite(tmp_path_factory.mktemp("sqlite"))
    server = request.getfixturevalue("postgresql")
    return lambda: Postgresql(server)


@pytest.fixture
def place(places: Callable[[], Place]) -> Place:
    """A database of one kind, with nothing in it."""
    return places()


@pytest.fixture
def store(place: Place) -> Iterator[SqlStore]:
    """The store in that database."""
    with closing(opened(place)) as store:
        yield store


def opened(place: Place, **options: bool) -> SqlStore:
    """Return another store in the same place."""
    return SqlStore.open(place.url, **options)


def all_views(store: SqlStore) -> dict[str, PageView]:
    """Return every page view in the store, by its id."""
    return {view.view_id: view for view in store.page_views(Query(kinds=()))}
