"""Writing: what comes in is folded with what is there, and goes in as one statement a table."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, Connection, Table, and_, select
from sqlalchemy.exc import DBAPIError

from ...events import Beat, PageView, fold, join, join_beats, keep
from ...pace import gently
from .bulk import Bulk, Rows
from .rows import (
    BEATS,
    PAGE_VIEWS,
    Unfit,
    beat_of,
    beat_values,
    check_rows,
    page_view_of,
    page_view_values,
)
from .schema import beat, meta, page_view
from .shared import SHARED, SHARED_FIELDS, Numbers

_ALL = [column for column in page_view.c if not column.primary_key]
_NUMBERS = {shared.number.name for shared in SHARED}
_OWN = [column for column in _ALL if column.name not in _NUMBERS]
_BEAT = [column for column in beat.c if not column.primary_key]
_shared = attrgetter(*SHARED_FIELDS)


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
                there = self._write_page_views(connection, items)
                beats = [item for item in items if isinstance(item, Beat)]
                self._write_beats(connection, beats, there)
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

    def _write_page_views(
        self, connection: Connection, items: Sequence[Beat | PageView]
    ) -> Container[str]:
        """Write the page views, and return the ids of those that were there before."""
        views = fold(gently(items))
        asked = self._views.bound([(view_id,) for view_id in views])
        there = self._bulk.read(connection, self._page_views_there, asked)
        before = {view.view_id: view for view in map(page_view_of, gently(there))}
        new = [view for view_id, view in views.items() if view_id not in before]
        grown: list[PageView] = []
        moved: list[PageView] = []
        for view_id, view in gently(before.items()):
            after = join(view, views[view_id])
            if after != view:  # most only grow: whose they are, and of which page, stays as it is
                (grown if _shared(after) == _shared(view) else moved).append(after)
        self._put(connection, page_view, self._rows(connection, new))
        self._change(connection, page_view, self._rows(connection, moved), _ALL)
        self._change(connection, page_view, _rows_that_grow(grown), _OWN)
        return before

    def _rows(self, connection: Connection, views: Sequence[PageView]) -> Rows:
        numbers = [numbers.of(connection, views) for numbers in self._numbers]
        return list(map(page_view_values, gently(views), *numbers))

    def _write_beats(
        self, connection: Connection, beats: Sequence[Beat], views_there: Container[str]
    ) -> None:
        kept = keep(gently(beats))
        # No beat is there without its page view.
        known = [key for key in kept if key[0] in views_there]
        asked = self._keys.bound(known)
        there = self._bulk.read(connection, self._beats_there, asked) if known else []
        before = {(row.view_id, row.seq): row for row in map(beat_of, gently(there))}
        new = [row for key, row in gently(kept.items()) if key not in before]
        joined = ((row, join_beats(row, kept[key])) for key, row in gently(before.items()))
        changed = [after for row, after in joined if after != row]
        self._put(connection, beat, list(map(beat_values, gently(new))))
        self._change(connection, beat, list(map(beat_values, changed)), _BEAT)

    def _put(self, connection: Connection, table: Table, rows: Rows) -> None:
        check_rows(table, rows)
        self._bulk.put(connection, table, rows)

    def _change(
        self, connection: Connection, table: Table, rows: Rows, columns: Sequence[Column[Any]]
    ) -> None:
        check_rows(table, rows)
        self._bulk.change(connection, table, rows, columns)


def _rows_that_grow(views: Sequence[PageView]) -> Rows:
    # What they share is not looked up, since it is not written.
    return [page_view_values(view, 0, None, None, None, None) for view in gently(views)]
