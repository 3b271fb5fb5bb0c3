"""What many page views share: each value once, in a table of its own, under a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_
from sqlalchemy.dialects.sqlite import Insert

from ...agents import describe
from ...events import PageView
from .bulk import Parameters, bound, bound_ids, field, finds, inserts, row_id, rows
from .schema import agent, page, person, referrer, session


class Shared(NamedTuple):
    """A table of values that page views share.

    :param column: the page view's column that has the value's number
    :param value: what a page view has of these, or ``None``
    :param find: of the values that ``asked`` binds, those that are there: place, number
    :param add: keeps the values that ``added`` binds
    """

    column: str
    value: Callable[[PageView], Any]
    find: Select[Any]
    asked: Callable[[Sequence[Any]], Parameters]
    add: Insert
    added: Callable[[Sequence[Any]], Parameters]

    def numbers(self, connection: Connection, views: Iterable[PageView]) -> dict[Any, int]:
        """Return the numbers of what these page views have, given now to what has none."""
        values = list({value: 0 for value in map(self.value, views) if value is not None})
        found = self._found(connection, values)
        missing = [value for value in values if value not in found]
        if missing:
            connection.execute(self.add, self.added(missing))
            found |= self._found(connection, missing)
        return found

    def _found(self, connection: Connection, values: list[Any]) -> dict[Any, int]:
        if not values:
            return {}
        return {
            values[at]: number for at, number in connection.execute(self.find, self.asked(values))
        }


def page_of(view: PageView) -> tuple[str, str, str]:
    """Return which page the page view is of: path, site, route; ``''`` where unknown."""
    return (view.path, view.site or "", view.route or "")


def _described(texts: Sequence[str]) -> Parameters:
    return bound([text, *describe(text)] for text in texts)


def _find(number: ColumnElement[int], same: ColumnElement[bool]) -> Select[Any]:
    return finds(number.table, rows.c.key, number, same=same)


SHARED = (
    Shared(
        column="page_id",
        value=page_of,
        find=_find(
            page.c.page_id,
            and_(page.c.path == field(0), page.c.site == field(1), page.c.route == field(2)),
        ),
        asked=bound,
        add=inserts(page, path=field(0), site=field(1), route=field(2)).on_conflict_do_nothing(),
        added=bound,
    ),
    Shared(
        column="person_id",
        value=lambda view: view.username,
        find=_find(person.c.person_id, person.c.username == rows.c.value),
        asked=bound,
        add=inserts(person, username=rows.c.value).on_conflict_do_nothing(),
        added=bound,
    ),
    Shared(
        column="session_id",
        value=lambda view: view.session_key,
        find=_find(session.c.session_id, session.c.session_key == row_id),
        asked=bound_ids,
        add=inserts(session, session_key=row_id).on_conflict_do_nothing(),
        added=bound_ids,
    ),
    Shared(
        column="agent_id",
        value=lambda view: view.agent,
        find=_find(agent.c.agent_id, agent.c.agent == rows.c.value),
        asked=bound,
        add=inserts(
            agent, agent=field(0), browser=field(1), system=field(2), device=field(3), bot=field(4)
        ).on_conflict_do_nothing(),
        added=_described,
    ),
    Shared(
        column="referrer_id",
        value=lambda view: view.referrer,
        find=_find(referrer.c.referrer_id, referrer.c.referrer == rows.c.value),
        asked=bound,
        add=inserts(referrer, referrer=rows.c.value).on_conflict_do_nothing(),
        added=bound,
    ),
)
"""Each table that page views share, by the column that points to it."""
