"""The page: what stands on it. It needs no JavaScript, and nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..errors import StoreAway
from ..events import PageView
from ..reports.formats import UNKNOWN, duration
from ..reports.questions import REPORTS, Period, Questions
from ..stores.base import Store
from ..stores.totals import Totals
from ..who.sources import Pair

ROWS = 50
"""So many rows of a table are shown."""
OWN_ROWS = 8

SAMPLE = "sample"
"""The site whose page views are made up."""

_TABS = {
    "page": "Pages",
    "route": "Routes",
    "user": "Users",
    "session": "Sessions",
    "day": "Days",
    "site": "Sites",
}
_HEADS = {"path": "Page"}
_SPANS = (7, 30, 90, 365)
_SESSION_DIGITS = 8

STYLE = (files(__package__) / "style.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The page's Content-Security-Policy: nothing but its own style."""


@dataclass(frozen=True)
class Row:
    """One row of the report.

    :param names: of the columns by which it is asked
    :param visible: its visible time as a share of the table's longest, 0 to 1000
    :param engaged: its engaged time on the same scale
    """

    names: Sequence[str]
    totals: Totals
    visible: int
    engaged: int
    yours: bool
    sample: bool


def render(store: Store, report: str, period: Period, you: Pair, problem: str = "") -> str:
    """Return the page as HTML; where the store is away, a page that says so.

    :param report: one of :data:`~pagetimer_wsgi.reports.questions.REPORTS`
    :param problem: what was wrong with the address, a sentence
    """
    values: dict[str, Any] = {"period": period, "report": report, "problem": problem, "away": ""}
    try:
        values |= _answers(store, report, period, you)
    except StoreAway as error:
        values["away"] = str(error)
    values |= {"tabs": _TABS, "spans": list(_spans(period)), "you": you.user or ""}
    return _render("page.html", **values)


def refusal(has_password: bool) -> str:
    """Return the page for those who may not look."""
    return _render("refusal.html", has_password=has_password)


def _answers(store: Store, report: str, period: Period, you: Pair) -> dict[str, Any]:
    """Ask the store all that the page shows.

    :raises StoreAway: if it cannot be asked now
    """
    questions = Questions(store, period)
    everything = questions.all()
    rows = questions.totals(report)
    if report == "day":
        rows.reverse()
    by = REPORTS[report]
    located = rows if "site" in by else questions.totals("site")
    sites = {row.key["site"] for row in located}
    several = len(sites) > 1
    # What a row is about comes first; the site, where there are several, after it.
    shown = [name for name in by if name != "site" or report == "site"]
    shown += ["site"] if several and "site" in by and report != "site" else []
    made_up = _made_up(store, report, period) if SAMPLE in sites else frozenset()
    latest = questions.latest(ROWS)
    return {
        "all": everything,
        "sample": SAMPLE in sites,
        "several_sites": several,
        "heads": [_HEADS.get(name, name.capitalize()) for name in shown],
        "rows": list(_rows(rows[:ROWS], shown, you, made_up)),
        "more_rows": max(0, len(rows) - ROWS),
        "latest": [(view, _is_yours(view, you)) for view in latest],
        "more_latest": max(0, (everything.page_views if everything else 0) - ROWS),
        **_own(store, questions, period, you),
    }


def _own(store: Store, questions: Questions, period: Period, you: Pair) -> dict[str, Any]:
    """Return the page views of whoever looks: the user's, else the session's."""
    if you.user is None and you.session is None:
        return {"own": None}
    session = you.session if you.user is None else None
    found = store.totals(replace(period.query(), user=you.user, session=session), ())
    if not found:
        return {"own": None}
    latest = questions.latest(OWN_ROWS, you.user, session)
    return {
        "own": found[0],
        "own_latest": [(view, False) for view in latest],
        "more_own": max(0, found[0].page_views - OWN_ROWS),
    }


def _rows(
    rows: Sequence[Totals], shown: Sequence[str], you: Pair, made_up: frozenset[Any]
) -> Iterator[Row]:
    longest = max((row.visible.total or 0 for row in rows), default=0) or 1
    for row in rows:
        visible, engaged = row.visible.total or 0, row.engaged.total or 0
        yield Row(
            names=[_name(name, row.key[name]) for name in shown],
            totals=row,
            visible=round(1000 * visible / longest),
            engaged=round(1000 * min(engaged, visible) / longest),
            yours=_is_about(row, you),
            sample="site" not in shown[1:]
            and (row.key.get("site") == SAMPLE or _key(row) in made_up),
        )


def _made_up(store: Store, report: str, period: Period) -> frozenset[Any]:
    """Return the keys of a report on people that the sample brought in."""
    if report not in ("user", "session"):
        return frozenset()
    query = replace(period.query(), site=SAMPLE)
    return frozenset(_key(row) for row in store.totals(query, REPORTS[report]) if any(_key(row)))


def _key(row: Totals) -> tuple[str | None, ...]:
    return tuple(row.key.values())


def _is_about(row: Totals, you: Pair) -> bool:
    """Tell whether a row of a report on people is about whoever looks."""
    user, session = row.key.get("user"), row.key.get("session")
    return _same(user, you.user) or _same(session, you.session)


def _is_yours(view: PageView, you: Pair) -> bool:
    return _same(view.username, you.user) or _same(view.session_key, you.session)


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _name(column: str, value: str | None) -> str:
    if value is None:
        return UNKNOWN
    if column == "session":
        return value[:_SESSION_DIGITS]
    if column == "day":
        return _day(date.fromisoformat(value))
    return value


def _spans(period: Period) -> Iterator[tuple[str, date, date, bool]]:
    """Yield the periods that one click chooses: name, first and last day, whether it is shown."""
    today = datetime.now(ZoneInfo(period.time_zone)).date()
    for days in _SPANS:
        first = today - timedelta(days=days - 1)
        name = "a year" if days == 365 else f"{days} days"
        yield name, first, today, (period.first, period.last) == (first, today)


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}".replace(" ", "\N{NO-BREAK SPACE}")


def _moment(milliseconds: int, time_zone: str) -> Markup:
    moment = datetime.fromtimestamp(milliseconds / 1000, ZoneInfo(time_zone))
    words = f"{moment.day} {moment:%b, %H:%M:%S}"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat("T", "seconds"), words)


def _number(value: int) -> str:
    """Return a whole number with thin spaces between its thousands (ISO 80000-1)."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _share(value: float) -> str:
    """Return a share in per cent; all of it only where it is all."""
    return f"{min(99, round(100 * value)) if value < 1 else 100} %"


def _render(name: str, **values: Any) -> str:
    return _templates().get_template(name).render(values)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("pagetimer_wsgi.dashboard", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "duration": duration,
        "moment": _moment,
        "number": _number,
        "share": _share,
    }
    templates.globals |= {"style": Markup(STYLE), "SAMPLE": SAMPLE, "UNKNOWN": UNKNOWN}  # noqa: S704
    return templates
