"""``Database``: connections in transactions that hold, with tables that are up to date."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ...errors import StoreAway
from . import migrations
from .bulk import Bulk

BUSY_SECONDS = 5.0
"""How long a connection waits for another one's lock."""
BY_HAND = (
    "the option migrate is off, so they are made by hand: "
    "run `pagetimer check` once with PAGETIMER_MIGRATE=yes"
)


class Database(ABC):
    """One database.

    A process keeps one connection between transactions, until :meth:`close`; one that has died
    is replaced. A forked child has its own.

    :param name: what messages call it; without a password
    :param bulk: its kind's way with many rows
    :param migrate: whether its tables are made and brought up to date when they are written to
    """

    def __init__(self, name: str, bulk: Bulk, *, migrate: bool) -> None:
        self.name = name
        self.bulk = bulk
        self.migrate = migrate
        self._engines: dict[int, Engine] = {}
        self._uses: set[tuple[int, object]] = set()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that alone may write; its tables are up to date.

        :raises StoreAway: if the database cannot be had or written to now
        """
        with self._telling(), self._using(), self._begin_writing() as connection:
            self._bring_up_to_date(connection)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """Give a connection in a transaction that sees one state, or ``None``: nothing is there.

        :raises StoreAway: if the database cannot be read now
        """
        with self._telling(), self._using(), self._begin_reading() as connection:
            found = None if connection is None else migrations.version(connection)
            if found not in (None, migrations.HEAD):
                raise self._other_version(found)
            yield None if found is None else connection

    def without_patience(self) -> Database | None:
        """Return the same database, for whoever waits for no lock; ``None`` over a network."""
        return None

    def size(self, connection: Connection) -> int | None:
        """Return the bytes of disk it takes; ``None`` where it keeps what it has once taken."""
        return None

    def give_back(self) -> bool:
        """Give the disk some of the space that is unused; tell whether there is more of it.

        :raises StoreAway: if the database cannot be had or written to now
        """
        return False

    def close(self) -> None:
        """Let go of this process's connections; using the database again opens new ones.

        While another thread uses one, it is left to the next call.
        """
        pid = os.getpid()
        engine = self._engines.get(pid)
        if engine is not None and not any(user == pid for user, _ in tuple(self._uses)):
            engine.dispose()

    @contextmanager
    def _using(self) -> Iterator[None]:
        use = (os.getpid(), object())
        self._uses.add(use)
        try:
            yield
        finally:
            self._uses.discard(use)

    def _engine(self) -> Engine:
        pid = os.getpid()
        return self._engines.get(pid) or self._engines.setdefault(pid, self._new_engine())

    @abstractmethod
    def _new_engine(self) -> Engine:
        """Return an engine that keeps one connection."""

    @abstractmethod
    def _begin_writing(self) -> AbstractContextManager[Connection]:
        """Give a connection in a transaction that alone may write."""

    @abstractmethod
    def _begin_reading(self) -> AbstractContextManager[Connection | None]:
        """Give a connection in a transaction that sees one state; ``None`` without a database."""

    @abstractmethod
    def _meaning(self, error: DBAPIError) -> str:
        """Return what an error means, and what to do; a sentence that the name begins."""

    def _bring_up_to_date(self, connection: Connection) -> None:
        found = migrations.version(connection)
        if found == migrations.HEAD:
            return
        if not self.migrate:
            what = "has no tables yet" if found is None else f"has tables of version {found}"
            raise StoreAway(f"{self.name} {what}; {BY_HAND}")
        try:
            migrations.upgrade(connection)
        except migrations.NewerTables:
            raise self._other_version(found) from None

    def _other_version(self, found: str | None) -> StoreAway:
        return StoreAway(
            f"{self.name} has tables of version {found}, this pagetimer-wsgi works with "
            f"{migrations.HEAD}; use the version of pagetimer-wsgi that last wrote to it"
        )

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreAway(f"{self.name} {self._meaning(error)}") from error
        except OSError as error:
            raise StoreAway(
                f"{self.name} cannot be reached: {error.strerror}; look at its folder"
            ) from error
