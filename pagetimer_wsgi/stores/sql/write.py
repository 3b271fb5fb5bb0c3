"""Writing: what comes in is folded with what is there, and goes in as one statement a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Connection, and_, select
from sqlalchemy.exc import DBAPIError

from ...events import Beat, PageView, fold, keep
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
        for item in items:
            check(getattr(item, name) for name in item.__struct_fields__)
        views = fold(items)
        asked = self._views.bound([(view_id,) for view_id in views])
        there = self._bulk.read(connection, self._page_views_there, asked)
        before = fold(map(page_view_of, there))
        joined = fold([*before.values(), *views.values()])
        new, changed = _apart(before, joined)
        numbers = [numbers.of(connection, new + changed) for numbers in self._numbers]
        rows = list(map(page_view_values, new + changed, *numbers))
        self._bulk.put(connection, page_view, rows[: len(new)], rows[len(new) :])

    def _write_beats(self, connection: Connection, beats: Sequence[Beat]) -> None:
        kept = keep(beats)
        if not kept:
            return
        there = self._bulk.read(connection, self._beats_there, self._keys.bound(list(kept)))
        before = keep(map(beat_of, there))
        new, changed = _apart(before, keep([*before.values(), *kept.values()]))
        rows = list(map(beat_values, new + changed))
        self._bulk.put(connection, beat, rows[: len(new)], rows[len(new) :])


def _apart(before: dict[_Key, _Row], joined: dict[_Key, _Row]) -> tuple[list[_Row], list[_Row]]:
    """Return what is new, and what is there but changes."""
    new = [row for key, row in joined.items() if key not in before]
    return new, [joined[key] for key, row in before.items() if joined[key] != row]
