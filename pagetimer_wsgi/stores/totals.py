"""The plain fold of answers: page views into totals, in memory. Stores may do it their own way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ..events import PageView


@dataclass(frozen=True)
class Spread:
    """How times are spread, in milliseconds; all ``None`` where no time is known.

    A percentile is the smallest value that at least that share does not exceed.
    """

    total: int | None
    median: int | None
    p75: int | None
    p90: int | None


@dataclass(frozen=True)
class Totals:
    """One row of an answer.

    :param key: the value of each name that was asked by; ``None`` where it is unknown
    :param people: different users, and different sessions of those who have no name
    :param known: share of the page views whose visible time is known, 0 to 1
    """

    key: dict[str, str | None]
    page_views: int
    people: int
    visible: Spread
    engaged: Spread
    known: float


@dataclass
class _Group:
    page_views: int = 0
    people: set[tuple[str, str | None]] = field(default_factory=set)
    visible: list[int] = field(default_factory=list)
    engaged: list[int] = field(default_factory=list)

    def add(self, view: PageView) -> None:
        self.page_views += 1
        if view.username is not None:
            self.people.add(("user", view.username))
        elif view.session_key is not None:
            self.people.add(("session", view.session_key))
        if view.visible_ms is not None:
            self.visible.append(view.visible_ms)
        if view.engaged_ms is not None:
            self.engaged.append(view.engaged_ms)


def total(views: Iterable[PageView], by: Sequence[str], time_zone: str) -> list[Totals]:
    """Fold page views into one row for each different value of ``by``, most time first."""
    zone = ZoneInfo(time_zone)
    groups: dict[tuple[str | None, ...], _Group] = {}
    for view in views:
        key = tuple(_value(view, name, zone) for name in by)
        groups.setdefault(key, _Group()).add(view)
    rows = [
        Totals(
            key=dict(zip(by, key, strict=True)),
            page_views=group.page_views,
            people=len(group.people),
            visible=spread(group.visible),
            engaged=spread(group.engaged),
            known=len(group.visible) / group.page_views,
        )
        for key, group in groups.items()
    ]
    rows.sort(key=lambda row: (-(row.visible.total or 0), [v or "" for v in row.key.values()]))
    return rows


def spread(times: list[int]) -> Spread:
    """Return total and percentiles of known times in milliseconds."""
    if not times:
        return Spread(None, None, None, None)
    ordered = sorted(times)

    def percentile(percent: int) -> int:
        return ordered[-(-len(ordered) * percent // 100) - 1]

    return Spread(sum(ordered), percentile(50), percentile(75), percentile(90))


def _value(view: PageView, name: str, zone: ZoneInfo) -> str | None:
    if name == "user":
        return view.username
    if name == "session":
        return view.session_key
    if name == "day":
        return datetime.fromtimestamp(view.started_at / 1000, zone).date().isoformat()
    value: str | None = getattr(view, name)
    return value
