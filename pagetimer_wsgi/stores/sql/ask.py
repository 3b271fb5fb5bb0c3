"""Asking: which page views a query means, a page of rows at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, literal, select, tuple_

from ...events import KeptBeat, PageView
from ..query import Query
from .bulk import Parameters, bound_ids, row_id, rows
from .connect import Database
from .rows import BEATS, KINDS, PAGE_VIEWS, Unfit, beat_of, check, identifier, page_view_of
from .schema import agent, beat, page, page_view, person, session

PAGE = 1_000
"""Rows that are read at once. No transaction stays open while the caller works on them."""
_VIEWS_OF_BEATS = 200

_KEYS = select(page_view.c.view_id, page_view.c.started_at)
_THESE = select(row_id).select_from(rows)
_BEATS_OF_THESE = BEATS.where(beat.c.view_id.in_(_THESE)).order_by(beat.c.view_id, beat.c.seq)


def page_views(database: Database, query: Query) -> Iterator[PageView]:
    """Yield the page views that the query means, in its order."""
    return map(page_view_of, _rows(database, PAGE_VIEWS, query))


def beats(database: Database, query: Query) -> Iterator[KeptBeat]:
    """Yield the beats of these page views, by view id and seq.

    The ids of all these page views are in memory meanwhile, about 100 bytes each.
    """
    ids = sorted(row.view_id.hex() for row in _rows(database, _KEYS, query))
    for first in range(0, len(ids), _VIEWS_OF_BEATS):
        these = bound_ids(ids[first : first + _VIEWS_OF_BEATS])
        yield from map(beat_of, _read(database, _BEATS_OF_THESE, these))


def _rows(database: Database, columns: Select[Any], query: Query) -> Iterator[Row[Any]]:
    try:
        statement, parameters = _selected(columns, query)
    except Unfit:  # no page view has such a text
        return
    after = query.after and (query.after[0], identifier(query.after[1]))
    left = query.limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        found = _read(database, _page(statement, query, after).limit(size), parameters)
        yield from found
        if len(found) < size:
            return
        after = (found[-1].started_at, found[-1].view_id)
        left = left and left - size


def _read(database: Database, statement: Select[Any], bound: Parameters) -> Sequence[Row[Any]]:
    with database.reading() as connection:
        return [] if connection is None else connection.execute(statement, bound).all()


def _page(statement: Select[Any], query: Query, after: tuple[int, bytes] | None) -> Select[Any]:
    key = (page_view.c.started_at, page_view.c.view_id)
    if after is not None:
        seen = tuple_(literal(_number(after[0])), literal(after[1]))
        statement = statement.where(
            tuple_(*key) < seen if query.newest_first else tuple_(*key) > seen
        )
    return statement.order_by(*(part.desc() if query.newest_first else part for part in key))


def _selected(statement: Select[Any], query: Query) -> tuple[Select[Any], Parameters]:
    check((query.site, query.path, query.user, query.session))
    if query.started_from is not None:
        statement = statement.where(page_view.c.started_at >= _number(query.started_from))
    if query.started_to is not None:
        statement = statement.where(page_view.c.started_at < _number(query.started_to))
    if query.kinds:
        statement = statement.where(page_view.c.kind.in_([KINDS[kind] for kind in query.kinds]))
    for condition in _by_shared(query):
        statement = statement.where(condition)
    if not query.view_ids:
        return statement, {}
    known = [view_id for view_id in query.view_ids if _is_identifier(view_id)]
    return statement.where(page_view.c.view_id.in_(_THESE)), bound_ids(known)


def _by_shared(query: Query) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on what stands in tables of its own."""
    if query.site is not None:
        yield page_view.c.site_seq.is_not(None)
        yield _in(page_view.c.page_id, page.c.page_id, page.c.site == query.site)
    if query.path is not None:
        yield _in(page_view.c.page_id, page.c.page_id, _matches(page.c.path, query.path))
    if query.user is not None:
        yield _in(page_view.c.person_id, person.c.person_id, person.c.username == query.user)
    if query.session is not None:
        key = identifier(query.session)
        yield _in(page_view.c.session_id, session.c.session_id, session.c.session_key == key)
    if query.bots is not None:
        is_bot = _in(page_view.c.agent_id, agent.c.agent_id, agent.c.bot == 1)
        # Who sends no agent text is not known to be a bot.
        yield func.coalesce(is_bot, False).is_(query.bots)


def _in(
    number: ColumnElement[int], numbers: ColumnElement[int], condition: ColumnElement[bool]
) -> ColumnElement[bool]:
    return number.in_(select(numbers).where(condition))


def _matches(text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Compare by code point; only ``*`` stands for anything (LIKE would take a for A)."""
    if "*" not in pattern:
        return text == pattern
    exact = re.sub(r"[?\[]", r"[\g<0>]", re.sub(r"\*+", "*", pattern))
    return text.op("GLOB", is_comparison=True)(exact)


def _number(value: int) -> int:
    return max(-(2**63), min(value, 2**63 - 1))


def _is_identifier(digits: str) -> bool:
    try:
        identifier(digits)
    except Unfit:
        return False
    return True
