"""Upkeep: shared values that no page view has any more go, and the disk gets its space back."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Column, delete, exists, not_, select

from .database import Database
from .memory import Memory
from .schema import page_view
from .shared import SHARED

_SLICE = 1_000
"""Shared values that are looked at in one transaction."""
_INDEXED = {column.name for index in page_view.indexes for column in index.columns}


class Upkeep:
    """One database's upkeep, some steps at a time."""

    def __init__(self, database: Database, memory: Memory) -> None:
        self._database = database
        self._memory = memory
        self._steps: Iterator[None] | None = None

    def go_on(self, seconds: float) -> bool:
        """Go on for no longer than this, and a step; tell whether all is done.

        :raises StoreAway: if the database cannot be written now; the next call begins anew
        """
        end = time.monotonic() + seconds
        steps, self._steps = self._steps or self._all(), None
        for _ in steps:
            if time.monotonic() >= end:
                self._steps = steps
                return False
        return True

    def _all(self) -> Iterator[None]:
        with self._database.reading() as connection:
            if connection is None:
                return
        with self._database.writing() as connection:
            self._memory.forget(connection)
        yield
        for shared in SHARED:
            if shared.number.name in _INDEXED:
                yield from self._sweep_by_slices(shared.number)
            else:
                yield from self._sweep(shared.number)
        while self._database.give_back():
            yield

    def _sweep_by_slices(self, number: Column[int]) -> Iterator[None]:
        """Remove the values that no page view has, each found by the page views' index."""
        own = page_view.c[number.name]
        unused = not_(exists().where(own == number))
        last: int | None = 0
        while last is not None:
            first = number > last
            ends = select(number).where(first).order_by(number).offset(_SLICE - 1).limit(1)
            with self._database.writing() as connection:
                last = connection.scalar(ends)
                these = first if last is None else first & (number <= last)
                connection.execute(delete(number.table).where(these, unused))
            yield

    def _sweep(self, number: Column[int]) -> Iterator[None]:
        """Remove the values that no page view has, with one look at all page views.

        Agents and referrers have no index of their own: it would make every write a fifth
        slower for the sake of this.
        """
        own = page_view.c[number.name]
        used = select(own).where(own.is_not(None)).distinct()
        with self._database.writing() as connection:
            connection.execute(delete(number.table).where(number.not_in(used)))
        yield
