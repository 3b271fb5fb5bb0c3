"""Writing: what comes in is folded with what is there, and goes in as one statement a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from msgspec.structs import astuple
from sqlalchemy import Connection, and_, select
from sqlalchemy.exc import DBAPIError

from ...events import Beat, PageView, fold, join, join_beats, keep
from .bulk import Bulk
from .rows import (
    BEATS,
    PAGE_VIEWS,
    Unfit,
    beat_of,
    beat_values,
    check,
    page_view_of,
    page_view_values,
)
from .schema import beat, meta, page_view
from .shared import SHARED, Numbers

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


class Writing:
    """How beats and page views go into one kind of database."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._numbers = [Numbers(bulk, shared) for shared in SHARED]
        self._views = bulk.given(page_view.c.view_id)
        these = select(*self._views.values).select_from(self._views.source)
        self._page_views_there = PAGE_VIEWS.where(page_view.c.view_id.in_(these))
        self._keys = bulk.given(beat.c.view_id, beat.c.seq)
        view_id, seq = self._keys.values
        same = and_(beat.c.view_id == view_id, beat.c.seq == seq)
        self._beats_there = BEATS.select_from(self._keys.source.join(beat, same))

    def write(
        self, connection: Connection, items: Sequence[Beat | PageView]
    ) -> list[Beat | PageView]:
        """Keep these in the transaction that the connection is in.

        What does not go in together is halved until each row at fault stands alone.

        :return: those that are refused alone while a write right after goes through
        """
        try:
            with connection.begin_nested():
                self._write_page_views(connection, items)
                self._write_beats(connection, [item for item in items if isinstance(item, Beat)])
            return []
        except (Unfit, DBAPIError) as error:
            if isinstance(error, DBAPIError) and not self._bulk.is_about_rows(error):
                raise
            if len(items) == 1:
                self.touch(connection)
                return list(items)
        half = len(items) // 2
        return self.write(connection, items[:half]) + self.write(connection, items[half:])

    def touch(self, connection: Connection) -> None:
        """Write something for the sake of writing: when that was."""
        now = str(time.time_ns() // 1_000_000)
        statement = self._bulk.insert(meta).values(name="touched", value=now)
        changed = {"value": statement.excluded.value}
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))

    def _write_page_views(self, connection: Connection, items: Sequence[Beat | PageView]) -> None:
        check(chain.from_iterable(map(astuple, items)))
        views = fold(items)
        asked = self._views.bound([(view_id,) for view_id in views])
        there = self._bulk.read(connection, self._page_views_there, asked)
        before = {view.view_id: view for view in map(page_view_of, there)}
        new, changed = _apart(before, views, join)
        numbers = [numbers.of(connection, new + changed) for numbers in self._numbers]
        rows = list(map(page_view_values, new + changed, *numbers))
        self._bulk.put(connection, page_view, rows[: len(new)], rows[len(new) :])

    def _write_beats(self, connection: Connection, beats: Sequence[Beat]) -> None:
        kept = keep(beats)
        if not kept:
            return
        there = self._bulk.read(connection, self._beats_there, self._keys.bound(list(kept)))
        before = {(row.view_id, row.seq): row for row in map(beat_of, there)}
        new, changed = _apart(before, kept, join_beats)
        rows = list(map(beat_values, new + changed))
        self._bulk.put(connection, beat, rows[: len(new)], rows[len(new) :])


def _apart(
    before: Mapping[_Key, _Row], coming: Mapping[_Key, _Row], join: Callable[[_Row, _Row], _Row]
) -> tuple[list[_Row], list[_Row]]:
    """Return what is new, and what is there but changes when it is joined with what comes."""
    new = [row for key, row in coming.items() if key not in before]
    joined = ((row, join(row, coming[key])) for key, row in before.items())
    return new, [after for row, after in joined if after != row]
