"""Many rows in one PostgreSQL statement: arrays, and COPY."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

import msgspec
import psycopg
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    LargeBinary,
    SelectBase,
    String,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    func,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

from ....pace import gently
from ..bulk import Bulk, Given, Parameters, Rows
from ..rows import identifiers

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
# A value or a constraint; a trigger's RAISE; a text too long for its index.
_ABOUT_ROWS = ("22", "23", "P0001", "54000")

_AT_ONCE = 500
"""Rows that the driver takes apart in one go, while nobody else runs."""


class ArrayRows(Given):
    """Rows as one array a column, each as PostgreSQL writes it: the driver dumps item by item."""

    def __init__(self, *columns: Column[Any]) -> None:
        # Not the columns' own names, which an update keeps for itself.
        self._names = [f"given_{column.name}" for column in columns]
        self._written = [_writer(column) for column in columns]
        arrays = [
            bindparam(name, type_=_array(column))
            for name, column in zip(self._names, columns, strict=True)
        ]
        rows = func.unnest(*arrays).table_valued(*self._names, with_ordinality="place")
        self.source = rows.render_derived()
        *self.values, place = self.source.c
        self.place = place - 1

    def bound(self, rows: Rows) -> Parameters:
        """Return the parameters that make these the rows; see the base class."""
        columns = list(zip(*rows, strict=True)) or [()] * len(self._names)
        written = zip(self._names, self._written, columns, strict=True)
        return {name: write(column) for name, write, column in gently(written, look=1)}


class _Array(UserDefinedType[str]):
    """An array that the driver is given as text."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, items: str) -> None:
        self.items = items

    def get_col_spec(self, **_: object) -> str:
        return f"{self.items}[]"


def _writer(column: Column[Any]) -> Callable[[Sequence[Any]], str]:
    if isinstance(column.type, LargeBinary):
        return _written_ids
    return _written_texts if isinstance(column.type, String) else _written_numbers


def _written_ids(digits: Sequence[str]) -> str:
    identifiers(digits)
    return "{" + ",".join([f'"\\\\x{one}"' for one in digits]) + "}"


def _written_texts(texts: Sequence[str | None]) -> str:
    return "{" + ",".join(map(_written_text, texts)) + "}"


def _written_text(text: str | None) -> str:
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written_numbers(numbers: Sequence[int | None]) -> str:
    return "{" + msgspec.json.encode(numbers)[1:-1].decode() + "}"


def _array(column: Column[Any]) -> _Array:
    # A cast to VARCHAR(255) would cut a longer text off, where the table refuses it.
    items = Text() if isinstance(column.type, String) else column.type
    return _Array(items.compile(_DIALECT))


class PostgresqlBulk(Bulk):
    """PostgreSQL's way with many rows."""

    def given(self, *columns: Column[Any]) -> Given:
        """Return a table of given rows; see the base class."""
        return ArrayRows(*columns)

    def insert(self, table: Table) -> Insert:
        """Return PostgreSQL's insert."""
        return insert(table)

    def read(self, connection: Connection, found: SelectBase, bound: Parameters) -> Rows:
        """Return the rows that are found; see the base class."""
        result = connection.execute(cast(Executable, found), bound)
        return [row for some in gently(result.partitions(_AT_ONCE), look=1) for row in some]

    def put(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Add rows by COPY; see the base class."""
        if not rows:
            return
        statement = f"COPY {table} FROM STDIN (FORMAT BINARY)"
        cursor: Any = connection.connection.cursor()
        try:
            with cursor, cursor.copy(statement) as copy:
                copy.set_types(_types(table))
                for view_id, row in gently(zip(_ids(rows), rows, strict=True)):
                    copy.write_row((view_id, *row[1:]))
        except psycopg.Error as error:  # SQLAlchemy, which does not see it, tells errors like this
            raise DBAPIError(statement, None, error) from error

    def change(
        self, connection: Connection, table: Table, rows: Rows, columns: Sequence[Column[Any]]
    ) -> None:
        """Change columns; see the base class."""
        if not rows:
            return
        given, statement = _change(table, tuple(columns))
        values = itemgetter(*map(list(table.c).index, [*table.primary_key, *columns]))
        connection.execute(statement, given.bound(list(map(values, rows))))

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Compare by ``LIKE``, which takes a for a and nothing else."""
        exact = re.sub(r"[%_\\]", r"\\\g<0>", pattern)
        return text.like(re.sub(r"\*+", "%", exact), escape="\\")

    def is_about_rows(self, error: DBAPIError) -> bool:
        """Tell whether a value, a constraint or a trigger is what went wrong."""
        return (getattr(error.orig, "sqlstate", None) or "").startswith(_ABOUT_ROWS)


def _ids(rows: Rows) -> list[bytes]:
    ids = identifiers([row[0] for row in rows])
    return [ids[at : at + 16] for at in range(0, len(ids), 16)]


@lru_cache(maxsize=64)
def _change(table: Table, columns: tuple[Column[Any], ...]) -> tuple[Given, Update]:
    key = list(table.primary_key)
    given = ArrayRows(*key, *columns)
    same = and_(*map(operator.eq, key, given.values))
    values = dict(zip([column.name for column in columns], given.values[len(key) :], strict=True))
    return given, update(table).values(values).where(same)


@lru_cache(maxsize=64)
def _types(table: Table) -> list[str]:
    types = [column.type.compile(_DIALECT) for column in table.c]
    return [name.lower().partition("(")[0] for name in types]
