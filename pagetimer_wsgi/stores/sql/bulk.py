"""Many rows in one statement: one JSON text (``json_each``), and one blob of all their ids.

Never as many parameter sets: the driver would hand the interpreter's lock to the host's threads
at each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.sqlite import Insert, insert

from .rows import identifier

Parameters = dict[str, Any]

rows = func.json_each(bindparam("rows")).table_valued("key", "value")
"""The rows: one JSON list, bound as ``rows``."""
row_id = func.substr(bindparam("ids", type_=LargeBinary), rows.c.key * 16 + 1, 16)
"""The row's 16 bytes, cut from all rows' ids, which are bound as ``ids``."""


def field(place: int) -> ColumnElement[Any]:
    """Return what stands at this place of a row that is a list itself."""
    value: ColumnElement[Any] = func.json_extract(rows.c.value, literal_column(f"'$[{place}]'"))
    return value


def bound(values: Iterable[object]) -> Parameters:
    """Return the parameters that make these the statement's rows."""
    return {"rows": msgspec.json.encode(list(values)).decode()}


def bound_ids(ids: Sequence[str], values: Iterable[object] | None = None) -> Parameters:
    """Return the parameters for rows with an id each, and what else they have.

    :raises Unfit: if one is not 32 hex digits
    """
    cut = b"".join(map(identifier, ids))
    return bound([0] * len(ids) if values is None else values) | {"ids": cut}


def inserts(table: Table, **values: ColumnElement[Any]) -> Insert:
    """Return the statement that inserts, from each row, these values."""
    # SQLite's grammar wants a condition between SELECT and ON CONFLICT.
    new = select(*values.values()).select_from(rows).where(literal_column("1") == 1)
    return insert(table).from_select(list(values), new)


def puts(table: Table, **values: ColumnElement[Any]) -> Insert:
    """Return the statement that makes these values the table's rows, new or in place of others."""
    statement = inserts(table, **values)
    key = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in values if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def finds(table: Table, *wanted: ColumnElement[Any], same: ColumnElement[bool]) -> Select[Any]:
    """Return the statement that asks which rows are in the table already."""
    return select(*wanted).select_from(rows.join(table, same))
