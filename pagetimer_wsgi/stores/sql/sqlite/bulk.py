"""Many rows in one SQLite statement: JSON (``json_each``) to ask, parameters to put."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
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

from ....pace import gently
from ..bulk import Bulk, Given, Parameters, Rows
from ..rows import identifiers

# In one statement, which takes about 40 bytes for each while the driver keeps it ready. SQLite
# itself would take 32,766, its versions before 2020 but 999.
_VARIABLES = 6_000 if sqlite3.sqlite_version_info >= (3, 32) else 999

_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_row = msgspec.json.Decoder(list[Any]).decode


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
        ids = identifiers([row[0] for row in rows])
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

        The driver lets go of the interpreter's lock at every row, so that all come as one. It is
        taken apart by turns, since nobody else runs while one text of megabytes is decoded.
        """
        return [_row(raw) for raw in gently(_rows(connection.scalar(_as_one_row(found), bound)))]

    def put(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Add rows; see the base class.

        By parameters: to take 26 values out of a row of JSON costs more than to keep the row.
        """
        _execute(connection, table, rows, "NOTHING")

    def change(
        self, connection: Connection, table: Table, rows: Rows, columns: Sequence[Column[Any]]
    ) -> None:
        """Change columns; see the base class."""
        changed = ", ".join(f"{column.name} = excluded.{column.name}" for column in columns)
        _execute(connection, table, rows, f"UPDATE SET {changed}")

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


def _execute(connection: Connection, table: Table, rows: Rows, on_conflict: str) -> None:
    columns = len(table.c)
    at_once = _VARIABLES // columns
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        values = list(chain.from_iterable(some))
        ids = identifiers(values[::columns])
        values[::columns] = [ids[at : at + 16] for at in range(0, len(ids), 16)]
        statement = _insert(table, len(some)) + f" DO {on_conflict}"
        connection.exec_driver_sql(statement, tuple(values))


def _insert(table: Table, rows: int) -> str:
    names = ", ".join(column.name for column in table.c)
    key = ", ".join(column.name for column in table.primary_key)
    row = f"({', '.join('?' * len(table.c))})"
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([row] * rows)} ON CONFLICT ({key})"
