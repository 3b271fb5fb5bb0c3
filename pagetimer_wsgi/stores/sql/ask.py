"""Asking: which page views a query means, a page of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, literal, select, tuple_

from ...events import KeptBeat, PageView
from ..query import Query
from .bulk import Parameters
from .database import Database
from .rows import (
    BEATS,
    KINDS,
    PAGE_VIEWS,
    VIEW_ID,
    Unfit,
    beat_of,
    check,
    identifier,
    is_identifier,
    page_view_of,
)
from .schema import agent, beat, page, page_view, person, session

PAGE = 1_000
"""Rows that are read at once. No transaction stays open while the caller works on them."""
_VIEWS_OF_BEATS = 200

_KEYS = select(VIEW_ID, page_view.c.started_at)


class Asking:
    """How one database is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._given = database.bulk.given(page_view.c.view_id)
        self._these = select(*self._given.values).select_from(self._given.source)
        self._beats = BEATS.where(beat.c.view_id.in_(self._these)).order_by(
            beat.c.view_id, beat.c.seq
        )

    def page_views(self, query: Query) -> Iterator[PageView]:
        """Yield the page views that the query means, in its order."""
        return map(page_view_of, self._rows(PAGE_VIEWS, query))

    def beats(self, query: Query) -> Iterator[KeptBeat]:
        """Yield the beats of these page views, by view id and seq.

        The ids of all these page views are in memory meanwhile, about 100 bytes each.
        """
        ids = sorted(row.view_id for row in self._rows(_KEYS, query))
        for first in range(0, len(ids), _VIEWS_OF_BEATS):
            these = [(view_id,) for view_id in ids[first : first + _VIEWS_OF_BEATS]]
            yield from map(beat_of, self._read(self._beats, self._given.bound(these)))

    def _rows(self, columns: Select[Any], query: Query) -> Iterator[Row[Any]]:
        try:
            statement, parameters = self.selected(columns, query)
        except Unfit:  # no page view has such a text
            return
        after = query.after and (query.after[0], identifier(query.after[1]))
        left = query.limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            found = self._read(_page(statement, query, after).limit(size), parameters)
            yield from found
            if len(found) < size:
                return
            after = (found[-1].started_at, identifier(found[-1].view_id))
            left = left and left - size

    def _read(self, statement: Select[Any], bound: Parameters) -> Sequence[Row[Any]]:
        with self._database.reading() as connection:
            return [] if connection is None else connection.execute(statement, bound).all()

    def selected(self, statement: Select[Any], query: Query) -> tuple[Select[Any], Parameters]:
        """Return the statement for the page views that the query means, and what it is given.

        :raises Unfit: if no page view can have such a text
        """
        check((query.site, query.path, query.user, query.session))
        for condition in _by_time(query):
            statement = statement.where(condition)
        if query.kinds:
            kinds = [KINDS[kind] for kind in query.kinds]
            statement = statement.where(page_view.c.kind.in_(kinds))
        for condition in self._by_shared(query):
            statement = statement.where(condition)
        if not query.view_ids:
            return statement, {}
        known = [(view_id,) for view_id in query.view_ids if is_identifier(view_id)]
        statement = statement.where(page_view.c.view_id.in_(self._these))
        return statement, self._given.bound(known)

    def _by_shared(self, query: Query) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on what stands in tables of its own."""
        if query.site is not None:
            yield page_view.c.site_seq.is_not(None)
            yield _in(page_view.c.page_id, page.c.page_id, page.c.site == query.site)
        if query.path is not None:
            path = self._matches(page.c.path, query.path)
            yield _in(page_view.c.page_id, page.c.page_id, path)
        if query.user is not None:
            yield _in(page_view.c.person_id, person.c.person_id, person.c.username == query.user)
        if query.session is not None:
            key = identifier(query.session)
            yield _in(page_view.c.session_id, session.c.session_id, session.c.session_key == key)
        if query.bots is not None:
            is_bot = _in(page_view.c.agent_id, agent.c.agent_id, agent.c.bot == 1)
            # Who sends no agent text is not known to be a bot.
            yield func.coalesce(is_bot, False).is_(query.bots)

    def _matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        return self._database.bulk.matches(text, pattern) if "*" in pattern else text == pattern


def _by_time(query: Query) -> Iterator[ColumnElement[bool]]:
    started, seen = page_view.c.started_at, page_view.c.last_seen_at
    for moment, first, end in (
        (started, query.started_from, query.started_to),
        (seen, query.seen_from, query.seen_to),
    ):
        if first is not None:
            yield moment >= _number(first)
        if end is not None:
            yield moment < _number(end)


def _page(statement: Select[Any], query: Query, after: tuple[int, bytes] | None) -> Select[Any]:
    key = (page_view.c.started_at, page_view.c.view_id)
    if after is not None:
        seen = tuple_(literal(_number(after[0])), literal(after[1]))
        statement = statement.where(
            tuple_(*key) < seen if query.newest_first else tuple_(*key) > seen
        )
    return statement.order_by(*(part.desc() if query.newest_first else part for part in key))


def _in(
    number: ColumnElement[int], numbers: ColumnElement[int], condition: ColumnElement[bool]
) -> ColumnElement[bool]:
    return number.in_(select(numbers).where(condition))


def _number(value: int) -> int:
    return max(-(2**63), min(value, 2**63 - 1))
