"""``SqlStore``: page views in an SQLite file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from ...events import Beat, KeptBeat, PageView
from ..base import Store
from ..query import Query
from . import ask
from .connect import Database, file_of
from .schema import meta
from .write import touch, write


class SqlStore(Store):
    """Page views in an SQLite file, which appears with the first write.

    Readers never wait for the writer, nor it for them (WAL). An empty database, or none yet,
    answers every question with nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str, *, fsync: bool = False, migrate: bool = True) -> SqlStore:
        """Return the store in the file that ``url`` names, without looking for it.

        :param url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``
        :param fsync: whether each write waits until the disk has it
        :param migrate: whether file and tables are made, and brought up to date, when written to
        :raises ValueError: if the URL's text is wrong
        """
        return cls(Database(file_of(url), fsync=fsync, migrate=migrate))

    def identity(self) -> str:
        """Return the random name that the database got with its tables; see the base class."""
        statement = select(meta.c.value).where(meta.c.name == "identity")
        with self._database.reading() as connection:
            if connection is not None:
                return str(connection.scalar(statement))
        with self._database.writing() as connection:
            return str(connection.scalar(statement))

    def write(
        self, beats: Sequence[Beat], page_views: Sequence[PageView] = ()
    ) -> list[Beat | PageView]:
        """Keep these in one transaction; see the base class."""
        if not beats and not page_views:
            return []
        with self._database.writing() as connection:
            return write(connection, [*beats, *page_views])

    def page_views(self, query: Query) -> Iterator[PageView]:
        """Yield the page views that the query means; see the base class.

        They are read some at a time: what changes meanwhile may be seen or not.
        """
        return ask.page_views(self._database, query)

    def beats(self, query: Query) -> Iterator[KeptBeat]:
        """Yield the beats of these page views; see the base class."""
        return ask.beats(self._database, query)

    def check(self) -> None:
        """Write to the database for real; see the base class."""
        with self._database.writing() as connection:
            touch(connection)

    def close(self) -> None:
        """Let go of connections; using the store again opens new ones."""
        self._database.close()
