"""Purging: what a query means goes, the oldest first, some hundred page views at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    Select,
    bindparam,
    delete,
    func,
    select,
    tuple_,
)

from ..base import Kept
from ..query import Query
from .ask import Asking
from .bulk import Parameters, Rows
from .database import Database
from .memory import Memory
from .rows import VIEW_ID, Unfit, identifier
from .schema import beat, page_view

STEP = 500
"""Page views in one transaction: some ten milliseconds, for which other writers wait."""

_FIRST = (-(2**63), b"")
_KEY = (page_view.c.started_at, page_view.c.view_id)
_MEANT = (
    select(page_view.c.started_at, VIEW_ID)
    .where(
        tuple_(*_KEY) > tuple_(bindparam("after", type_=BigInteger), bindparam("id", LargeBinary))
    )
    .order_by(*_KEY)
)
"""The key of each page view after a certain one. The ids are read before what they are of is
removed: left to itself, PostgreSQL would look through all beats for them."""


class Purging:
    """How page views and beats leave one database."""

    def __init__(self, database: Database, asking: Asking, memory: Memory) -> None:
        self._database = database
        self._memory = memory
        self._asking = asking
        self._given = database.bulk.given(page_view.c.view_id)
        these = select(*self._given.values).select_from(self._given.source)
        self._remove_beats = delete(beat).where(beat.c.view_id.in_(these))
        self._remove_page_views = delete(page_view).where(page_view.c.view_id.in_(these))

    def count(self, query: Query, of: Kept) -> int:
        """Return how many page views the query means, or how many beats they have."""
        try:
            meant, bound = self._meant(query)
        except Unfit:  # no page view has such a text
            return 0
        meant = meant.limit(query.limit) if query.limit is not None else meant.order_by(None)
        ids = meant.with_only_columns(page_view.c.view_id).subquery()
        table = ids if of == "page_views" else ids.join(beat, beat.c.view_id == ids.c.view_id)
        statement = select(func.count()).select_from(table)
        with self._database.reading() as connection:
            return 0 if connection is None else int(connection.scalar(statement, bound) or 0)

    def steps(self, query: Query, of: Kept, remembered: int | None) -> Iterator[int]:
        """Remove what the query means; yield how many page views, or beats, went at each step.

        :param remembered: seconds for which ids are
        """
        try:
            meant, bound = self._meant(query)
        except Unfit:
            return
        if not self._has_tables():  # and gets none for the sake of this
            return
        now = time.time_ns() // 1_000_000
        if remembered is not None:
            with self._database.writing() as connection:
                self._memory.keep(connection, query, now)
        left = query.limit
        while left is None or left > 0:
            size = STEP if left is None else min(STEP, left)
            with self._database.writing() as connection:
                keys = self._database.bulk.read(connection, meant.limit(size), bound)
                if remembered is not None:
                    ids = [view_id for _, view_id in keys]
                    self._memory.keep_views(connection, ids, now, remembered)
                removed = self._remove(connection, keys, of)
            yield removed
            if len(keys) < size:
                return
            bound |= {"after": keys[-1][0], "id": identifier(keys[-1][1])}
            left = left and left - size

    def _meant(self, query: Query) -> tuple[Select[tuple[int, str]], Parameters]:
        after = query.after and (query.after[0], identifier(query.after[1]))
        statement, bound = self._asking.selected(_MEANT, query)
        return statement, bound | dict(zip(("after", "id"), after or _FIRST, strict=True))

    def _has_tables(self) -> bool:
        with self._database.reading() as connection:
            return connection is not None

    def _remove(self, connection: Connection, keys: Rows, of: Kept) -> int:
        these = self._given.bound([(view_id,) for _, view_id in keys])
        beats = connection.execute(self._remove_beats, these).rowcount
        if of == "beats":
            return beats
        return connection.execute(self._remove_page_views, these).rowcount
