"""What was purged: remembered when it goes, and looked up for whatever comes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import msgspec
from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    bindparam,
    delete,
    exists,
    literal_column,
    select,
)
from sqlalchemy.dialects.sqlite import Insert

from ...events import Beat, PageView
from ..base import REMEMBERED_SECONDS
from ..purges import Hasher, Key, Purge, purge_of, received_at
from ..query import Query
from .bulk import Bulk, Parameters
from .rows import is_identifier
from .schema import Hex, page_view, purge, purged_view

_PURGES = select(*(purge.c[name] for name in Purge.__struct_fields__)).order_by(purge.c.at)
_ANYTHING = select(exists(select(purge.c.purge_id)), exists(select(purged_view.c.view_id)))
_AT, _FOR = bindparam("at", type_=BigInteger), bindparam("for", type_=BigInteger)


class Memory:
    """What one database remembers of purges."""

    def __init__(self, bulk: Bulk, key: Key | None) -> None:
        self._bulk = bulk
        self._hasher = Hasher(key)
        self._given = given = bulk.given(purged_view.c.view_id)
        these = select(*given.values).select_from(given.source)
        purged = select(Hex(purged_view.c.view_id), purged_view.c.purged_at)
        self._find = purged.where(purged_view.c.view_id.in_(these))
        # SQLite's grammar wants a condition between SELECT and ON CONFLICT.
        plain = select(*given.values, _AT, _AT + _FOR).select_from(given.source)
        self._keep = self._keeping(plain.where(literal_column("1") == 1))
        last = page_view.c.last_seen_at + _FOR
        going = select(page_view.c.view_id, _AT, last).where(page_view.c.view_id.in_(these))
        self._keep_going = self._keeping(going.where(last > _AT))

    def keep(self, connection: Connection, query: Query, at: int) -> None:
        """Remember a purge, as far as beats by themselves can tell that they are meant.

        :raises StoreAway: if a user is meant and there is no key
        """
        found = purge_of(query, at, self._hasher)
        if found is not None:
            connection.execute(self._bulk.insert(purge).values(msgspec.structs.asdict(found)))

    def keep_views(
        self, connection: Connection, view_ids: Iterable[str], at: int, seconds: int
    ) -> None:
        """Remember page views that are about to go, until so long after they were last seen."""
        connection.execute(self._keep_going, self._bound(view_ids, at, seconds))

    def left(
        self, connection: Connection, items: Sequence[Beat | PageView]
    ) -> Sequence[Beat | PageView]:
        """Return what of these was not purged after it had been received.

        :raises StoreAway: if a purge was by user and there is no key
        """
        purges, views = connection.execute(_ANYTHING).one()
        gone = self._found(connection, items) if views else {}
        for found in self._purges(connection) if purges else ():
            for view_id in self._taken(connection, found, items):
                gone[view_id] = max(found.at, gone.get(view_id, 0))
        if not gone:
            return items
        return [item for item in items if not received_at(item) < gone.get(item.view_id, 0)]

    def strangers(self, connection: Connection) -> int:
        """Return how many purges were by user, with another key than ours."""
        return sum(not self._is_ours(found) for found in self._purges(connection))

    def forget(self, connection: Connection) -> None:
        """Forget the ids that were remembered long enough."""
        now = time.time_ns() // 1_000_000
        connection.execute(delete(purged_view).where(purged_view.c.kept_to < now))

    def _purges(self, connection: Connection) -> Iterator[Purge]:
        for row in self._bulk.read(connection, _PURGES, {}):
            yield Purge(**dict(zip(Purge.__struct_fields__, row, strict=True)))

    def _is_ours(self, found: Purge) -> bool:
        return found.user is None or found.key == self._hasher.name

    def _found(self, connection: Connection, items: Sequence[Beat | PageView]) -> dict[str, int]:
        bound = self._bound({item.view_id for item in items})
        return {row[0]: row[1] for row in self._bulk.read(connection, self._find, bound)}

    def _taken(
        self, connection: Connection, found: Purge, items: Sequence[Beat | PageView]
    ) -> set[str]:
        """Return the page views that a purge takes one of these of; all of them are remembered.

        Not each beat of a page view names whose it is.
        """
        if not self._is_ours(found):
            return set()
        hashed = cache(self._hasher)
        taken = {item.view_id for item in items if found.takes(item, hashed)}
        if taken:
            connection.execute(self._keep, self._bound(taken, found.at, REMEMBERED_SECONDS))
        return taken

    def _keeping(self, rows: Select[tuple[bytes, int, int]]) -> Insert:
        statement: Insert = self._bulk.insert(purged_view).from_select(list(purged_view.c), rows)
        changed = {name: statement.excluded[name] for name in ("purged_at", "kept_to")}
        return statement.on_conflict_do_update(index_elements=["view_id"], set_=changed)

    def _bound(self, view_ids: Iterable[str], at: int = 0, seconds: int = 0) -> Parameters:
        these = self._given.bound([(view_id,) for view_id in view_ids if is_identifier(view_id)])
        return these | {"at": at, "for": seconds * 1000}
