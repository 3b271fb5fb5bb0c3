"""``SqliteDatabase``: connections to a file, and what their errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from ....errors import StoreAway
from ....files import make_database_file, make_folder
from ..database import BUSY_SECONDS, BY_HAND, Database
from .bulk import SqliteBulk
from .opened import FORKED, connect

_SPARE_PAGES = 256
"""Unused pages, a MiB, that the file keeps: what comes next finds room in them."""
_PAGES_AT_ONCE = 256
"""Pages that are moved in one transaction, in some milliseconds."""

# What SQLite says, what that means, what to do about it. The first that is found counts.
_MEANINGS = (
    (FORKED, "is left to this host's other processes, for this one was forked while it was in use"),
    ("locked", "is locked by another program; find out which one keeps it open"),
    ("readonly", "cannot be written by this user; give it leave to write the file and its folder"),
    ("is full", "cannot grow, the disk is full; make room"),
    ("unable to open", "cannot be opened by this user; give it leave to write its folder and disk"),
    ("not a database", "is no SQLite database; move that file away or name another one"),
    ("malformed", "is damaged; put back a backup, or use SQLite's .recover"),
    ("disk I/O error", "cannot be read or written; is its disk full? Else see the system's log"),
    ("no such table", "lacks tables that its version should have; put back a backup"),
    ("no such column", "lacks columns that its version should have; put back a backup"),
)


def file_of(url: str) -> Path:
    """Return the absolute path of the file that an ``sqlite:///`` URL names.

    :raises ValueError: if the URL's text is wrong
    """
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ValueError("it is no database URL; sqlite:///pagetimer.db is one") from error
    shown = parts.render_as_string(hide_password=True)
    if parts.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ValueError(f"{shown}: the driver of SQLite is Python's own, sqlite:///pagetimer.db")
    if parts.host or parts.username or parts.port:
        raise ValueError(f"{shown}: a relative path takes three slashes, an absolute one four")
    # Taken from the text itself: SQLAlchemy 2.1 decodes %41 in a path, 2.0 does not.
    path = url.partition("///")[2].partition("?")[0]
    if path in ("", ":memory:") or parts.query.get("mode") == "memory":
        raise ValueError(f"{shown}: a database in memory cannot be seen by other processes")
    if parts.query or path.startswith("file:"):
        raise ValueError(f"{shown}: it takes the path of a file and nothing else")
    return Path(os.path.abspath(path))


class SqliteDatabase(Database):
    """One SQLite file. One that was moved or replaced is seen by the next transaction.

    Readers never wait for the writer, nor it for them (WAL).

    :param fsync: whether each commit waits until the disk has it
    :param migrate: whether the file, too, is made when it is written to
    :param patience: seconds for which a connection waits for another one's lock
    """

    def __init__(
        self, url: str, *, fsync: bool, migrate: bool, patience: float = BUSY_SECONDS
    ) -> None:
        self.path = file_of(url)
        super().__init__(str(self.path), SqliteBulk(), migrate=migrate)
        self._patience = patience
        self._fsync = fsync
        self._reader = create_engine("sqlite://", creator=self._open, poolclass=NullPool)
        _begins(self._reader, "BEGIN")

    def without_patience(self) -> SqliteDatabase:
        """Return the same file, for whoever waits for no lock; see the base class."""
        url = f"sqlite:///{self.path}"  # absolute: the host may have changed its folder meanwhile
        return SqliteDatabase(url, fsync=self._fsync, migrate=self.migrate, patience=0)

    def size(self, connection: Connection) -> int:
        """Return the bytes of the file; see the base class."""
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())

    def give_back(self) -> bool:
        """Cut some of the unused pages off the file; see the base class."""
        if not self._is_there():
            return False
        try:
            with closing(self._open_to_write()) as connection:
                (unused,) = connection.execute("PRAGMA freelist_count").fetchone()
                if unused > _SPARE_PAGES:
                    # execute() would stop after one page.
                    pages = min(unused - _SPARE_PAGES, _PAGES_AT_ONCE)
                    connection.executescript(f"PRAGMA incremental_vacuum({pages})")
        except sqlite3.Error as error:
            raise StoreAway(f"{self.name} {self._means(str(error))}") from error
        return bool(unused > _SPARE_PAGES + _PAGES_AT_ONCE)

    def _begin_writing(self) -> AbstractContextManager[Connection]:
        if self.migrate:
            make_folder(self.path.parent)
            make_database_file(self.path)
        return self._engine().begin()

    def _begin_reading(self) -> AbstractContextManager[Connection | None]:
        return self._reader.begin() if self._is_there() else nullcontext()

    def _new_engine(self) -> Engine:
        engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=-1)
        _begins(engine, "BEGIN IMMEDIATE")

        @event.listens_for(engine, "do_connect")
        def connect(_: object, record: ConnectionPoolEntry, *__: object) -> sqlite3.Connection:
            before = self._file()
            connection = self._open_to_write()
            record.info["file"] = before or self._file()
            return connection

        @event.listens_for(engine, "checkout")
        def look(_: object, record: ConnectionPoolEntry, __: object) -> None:
            if record.info["file"] != self._file():
                raise DisconnectionError(f"{self.path} is another file now")

        return engine

    def _file(self) -> tuple[int, int] | None:
        """Return what tells the file from another one at its path, which may have none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _is_there(self) -> bool:
        try:
            return self.path.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _open(self) -> sqlite3.Connection:
        return self._opened("rw")

    def _open_to_write(self) -> sqlite3.Connection:
        if not self.migrate:
            return self._opened("rw")
        # Before anything else: a file that has its first page keeps what it was made with.
        return self._opened("rwc", "PRAGMA auto_vacuum=INCREMENTAL", "PRAGMA journal_mode=WAL")

    def _opened(self, mode: str, *first: str) -> sqlite3.Connection:
        connection = connect(self.path, mode, self._patience)
        try:
            for pragma in (*first, f"PRAGMA synchronous={'FULL' if self._fsync else 'NORMAL'}"):
                _insist(connection, pragma, self._patience)
        except BaseException:
            connection.close()
            raise
        return connection

    def _meaning(self, error: DBAPIError) -> str:
        return self._means(str(error.orig))

    def _means(self, said: str) -> str:
        if not self.migrate and not self.path.exists():
            return f"is not there; {BY_HAND}"
        for words, meaning in _MEANINGS:
            if words in said:
                return f"{meaning} (SQLite: {said})"
        return f"cannot be used now; SQLite says: {said}"


def _begins(engine: Engine, begin: str) -> None:
    @event.listens_for(engine, "begin")
    def begins(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _insist(connection: sqlite3.Connection, pragma: str, patience: float) -> None:
    # Where two processes turn WAL on at once, SQLite refuses one of them without waiting.
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(pragma)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
