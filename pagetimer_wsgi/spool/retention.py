"""Retention: what has been kept long enough goes, a little at each turn of the writer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import write_file
from ..stores.base import Store
from ..stores.query import Query

_HOUR = 3600
_DAY = 24 * _HOUR


@dataclass(frozen=True)
class Limits:
    """What is kept; ``None`` is no limit.

    :param beats: for so many seconds after its page view was last seen, a beat; the page view's
        totals stay
    :param page_views: for so many seconds after it began, a page view with its beats
    :param rows: so many page views, the newest
    """

    beats: int | None = None
    page_views: int | None = None
    rows: int | None = None


class Retention:
    """Removes from a store what these limits do not keep.

    A round that is through leaves a file in the spool, whose time tells all processes of this
    host when the next is due; one that was killed in the middle is begun again.

    :param spool: the spool's folder
    """

    def __init__(self, store: Store, spool: Path, limits: Limits) -> None:
        self._store = store
        self._spool = spool
        self._limits = limits
        self._steps: Iterator[int] | None = None
        self._rounds: tuple[tuple[str, int, Callable[[], Iterator[int]]], ...] = (
            ("page-views-rolled", _HOUR, self._page_views),
            # It looks at every page view that is older than its beats may become.
            ("beats-rolled", _DAY, self._beats),
        )

    def turn(self, seconds: float) -> int:
        """Go on with what is due, if anything is, for no longer than this and a step.

        Only who drains alone may do so. What waits in the spool is stored before it may go.

        :return: how many page views, and beats without theirs, went
        :raises StoreAway: if the store cannot be asked or written now
        :raises OSError: if the spool cannot be written
        """
        end = time.monotonic() + seconds
        steps, self._steps = self._steps or self._due(), None
        removed = 0
        for number in steps:
            removed += number
            if time.monotonic() >= end:
                self._steps = steps
                break
        return removed

    def _due(self) -> Iterator[int]:
        for name, period, steps in self._rounds:
            if not 0 <= self._age(name) < period:  # the clock may have been set back
                yield from steps()
                write_file(self._spool / name, b"")

    def _age(self, name: str) -> float:
        try:
            return time.time() - (self._spool / name).stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def _page_views(self) -> Iterator[int]:
        limits, store = self._limits, self._store
        if limits.page_views is not None:
            old = Query(kinds=(), started_to=_ago(limits.page_views))
            yield from store.purge_by_steps(old)
        if limits.rows is not None:
            more = store.count(Query(kinds=())) - limits.rows
            if more > 0:
                yield from store.purge_by_steps(Query(kinds=(), limit=more))

    def _beats(self) -> Iterator[int]:
        if self._limits.beats is not None:
            old = Query(kinds=(), seen_to=_ago(self._limits.beats))
            yield from self._store.purge_by_steps(old, of="beats")
        while not self._store.upkeep(0):
            yield 0


def _ago(seconds: int) -> int:
    return time.time_ns() // 1_000_000 - seconds * 1000
