"""``SqlStore``: page views in a SQL database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from ...events import Beat, KeptBeat, PageView
from ..base import Kept, Store
from ..purges import Key
from ..query import Query
from .ask import Asking
from .database import Database
from .memory import Memory
from .migrations import HEAD
from .purge import Purging
from .schema import meta
from .upkeep import Upkeep
from .write import Writing


def _sqlite(url: str, *, fsync: bool, migrate: bool) -> Database:
    from .sqlite.database import SqliteDatabase

    return SqliteDatabase(url, fsync=fsync, migrate=migrate)


def _postgresql(url: str, *, fsync: bool, migrate: bool) -> Database:
    try:
        from .postgresql.database import PostgresqlDatabase
    except ImportError as error:
        raise ValueError(
            f"PostgreSQL needs psycopg: pip install 'pagetimer-wsgi[postgresql]' ({error})"
        ) from error
    return PostgresqlDatabase(url, fsync=fsync, migrate=migrate)


_KINDS = {"sqlite": _sqlite, "postgresql": _postgresql}
_OFFERED = " or ".join(f"{kind}://" for kind in _KINDS)


class SqlStore(Store):
    """Page views in a SQL database, whose tables appear with the first write.

    An empty database, or none yet, answers every question with nothing.
    """

    def __init__(self, database: Database, key: Key | None = None) -> None:
        self._database = database
        self._key = key
        self._memory = Memory(database.bulk, key)
        self._writing = Writing(database.bulk)
        self._asking = Asking(database)
        self._purging = Purging(database, self._asking, self._memory)
        self._upkeep = Upkeep(database, self._memory)

    @classmethod
    def open(
        cls, url: str, *, key: Key | None = None, fsync: bool = False, migrate: bool = True
    ) -> SqlStore:
        """Return the store in the database that ``url`` names, without looking for it.

        :param url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``, or
            ``postgresql://user:password@host/database``, as SQLAlchemy writes URLs
        :param key: see the base class
        :param fsync: whether each write waits until the database's disk has it
        :param migrate: whether file and tables are made, and brought up to date, when written to
        :raises ValueError: if the URL's text is wrong or its driver is not installed
        """
        kind = url.partition(":")[0].partition("+")[0]
        if kind not in _KINDS:
            raise ValueError(f"it is no database URL that begins with {_OFFERED}")
        return cls(_KINDS[kind](url, fsync=fsync, migrate=migrate), key)

    def identity(self) -> str | None:
        """Return the random name that the database got with its tables; see the base class."""
        statement = select(meta.c.value).where(meta.c.name == "identity")
        with self._database.reading() as connection:
            return None if connection is None else str(connection.scalar(statement))

    def write(
        self, beats: Sequence[Beat], page_views: Sequence[PageView] = ()
    ) -> list[Beat | PageView]:
        """Keep these in one transaction; see the base class."""
        if not beats and not page_views:
            return []
        with self._database.writing() as connection:
            items = self._memory.left(connection, [*beats, *page_views])
            return self._writing.write(connection, items) if items else []

    def page_views(self, query: Query) -> Iterator[PageView]:
        """Yield the page views that the query means; see the base class.

        They are read some at a time: what changes meanwhile may be seen or not.
        """
        return self._asking.page_views(query)

    def beats(self, query: Query) -> Iterator[KeptBeat]:
        """Yield the beats of these page views; see the base class."""
        return self._asking.beats(query)

    def count(self, query: Query, of: Kept = "page_views") -> int:
        """Count page views, or their beats; see the base class."""
        return self._purging.count(query, of)

    def purge_by_steps(
        self, query: Query, of: Kept = "page_views", remembered: int | None = None
    ) -> Iterator[int]:
        """Remove what the query means; see the base class."""
        return self._purging.steps(query, of, remembered)

    def strange_purges(self) -> int:
        """Count the purges by user with another key; see the base class."""
        with self._database.reading() as connection:
            return 0 if connection is None else self._memory.strangers(connection)

    def upkeep(self, seconds: float) -> bool:
        """Remove shared values that nothing has any more, and give disk space back."""
        return self._upkeep.go_on(seconds)

    def size(self) -> int | None:
        """Return the bytes of disk that the database takes; see the base class."""
        with self._database.reading() as connection:
            return 0 if connection is None else self._database.size(connection)

    def check(self) -> str:
        """Write to the database for real; see the base class."""
        with self._database.writing() as connection:
            self._writing.touch(connection)
            dialect = connection.dialect
        number = ".".join(map(str, dialect.server_version_info or ()))
        return f"{dialect.name} {number}, tables of version {HEAD}"

    def without_waiting(self) -> SqlStore | None:
        """Return this store as one that waits for no lock; see the base class."""
        impatient = self._database.without_patience()
        return SqlStore(impatient, self._key) if impatient else None

    def close(self) -> None:
        """Let go of connections; using the store again opens new ones."""
        self._database.close()
