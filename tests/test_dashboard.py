"""The dashboard: what viewers see, what nobody else does, and what it does without a store."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from webob import Request, Response

from pagetimer_wsgi.dashboard.app import Dashboard
from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.reports.questions import REPORTS
from pagetimer_wsgi.stores import Query, Store
from pagetimer_wsgi.who.sources import Pair

NOON = int(datetime(2026, 3, 1, 12, tzinfo=timezone.utc).timestamp() * 1000)
MARCH = "from=2026-03-01&to=2026-03-31"
SESSION = "5e551011" * 4
NOBODY = Pair()


class Shelf(Store):
    """A store in memory that says how many page views were taken from it."""

    def __init__(self, *views: PageView) -> None:
        self.views = views
        self.taken = 0

    @classmethod
    def open(cls, url: str, *, fsync: bool = False, migrate: bool = True) -> Shelf:
        raise NotImplementedError

    def identity(self) -> str:
        return "shelf"

    def write(self, beats, page_views=()):
        raise NotImplementedError

    def beats(self, query):
        raise NotImplementedError

    def purge_by_steps(self, query, of="page_views"):
        raise NotImplementedError

    def check(self) -> str:
        raise NotImplementedError

    def page_views(self, query: Query) -> Iterator[PageView]:
        found = [view for view in self.views if _means(query, view)]
        found.sort(key=lambda view: view.started_at, reverse=query.newest_first)
        for view in found[: query.limit]:
            self.taken += 1
            yield view


class Away(Shelf):
    def page_views(self, query: Query) -> Iterator[PageView]:
        raise StoreAway("the disk is on holiday")
        yield


def _means(query: Query, view: PageView) -> bool:
    return (
        (query.started_from or 0) <= view.started_at < (query.started_to or sys.maxsize)
        and query.site in (None, view.site)
        and query.user in (None, view.username)
        and query.session in (None, view.session_key)
        and view.kind in query.kinds
    )


def a_view(path: str = "/", number: int = 0, **known: object) -> PageView:
    values = {
        "view_id": f"{number:032x}",
        "kind": "page",
        "path": path,
        "first_seq": 0,
        "last_seq": 0,
        "started_at": NOON + number * 1000,
        "last_seen_at": NOON + number * 1000,
        **known,
    }
    return PageView(**values)


def ask(
    store: Store,
    address: str = f"/?{MARCH}",
    you: Pair = NOBODY,
    opens: bool = True,
    has_password: bool = False,
) -> Response:
    request = Request.blank(address)
    dashboard = Dashboard(store, "UTC", has_password)
    return dashboard.answer(request, request.path_info, opens, you)


def rows(response: Response, table: str) -> list[str]:
    """Return what the rows of a table say, one text a row."""
    body = re.search(rf'<table class="{table}">.*?<tbody>(.*?)</tbody>', response.text, re.S)[1]
    texts = [re.sub(r"<[^>]*>", " ", row) for row in body.split("</tr>")]
    return [" ".join(text.split()) for text in texts if text.strip()]


# What it shows


def test_the_figures_of_the_period_stand_at_the_top():
    views = [
        a_view("/a", 0, visible_ms=60_000, engaged_ms=30_000, username="ann"),
        a_view("/b", 1, visible_ms=120_000, engaged_ms=30_000, username="bob"),
        a_view("/b", 2, username="bob"),
    ]
    text = ask(Shelf(*views)).text
    figures = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert figures == {
        "Page views": "3",
        "People": "2",
        "Visible": "3 m 00 s",
        "Engaged": "1 m 00 s",
        "Times known": "67 %",
    }
    assert "median 1 m 00 s" in text
    assert "1 Mar to 31 Mar 2026 (UTC)" in text


def test_an_unknown_time_is_a_dash_without_a_bar_and_never_zero():
    response = ask(Shelf(a_view("/a")))
    assert rows(response, "report") == ["/a – – – – 1 0 0 %"]
    assert rows(response, "views") == ["1 Mar, 12:00:00 /a – – – unknown"]
    assert "<svg" not in response.text
    assert "0.0 s" not in response.text


def test_a_time_of_zero_is_known():
    response = ask(Shelf(a_view("/a", visible_ms=0, engaged_ms=0)))
    assert rows(response, "report") == ["/a 0.0 s 0.0 s 0.0 s 0.0 s 1 0 100 %"]


def test_nearly_all_is_not_called_all():
    views = [a_view("/", number, visible_ms=1) for number in range(999)]
    assert "99 %" in rows(ask(Shelf(*views, a_view("/", 999))), "report")[0]


def test_bars_show_the_share_of_the_longest_and_of_it_the_engaged_part():
    views = [
        a_view("/a", 0, visible_ms=1000, engaged_ms=250),
        a_view("/b", 1, visible_ms=500, engaged_ms=500),
    ]
    text = ask(Shelf(*views)).text
    found = re.findall(r'class="visible" width="(\d+)".*?class="engaged" width="(\d+)"', text)
    assert found == [("1000", "250"), ("500", "500")]


def test_latest_page_views_tell_whether_their_times_are_exact():
    views = [
        a_view("/a", 0, visible_ms=12_400, engaged_ms=9_100, ended="exact", username="ann"),
        a_view("/b", 1, visible_ms=1_000, session_key=SESSION),
        a_view("/c", 2, visible_ms=1_000, session_key=SESSION, visitor=True),
    ]
    assert rows(ask(Shelf(*views)), "views") == [
        "1 Mar, 12:00:02 /c visitor 5e551011 1.0 s – at least",
        "1 Mar, 12:00:01 /b session 5e551011 1.0 s – at least",
        "1 Mar, 12:00:00 /a ann 12.4 s 9.1 s exact",
    ]


def test_times_of_day_and_days_are_those_of_the_time_zone():
    view = a_view("/a", started_at=NOON + 11 * 3_600_000)
    dashboard = Dashboard(Shelf(view), "Asia/Tokyo", False)
    response = dashboard.answer(Request.blank(f"/?by=day&{MARCH}"), "/", True, NOBODY)
    assert rows(response, "report")[0].startswith("Mon 2 Mar")
    assert rows(response, "views")[0].startswith("2 Mar, 08:00:00")


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_is_a_table_and_a_tab(report: str):
    view = a_view("/a", site="one", route="/r", username="ann", session_key=SESSION, visible_ms=1)
    response = ask(Shelf(view, a_view("/a", 1, site="two")), f"/?by={report}&{MARCH}")
    assert response.status_int == 200
    assert (
        f'<a href="./?by={report}&amp;from=2026-03-01&amp;to=2026-03-31" aria-current="page">'
        in (response.text)
    )
    first = {"page": "/a", "route": "/r", "user": "ann", "session": "5e551011", "site": "one"}
    assert rows(response, "report")[0].startswith(first.get(report, "Sun 1 Mar"))


def test_of_a_long_list_fifty_rows_are_shown_and_the_rest_is_counted():
    response = ask(Shelf(*(a_view(f"/{number}", number) for number in range(1062))))
    assert len(rows(response, "report")) == 50
    assert len(rows(response, "views")) == 50
    assert response.text.count("… and 1\N{NARROW NO-BREAK SPACE}012 more") == 2


def test_of_many_days_the_latest_are_shown():
    days = [a_view("/", day, started_at=NOON + day * 86_400_000) for day in range(60)]
    shown = rows(ask(Shelf(*days), "/?by=day&from=2026-03-01&to=2026-05-30"), "report")
    assert (shown[0][:10], len(shown)) == ("Wed 29 Apr", 50)


def test_a_period_without_page_views_says_so():
    response = ask(Shelf(a_view()), "/?from=2025-01-01&to=2025-01-31")
    assert "No page views in this period" in response.text


# Who looks


YOU = pytest.mark.parametrize(
    ("you", "known"),
    [
        (Pair("ann", None), {"username": "ann"}),
        (Pair("ann", SESSION), {"username": "ann", "session_key": "0" * 32}),
        (Pair(None, SESSION), {"session_key": SESSION}),
    ],
    ids=["user", "user with another session", "session"],
)


@YOU
def test_who_looks_sees_the_own_page_views_first(you: Pair, known: dict[str, str]):
    store = Shelf(a_view("/mine", 0, **known), a_view("/other", 1, username="bob"))
    response = ask(store, you=you)
    own, rest = response.text.split('class="own"')[1].split("</section>", 1)
    assert "1 page view," in own
    assert "/mine" in own
    assert "/other" not in own
    assert '<table class="report">' in rest


@YOU
def test_the_own_rows_of_other_tables_stand_out(you: Pair, known: dict[str, str]):
    store = Shelf(a_view("/mine", 0, **known), a_view("/other", 1, username="bob"))
    response = ask(store, f"/?by=session&{MARCH}", you)
    marked = [row for row in rows(response, "report") if " you " in row]
    assert (len(marked), response.text.count('<tr class="yours">')) == (1, 2)


@pytest.mark.parametrize("you", [NOBODY, Pair("zoe", None), Pair(None, "f" * 32)])
def test_who_has_no_page_views_sees_no_panel_of_them(you: Pair):
    text = ask(Shelf(a_view(username="ann"), a_view("/b", 1)), you=you).text
    assert 'class="own"' not in text
    assert '<tr class="yours">' not in text


# Sites and the sample


def test_one_site_needs_no_column():
    response = ask(Shelf(a_view("/a", 0, site="shop"), a_view("/b", 1, site="shop")))
    assert "shop" not in response.text
    assert "Sample data" not in response.text


def test_several_sites_are_told_apart_and_the_sample_is_named_as_such():
    store = Shelf(a_view("/a", 0, site="shop", visible_ms=2), a_view("/a", 1, site="sample"))
    response = ask(store)
    assert "Sample data is among it" in response.text
    assert [row[:9] for row in rows(response, "report")] == ["/a shop 0", "/a sample"]
    assert response.text.count('<span class="badge sample">sample</span>') == 3


def test_people_of_the_sample_have_its_badge_and_others_have_not():
    store = Shelf(
        a_view("/a", 0, site="shop", username="ann", visible_ms=2_000),
        a_view("/a", 1, site="sample", username="sam", visible_ms=1_000),
        a_view("/a", 2, site="sample"),
        a_view("/a", 3, site="shop"),
    )
    found = rows(ask(store, f"/?by=user&{MARCH}"), "report")
    assert [row.split()[:2] for row in found] == [["ann", "2.0"], ["sam", "sample"], ["–", "–"]]


# The figures for programs


def test_the_report_is_json_with_one_object_a_row():
    response = ask(Shelf(a_view("/a", visible_ms=5)), f"/api/report?by=page&{MARCH}")
    assert response.content_type == "application/json"
    (row,) = json.loads(response.text)
    assert (row["path"], row["page_views"], row["visible_ms_total"]) == ("/a", 1, 5)
    assert row["engaged_ms_total"] is None


def test_the_report_is_csv_where_that_is_asked_for():
    response = ask(Shelf(a_view("=1+1")), f"/api/report?by=page&format=csv&{MARCH}")
    assert response.content_type == "text/csv"
    assert response.text.splitlines()[1].startswith(",'=1+1,1,0,")


def test_the_export_is_a_download_that_is_read_as_it_is_sent():
    store = Shelf(*(a_view(f"/{number}", number) for number in range(1000)))
    response = ask(store, f"/api/export?{MARCH}")
    assert store.taken < 10
    assert response.content_disposition == (
        'attachment; filename="pagetimer-2026-03-01-2026-03-31.csv"'
    )
    assert len(response.text.splitlines()) == 1001


WRONG = pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("by=weather", "by: one of page, route, user"),
        ("from=yesterday", "not 'yesterday'"),
        ("from=2026-02-30", "2026-02-30"),
        ("from=2026-03-02&to=2026-03-01", "before it begins"),
        ("to=9999-12-31", "does not reach so far"),
        ("to=0001-01-02", "does not reach so far"),
        ("by=%ff", "UTF-8"),
    ],
)


@WRONG
@pytest.mark.parametrize("path", ["/api/report", "/api/export"])
def test_a_wrong_parameter_is_400_with_the_reason(path: str, parameters: str, reason: str):
    response = ask(Shelf(), f"{path}?{parameters}")
    assert response.status_int == 400
    assert reason in response.json["error"]


def test_a_wrong_format_is_400_with_the_reason():
    response = ask(Shelf(), f"/api/report?format=xml&{MARCH}")
    assert (response.status_int, "json or csv" in response.json["error"]) == (400, True)


@WRONG
def test_the_page_says_what_is_wrong_and_shows_the_usual(parameters: str, reason: str):
    response = ask(Shelf(), f"/?{parameters}")
    assert response.status_int == 400
    assert reason in response.text.replace("&#39;", "'")
    assert "Where the time went" in response.text


# Who may look


@pytest.mark.parametrize("path", ["/", "/api/report", "/api/export"])
@pytest.mark.parametrize("has_password", [True, False])
def test_it_is_closed_to_who_is_no_viewer(path: str, has_password: bool):
    store = Shelf(a_view("/secret", username="ann"))
    response = ask(store, path, Pair("ann"), opens=False, has_password=has_password)
    assert response.status_int == (401 if has_password else 403)
    assert store.taken == 0
    assert "viewer_token" in response.text
    challenge = response.headers.get("WWW-Authenticate", "")
    assert challenge.startswith('Basic realm="pagetimer"') == has_password


def test_without_a_password_the_page_says_who_may_look():
    assert "<code>viewers</code>" in ask(Shelf(), opens=False).text


# A store that is away


def test_without_the_store_the_page_is_there_and_says_so():
    response = ask(Away(), you=Pair("ann"))
    assert response.status_int == 200
    assert "The store cannot be asked just now" in response.text
    assert "the disk is on holiday" in response.text


@pytest.mark.parametrize("path", ["/api/report", "/api/export"])
def test_without_the_store_figures_are_503_and_to_be_asked_again(path: str):
    response = ask(Away(), path)
    assert response.status_int == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "the disk is on holiday" in response.json["error"]


# Safety


def test_what_a_browser_sent_is_text_and_no_markup():
    evil = '/<script>alert("1")</script>'
    view = a_view(evil, username=evil, route=evil, site=evil)
    for report in ("page", "route", "user", "session", "site"):
        text = ask(Shelf(view, a_view("/b", 1)), f"/?by={report}&{MARCH}", Pair(evil)).text
        assert "<script" not in text
        assert "&lt;script&gt;alert(&#34;1&#34;)" in text


def test_the_page_needs_no_script_and_nothing_from_outside():
    views = [a_view("/a", 0, visible_ms=5, engaged_ms=2, site="sample"), a_view("/b", 1)]
    text = ask(Shelf(*views)).text
    assert not re.search(r"<script|\sstyle=|\son\w+=|https?:|//[a-z]|url\(|@import", text)
    links = re.findall(r'(?:href|action)="([^"]*)"', text)
    assert links
    # All are relative: they hold wherever the prefix is mounted, behind whatever proxy.
    assert all(re.match(r"\./|api/", link) for link in links)


@pytest.mark.parametrize("opens", [True, False])
def test_its_policy_allows_its_own_style_and_nothing_else(opens: bool):
    response = ask(Shelf(a_view()), opens=opens)
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert response.headers["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]


@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize("path", ["/", "/api/report", "/api/export", "/api/report?by=no"])
def test_no_answer_is_kept_or_guessed_at(path: str, opens: bool):
    headers = ask(Shelf(a_view()), path, opens=opens).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_figures_need_no_template_engine():
    code = "import sys, pagetimer_wsgi.dashboard.app; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
