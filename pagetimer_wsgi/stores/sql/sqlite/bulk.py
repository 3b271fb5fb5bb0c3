"""Many rows in one SQLite statement: a JSON text (``json_each``), and a blob of all their ids."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    SelectBase,
    Table,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from ..bulk import Bulk, Given, Parameters, Rows
from ..rows import identifier


class JsonRows(Given):
    """Rows as one JSON list of lists; what is no JSON, their ids, as one blob."""

    def __init__(self, *columns: Column[Any]) -> None:
        rows = func.json_each(bindparam("rows")).table_valued("key", "value")
        self._ids = int(isinstance(columns[0].type, LargeBinary))
        ids = [func.substr(bindparam("ids", type_=LargeBinary), rows.c.key * 16 + 1, 16)]
        fields = [
            func.json_extract(rows.c.value, literal_column(f"'$[{place}]'"))
            for place in range(len(columns) - self._ids)
        ]
        self.source = rows
        self.values = ids[: self._ids] + fields
        self.place = rows.c.key

    def bound(self, rows: Rows) -> Parameters:
        """Return the parameters that make these the rows; see the base class."""
        if not self._ids:
            return {"rows": msgspec.json.encode(rows).decode()}
        ids = b"".join([identifier(row[0]) for row in rows])
        return {"rows": msgspec.json.encode([row[1:] for row in rows]).decode(), "ids": ids}


class SqliteBulk(Bulk):
    """SQLite's way with many rows."""

    def given(self, *columns: Column[Any]) -> Given:
        """Return a table of given rows; see the base class."""
        return JsonRows(*columns)

    def insert(self, table: Table) -> Insert:
        """Return SQLite's insert."""
        return insert(table)

    def read(self, connection: Connection, found: SelectBase, bound: Parameters) -> Rows:
        """Return the rows that are found; see the base class.

        The driver lets go of the interpreter's lock at every row, so that all come as one.
        """
        rows: Rows = msgspec.json.decode(connection.scalar(_as_one_row(found), bound))
        return rows

    def put(self, connection: Connection, table: Table, new: Rows, changed: Rows) -> None:
        """Make these the table's rows; see the base class."""
        if new or changed:
            given, statement = _put(table)
            connection.execute(statement, given.bound([*new, *changed]))

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Compare by ``GLOB``: LIKE would take a for A."""
        exact = re.sub(r"[?\[]", r"[\g<0>]", re.sub(r"\*+", "*", pattern))
        return text.op("GLOB", is_comparison=True)(exact)

    def is_about_rows(self, error: DBAPIError) -> bool:
        """Tell whether a constraint or a trigger refused a row."""
        return isinstance(error, IntegrityError | DataError)


@lru_cache(maxsize=64)
def _as_one_row(found: SelectBase) -> Select[Any]:
    rows = found.subquery()
    return select(func.json_group_array(func.json_array(*rows.c))).select_from(rows)


@lru_cache(maxsize=64)
def _put(table: Table) -> tuple[Given, Insert]:
    given = JsonRows(*table.c)
    # SQLite's grammar wants a condition between SELECT and ON CONFLICT.
    rows = select(*given.values).select_from(given.source).where(literal_column("1") == 1)
    statement = insert(table).from_select([column.name for column in table.c], rows)
    changed = {c.name: statement.excluded[c.name] for c in table.c if not c.primary_key}
    key = [column.name for column in table.primary_key]
    return given, statement.on_conflict_do_update(index_elements=key, set_=changed)
