"""What each kind of database does its own way with many rows: all of them in one statement.

Never as many parameter sets: the driver would hand the interpreter's lock to the host's threads
at each of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, SelectBase, Table
from sqlalchemy.exc import DBAPIError

Parameters = dict[str, Any]
Rows = Sequence[Sequence[Any]]
"""Values in the order of some columns; ids as 32 hex digits."""


class Given(ABC):
    """Rows that a statement is given with its parameters, as a table that it can ask.

    :param source: the table
    :param values: what stands in it, a column each
    :param place: the row's place among those that were given, from 0
    """

    source: FromClause
    values: Sequence[ColumnElement[Any]]
    place: ColumnElement[int]

    @abstractmethod
    def bound(self, rows: Rows) -> Parameters:
        """Return the parameters that make these the rows.

        :raises Unfit: if an id is not 32 hex digits
        """


class Bulk(ABC):
    """One kind of database's way with many rows."""

    @abstractmethod
    def given(self, *columns: Column[Any]) -> Given:
        """Return a table of given rows, whose values are as those of these columns.

        At most one of the columns holds ids, and that is the first.
        """

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """Return the dialect's insert, which knows ``on_conflict_…``."""

    @abstractmethod
    def read(self, connection: Connection, found: SelectBase, bound: Parameters) -> Rows:
        """Return the rows that a statement finds, without a turn of the host's threads at each."""

    @abstractmethod
    def put(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Add rows, in the order of the table's columns, whose keys are not there yet."""

    @abstractmethod
    def change(
        self, connection: Connection, table: Table, rows: Rows, columns: Sequence[Column[Any]]
    ) -> None:
        """Change these columns, as rows of the whole table say, in the rows that have their keys.

        To leave a column out is to leave its index alone.
        """

    @abstractmethod
    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Compare by code point, where ``*`` in the pattern stands for anything."""

    @abstractmethod
    def is_about_rows(self, error: DBAPIError) -> bool:
        """Tell whether the database refuses what it was given, and might take something else."""
