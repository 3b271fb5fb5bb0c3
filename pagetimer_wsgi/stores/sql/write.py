"""Writing: what comes in is folded with what is there, and goes in as one statement a table."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DataError, IntegrityError

from ...events import Beat, PageView, fold, keep
from .bulk import bound_ids, field, finds, puts, row_id, rows
from .rows import (
    BEAT_VALUES,
    PAGE_VIEW_VALUES,
    PAGE_VIEWS,
    Unfit,
    beat_of,
    beat_values,
    check,
    page_view_of,
    page_view_values,
)
from .schema import beat, meta, page_view
from .shared import SHARED


def write(connection: Connection, items: Sequence[Beat | PageView]) -> list[Beat | PageView]:
    """Keep these in the transaction that the connection is in.

    What does not go in together is halved until each row at fault stands alone.

    :return: those that are refused alone while a write right after goes through
    """
    try:
        with connection.begin_nested():
            _write_page_views(connection, items)
            _write_beats(connection, [item for item in items if isinstance(item, Beat)])
        return []
    except (Unfit, IntegrityError, DataError):
        if len(items) == 1:
            touch(connection)
            return list(items)
    half = len(items) // 2
    return write(connection, items[:half]) + write(connection, items[half:])


def touch(connection: Connection) -> None:
    """Write something for the sake of writing: when that was."""
    now = str(time.time_ns() // 1_000_000)
    statement = insert(meta).values(name="touched", value=now)
    changed = {"value": statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


def _write_page_views(connection: Connection, items: Sequence[Beat | PageView]) -> None:
    for item in items:
        check(getattr(item, name) for name in item.__struct_fields__)
    views = fold(items)
    there = connection.execute(_PAGE_VIEWS_THERE, bound_ids(list(views)))
    before = fold(map(page_view_of, there))
    joined = fold([*before.values(), *views.values()])
    changed = [view for key, view in joined.items() if view != before.get(key)]
    if changed:
        ids = [view.view_id for view in changed]
        connection.execute(_PUT_PAGE_VIEWS, bound_ids(ids, _numbered(connection, changed)))


def _numbered(connection: Connection, views: Sequence[PageView]) -> list[list[object]]:
    numbers = [(shared, shared.numbers(connection, views)) for shared in SHARED]
    return [
        page_view_values(
            view, {shared.column: found.get(shared.value(view)) for shared, found in numbers}
        )
        for view in views
    ]


def _write_beats(connection: Connection, beats: Sequence[Beat]) -> None:
    kept = keep(beats)
    if not kept:
        return
    ids = [view_id for view_id, _ in kept]
    seqs = [seq for _, seq in kept]
    there = connection.execute(_BEATS_THERE, bound_ids(ids, seqs))
    before = keep(map(beat_of, there))
    joined = keep([*before.values(), *kept.values()])
    changed = [row for key, row in joined.items() if row != before.get(key)]
    if changed:
        ids = [row.view_id for row in changed]
        connection.execute(_PUT_BEATS, bound_ids(ids, map(beat_values, changed)))


_PAGE_VIEWS_THERE = PAGE_VIEWS.where(page_view.c.view_id.in_(select(row_id).select_from(rows)))
_BEATS_THERE = finds(beat, *beat.c, same=(beat.c.view_id == row_id) & (beat.c.seq == rows.c.value))
_PUT_PAGE_VIEWS = puts(
    page_view,
    view_id=row_id,
    **{name: field(place) for place, name in enumerate(PAGE_VIEW_VALUES)},
)
_PUT_BEATS = puts(
    beat, view_id=row_id, **{name: field(place) for place, name in enumerate(BEAT_VALUES)}
)
