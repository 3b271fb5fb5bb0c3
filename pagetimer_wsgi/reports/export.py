"""Page views as a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from ..events import PageView
from .formats import as_csv

COLUMNS: dict[str, Callable[[PageView], Any]] = {
    # django-pagetimer's, in its order
    "timestamp": lambda view: _moment(view.started_at),
    "username": lambda view: view.username,
    "session_key": lambda view: view.session_key,
    "ipaddress": lambda view: view.ip_address,
    "path": lambda view: view.path,
    # then the times
    "visible_ms": lambda view: view.visible_ms,
    "engaged_ms": lambda view: view.engaged_ms,
    "last_seen_at": lambda view: _moment(view.last_seen_at),
    "ended": lambda view: view.ended,
    "capped": lambda view: "yes" if view.capped else "no",
    # then what else is known
    "kind": lambda view: view.kind,
    "site": lambda view: view.site,
    "route": lambda view: view.route,
    "referrer": lambda view: view.referrer,
    "words": lambda view: view.words,
    "agent": lambda view: view.agent,
    "view_id": lambda view: view.view_id,
}


def export_csv(views: Iterable[PageView]) -> Iterator[str]:
    """Yield the lines of a CSV file with one page view each; points in time are ISO 8601, UTC."""
    rows: Iterable[list[Any]] = ([cell(view) for cell in COLUMNS.values()] for view in views)
    yield from as_csv(list(COLUMNS), rows)


def _moment(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
