"""What people ask: where did the time go, in a period, by page, user, session …"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ..events import PageView
from ..stores.base import Store
from ..stores.query import Query
from ..stores.totals import Totals

REPORTS: dict[str, tuple[str, ...]] = {
    "page": ("site", "path"),
    "route": ("route",),
    "user": ("user",),
    "session": ("session", "user"),
    "site": ("site",),
    "day": ("day",),
}
"""Name of a report -> what its totals are asked by."""

DAYS = 30
"""A period that nobody named: so many days up to today."""


@dataclass(frozen=True)
class Period:
    """Whole days, both included, in one time zone."""

    first: date
    last: date
    time_zone: str

    @classmethod
    def of(cls, first: str | None, last: str | None, time_zone: str) -> Period:
        """Return the period between two dates (YYYY-MM-DD); by default the last 30 days.

        :raises ValueError: if a text is no date, or the last day is before the first
        """
        today = datetime.now(ZoneInfo(time_zone)).date()
        end = _date(last) if last else today
        start = _date(first) if first else min(end, today) - timedelta(days=DAYS - 1)
        if start > end:
            raise ValueError(f"the period ends ({end}) before it begins ({start})")
        return cls(start, end, time_zone)

    @property
    def title(self) -> str:
        """The period in words: ``24 Oct to 22 Nov 2026 (UTC)``."""
        first = f"{self.first.day} {self.first:%b}"
        if self.first.year != self.last.year:
            first += f" {self.first.year}"
        return f"{first} to {self.last.day} {self.last:%b %Y} ({self.time_zone})"

    def query(self) -> Query:
        """Return the query for the page views that began in this period."""
        return Query(
            started_from=self._begin(self.first),
            started_to=self._begin(self.last + timedelta(days=1)),
            time_zone=self.time_zone,
        )

    def _begin(self, day: date) -> int:
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.time_zone))
        return int(midnight.timestamp() * 1000)


class Questions:
    """Asks one store about one period. Every answer may raise StoreAway."""

    def __init__(self, store: Store, period: Period) -> None:
        self._store = store
        self._query = period.query()

    def totals(self, report: str) -> list[Totals]:
        """Return the rows of a report out of :data:`REPORTS`, most visible time first."""
        rows = self._store.totals(self._query, REPORTS[report])
        if report == "day":
            rows.sort(key=lambda row: row.key["day"] or "")
        return rows

    def all(self) -> Totals | None:
        """Return one row over everything; None if there was no page view."""
        rows = self._store.totals(self._query, ())
        return rows[0] if rows else None

    def latest(
        self, number: int, user: str | None = None, session: str | None = None
    ) -> list[PageView]:
        """Return the latest page views, of one user or session if named."""
        query = replace(self._query, newest_first=True, limit=number, user=user, session=session)
        return list(self._store.page_views(query))

    def page_views(self) -> Iterator[PageView]:
        """Yield every page view in the order in which they began."""
        return self._store.page_views(self._query)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"a date such as 2026-01-31 is needed, not {text!r}") from None
