"""What many page views share: each value once, in a table of its own, under a number."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, and_, literal_column, select

from ...agents import describe
from ...events import PageView
from .bulk import Bulk
from .rows import check
from .schema import agent, page, person, referrer, session


class Shared(NamedTuple):
    """A table of values that page views share.

    :param number: the column of the values' numbers; the page view's has the same name
    :param key: the columns that tell a value from others
    :param value: what a page view has of these, or ``None``
    :param in_key: a value as it stands in the columns of the key
    :param more: what else the table keeps of a value: the columns after the key
    """

    number: Column[int]
    key: Sequence[Column[Any]]
    value: Callable[[PageView], Any]
    in_key: Callable[[Any], Sequence[object]]
    more: Callable[[Any], Sequence[object]] = lambda value: ()


def _page(value: tuple[str | None, str, str | None]) -> Sequence[str]:
    # An unknown site or route is '' here: a unique constraint needs a value.
    site, path, route = value
    return (site or "", path, route or "")


def _alone(value: str) -> Sequence[str]:
    return (value,)


def _described(text: str) -> Sequence[object]:
    found = describe(text)
    return (found.browser, found.system, found.device, int(found.bot))


_PAGE_KEY = (page.c.site, page.c.path, page.c.route)
SHARED = (
    Shared(page.c.page_id, _PAGE_KEY, attrgetter("site", "path", "route"), _page),
    Shared(person.c.person_id, (person.c.username,), attrgetter("username"), _alone),
    Shared(session.c.session_id, (session.c.session_key,), attrgetter("session_key"), _alone),
    Shared(agent.c.agent_id, (agent.c.agent,), attrgetter("agent"), _alone, _described),
    Shared(referrer.c.referrer_id, (referrer.c.referrer,), attrgetter("referrer"), _alone),
)
"""Each table that page views share."""
SHARED_FIELDS = ("site", "path", "route", "username", "session_key", "agent", "referrer")
"""The fields of a page view that stand in these tables."""


class Numbers:
    """How one kind of database tells, and gives, the numbers of shared values."""

    def __init__(self, bulk: Bulk, shared: Shared) -> None:
        self._bulk = bulk
        self._shared = shared
        table = shared.number.table
        columns = [column for column in table.c if column is not shared.number]
        self._asked, self._added = bulk.given(*shared.key), bulk.given(*columns)
        same = and_(*map(operator.eq, shared.key, self._asked.values))
        self._find = select(self._asked.place, shared.number).select_from(
            self._asked.source.join(table, same)
        )
        # SQLite's grammar wants a condition between SELECT and ON CONFLICT.
        new = select(*self._added.values).where(literal_column("1") == 1)
        names = [column.name for column in columns]
        self._add = bulk.insert(table).from_select(names, new).on_conflict_do_nothing()

    def of(self, connection: Connection, views: Iterable[PageView]) -> list[int | None]:
        """Return the number of what each page view has; what has none is given one now."""
        wanted = list(map(self._shared.value, views))
        different = dict.fromkeys(wanted)
        different.pop(None, None)
        values = list(different)
        found = self._found(connection, values)
        missing = [value for value in values if value not in found]
        if missing:
            rows = [(*self._shared.in_key(value), *self._shared.more(value)) for value in missing]
            connection.execute(self._add, self._added.bound(rows))
            found |= self._found(connection, missing)
        found[None] = None
        return list(map(found.__getitem__, wanted))

    def _found(self, connection: Connection, values: Sequence[Any]) -> dict[Any, int | None]:
        if not values:
            return {}
        keys = list(map(self._shared.in_key, values))
        check(chain.from_iterable(keys))
        rows = self._bulk.read(connection, self._find, self._asked.bound(keys))
        return {values[place]: number for place, number in rows}
