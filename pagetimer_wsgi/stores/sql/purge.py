"""Purging: what a query means goes, the oldest first, some hundred page views at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    func,
    literal,
    select,
    tuple_,
)

from ..base import Kept
from ..query import Query
from .ask import Asking
from .bulk import Parameters
from .database import Database
from .rows import Unfit, identifier
from .schema import beat, page_view

STEP = 500
"""Page views in one transaction: some ten milliseconds, for which other writers wait."""

_KEY = (page_view.c.started_at, page_view.c.view_id)
_IDS = select(page_view.c.view_id)


class Purging:
    """How page views and beats leave one database."""

    def __init__(self, database: Database, asking: Asking) -> None:
        self._database = database
        self._asking = asking

    def count(self, query: Query, of: Kept) -> int:
        """Return how many page views the query means, or how many beats they have."""
        meant = self._meant(query)
        if meant is None:
            return 0
        ids = meant[0].order_by(*_KEY).limit(query.limit).subquery()
        table = ids if of == "page_views" else ids.join(beat, beat.c.view_id == ids.c.view_id)
        statement = select(func.count()).select_from(table)
        with self._database.reading() as connection:
            return 0 if connection is None else int(connection.scalar(statement, meant[1]) or 0)

    def steps(self, query: Query, of: Kept) -> Iterator[int]:
        """Remove what the query means; yield how many page views, or beats, went at each step."""
        meant = self._meant(query)
        if meant is None or not self._has_tables():
            return
        statement, bound = meant
        left = query.limit
        while left is None or left > 0:
            size = STEP if left is None else min(STEP, left)
            with self._database.writing() as connection:
                end = _end(connection, statement, size, bound)
                going = statement if end is None else statement.where(tuple_(*_KEY) <= _at(end))
                removed = _remove(connection, going, of, bound)
            yield removed
            if end is None:
                return
            statement = meant[0].where(tuple_(*_KEY) > _at(end))
            left = left and left - size

    def _meant(self, query: Query) -> tuple[Select[Any], Parameters] | None:
        try:
            statement, bound = self._asking.selected(_IDS, query)
        except Unfit:  # no page view has such a text
            return None
        if query.after is not None:
            after = tuple_(literal(query.after[0]), literal(identifier(query.after[1])))
            statement = statement.where(tuple_(*_KEY) > after)
        return statement, bound

    def _has_tables(self) -> bool:
        with self._database.reading() as connection:
            return connection is not None


def _end(
    connection: Connection, statement: Select[Any], size: int, bound: Parameters
) -> Row[Any, Any] | None:
    """Return the key of the last page view of a step; none if all that are left fit into it."""
    keys = statement.with_only_columns(*_KEY).order_by(*_KEY)
    return connection.execute(keys.offset(size - 1).limit(1), bound).first()


def _at(key: Row[Any, Any]) -> ColumnElement[Any]:
    return tuple_(*map(literal, key))


def _remove(connection: Connection, going: Select[Any], of: Kept, bound: Parameters) -> int:
    beats = connection.execute(delete(beat).where(beat.c.view_id.in_(going)), bound).rowcount
    if of == "beats":
        return beats
    gone = delete(page_view).where(page_view.c.view_id.in_(going))
    return connection.execute(gone, bound).rowcount
