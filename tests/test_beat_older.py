"""The calls of the two older packages, through a whole ``PageTimer``."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from webob import Request, Response

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.beat.older import FieldError, parse_date
from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

DATE = "2026-01-31T09:30:00Z"
MOMENT = int(datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc).timestamp() * 1000)
Make = Callable[..., PageTimer]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    timers = []

    def make(**options: Any) -> PageTimer:
        timers.append(PageTimer(Response("page"), **({"data": tmp_path / "data"} | options)))
        return timers[-1]

    yield make
    for timer in timers:
        timer.close()


def call(timer: PageTimer, where: str, fields: Any, **more: Any) -> Response:
    return Request.blank(f"/_pagetimer/{where}", POST=fields, **more).get_response(timer)


def stored(timer: PageTimer) -> list[PageView]:
    timer.flush()
    store = SqlStore.open(timer.settings.store)
    try:
        return list(store.page_views(Query(kinds=("page", "log", "ping"))))
    finally:
        store.close()


@pytest.mark.parametrize(
    ("where", "status"),
    [("log/", 204), ("log", 204), ("logs/", 201), ("track/", 201)],
)
def test_a_log_call_is_a_page_view_whose_times_are_unknown(make, where, status):
    timer = make(user_key="REMOTE_USER")
    fields = {"date": DATE, "path": "/a?b=c", "referer": "http://x.example/?q=secret"}
    answer = call(timer, where, fields, environ={"REMOTE_USER": "ada"})
    assert answer.status_int == status
    assert answer.headers["Cache-Control"] == "no-store"
    (view,) = stored(timer)
    assert (view.kind, view.path, view.username) == ("log", "/a", "ada")
    assert (view.visible_ms, view.engaged_ms) == (None, None)
    assert (view.client_started_at, view.referrer) == (MOMENT, "http://x.example/")
    assert abs(view.started_at - time.time() * 1000) < 5000


def test_a_ping_is_a_page_view_of_one_interval(make):
    timer = make(interval="90 s")
    answer = call(timer, "endpoint/", {"path": "/a"})
    assert (answer.status_int, answer.json) == (200, {"status": "ok"})
    (view,) = stored(timer)
    assert (view.kind, view.path) == ("ping", "/a")
    assert (view.visible_ms, view.engaged_ms) == (90_000, None)
    assert view.last_seen_at - view.started_at == 90_000


def test_each_call_is_a_page_view_of_its_own(make):
    timer = make()
    for _ in range(2):
        call(timer, "log/", {"date": DATE, "path": "/a"})
        call(timer, "endpoint/", {"path": "/a"})
    assert sorted(view.kind for view in stored(timer)) == ["log", "log", "ping", "ping"]


@pytest.mark.parametrize(
    "how",
    [
        {"POST": {"date": DATE, "path": "/ä"}},
        {
            "POST": {"date": DATE, "path": "/ä"},
            "content_type": "multipart/form-data",
        },
        {
            "method": "POST",
            "body": json.dumps({"date": DATE, "path": "/ä", "more": [1]}).encode(),
            "content_type": "application/json",
        },
        {
            "method": "POST",
            "body": urlencode({"date": DATE, "path": "/ä"}).encode(),
            "content_type": "text/plain;charset=UTF-8",
        },
    ],
    ids=["form", "multipart", "JSON", "a beacon's text"],
)
def test_a_call_is_read_from_a_form_multipart_and_json(make, how):
    timer = make()
    answer = Request.blank("/_pagetimer/log/", **how).get_response(timer)
    assert answer.status_int == 204
    assert [view.path for view in stored(timer)] == ["/ä"]


def test_a_long_part_needs_no_temporary_file(make, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    part = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}'
    parts = [part.format("date", DATE), part.format("path", "/" + "a" * 2_000)]
    body = "--tide\r\n" + "\r\n--tide\r\n".join(parts) + "\r\n--tide--\r\n"
    answer = Request.blank(
        "/_pagetimer/log/",
        method="POST",
        body=body.encode(),
        content_type="multipart/form-data; boundary=tide",
    ).get_response(make())
    assert answer.status_int == 204


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"path": "/a"}, "date", id="no date"),
        pytest.param({"path": "/a", "date": ""}, "date", id="empty date"),
        pytest.param({"path": "/a", "date": "yesterday"}, "date", id="no date at all"),
        pytest.param({"path": "/a", "date": "2026-02-30"}, "date", id="no such day"),
        pytest.param({"path": "/a", "date": "2026-01-01T10:00+99:00"}, "date", id="no such zone"),
        pytest.param({"date": DATE}, "path", id="no path"),
        pytest.param({"date": DATE, "path": "/a\0b"}, "path", id="control character"),
        pytest.param({"date": DATE, "path": "/a", "referer": "\n"}, "referer", id="bad referer"),
    ],
)
def test_a_field_that_is_missing_or_wrong_is_named_with_its_reason(make, fields, field):
    timer = make()
    answer = call(timer, "log/", fields)
    assert answer.status_int == 400
    ((name, reasons),) = answer.json["errors"].items()
    assert name == field
    assert len(reasons) == 1
    assert isinstance(reasons[0], str)
    assert stored(timer) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"{", "application/json", id="half JSON"),
        pytest.param(b"[1]", "application/json", id="a list"),
        pytest.param(b"[" * 16000, "application/json", id="deep JSON"),
        pytest.param(b'{"date": 7, "path": "/"}', "application/json", id="a number as date"),
        pytest.param(b'{"date": "2026-01-01", "path": 7}', "application/json", id="number as path"),
        pytest.param(b'{"date": "2026-01-01", "path": "\\ud800"}', "application/json", id="half"),
        pytest.param(b"\xff", "application/json", id="no UTF-8"),
        pytest.param(b"{}", "application/json; charset=nonsense", id="JSON in no charset"),
        pytest.param(b"date=%ff&path=%ff", "application/x-www-form-urlencoded", id="form of bytes"),
        pytest.param(
            b"date=1", "application/x-www-form-urlencoded; charset=nonsense", id="charset"
        ),
        pytest.param(b"x", "multipart/form-data", id="no boundary"),
        pytest.param(b"x", "multipart/form-data; boundary=y", id="no parts"),
        pytest.param(
            b'--y\r\nContent-Disposition: form-data; name="date"; filename="a"\r\n\r\nx\r\n--y--',
            "multipart/form-data; boundary=y",
            id="a file",
        ),
        pytest.param(b"x", "", id="no type"),
        pytest.param(b"x", "image/png", id="another type"),
    ],
)
@pytest.mark.parametrize("where", ["log/", "endpoint/"])
def test_no_body_whatever_fails_here(make, body, content_type, where):
    request = Request.blank("/_pagetimer/" + where, method="POST", body=body)
    request.environ["CONTENT_TYPE"] = content_type
    answer = request.get_response(make())
    assert answer.status_int in ((400,) if where == "log/" else (200, 400))
    assert answer.status_int == 200 or answer.json["errors"]


@pytest.mark.parametrize(
    ("referer", "path"),
    [
        ("http://localhost/course/7/?a=b#c", "/course/7/"),
        ("http://localhost/caf\u00c3\u00a9", "/café"),
        ("http://localhost", None),
        ("http://[", None),
        ("http://localhost/a\x01b", None),
    ],
)
@pytest.mark.parametrize("where", ["log/", "endpoint/"])
def test_a_missing_path_is_the_referers(make, where, referer, path):
    timer = make()
    answer = call(timer, where, {"date": DATE}, environ={"HTTP_REFERER": referer})
    assert (answer.status_int < 300) == (path is not None)
    assert [view.path for view in stored(timer)] == ([path] if path else [])


def test_the_checks_of_beats_hold_for_them(make, tmp_path):
    timer = make(rate_limit="1/minute", exclude="/admin/**")
    fields = {"date": DATE, "path": "/a"}
    foreign = call(timer, "log/", fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_int, list(foreign.json["errors"])) == (403, ["call"])
    assert call(timer, "endpoint/", {"path": "/" + "a" * 2**14}).status_int == 413
    assert call(timer, "endpoint/", {"path": "/admin/x"}).status_int == 200
    public = {"REMOTE_ADDR": "93.184.216.34"}
    assert call(timer, "log/", fields, environ=public).status_int == 204
    assert call(timer, "log/", fields, environ=public).status_int == 429
    assert [view.path for view in stored(timer)] == ["/a"]


def test_a_call_that_cannot_be_kept_gets_503_and_when_to_try_again(make, tmp_path):
    (tmp_path / "spool").write_text("in the way")
    answer = call(make(spool=tmp_path / "spool"), "log/", {"date": DATE, "path": "/a"})
    assert answer.status_int == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_identify_names_who_calls(make):
    timer = make(identify=lambda environ: ("ada", "s1"))
    call(timer, "log/", {"date": DATE, "path": "/a"})
    (view,) = stored(timer)
    assert view.username == "ada"
    assert view.session_key == timer.parts.key_ring.get().session_key("s1")


def test_a_long_path_is_cut(make):
    timer = make()
    call(timer, "endpoint/", {"path": "/" + "a" * 600})
    assert len(stored(timer)[0].path) == 512


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T09:30:00Z", MOMENT),
        ("2026-01-31T09:30:00", MOMENT),
        ("2026-01-31 09:30", MOMENT),
        ("2026-01-31T10:30:00+01:00", MOMENT),
        ("2026-01-31T10:30:00 01:00", MOMENT),
        ("2026-01-31T10:30:00+01", MOMENT),
        ("2026-01-31T05:00:00-0430", MOMENT),
        ("2026-01-31t09:30:00.1234567z", MOMENT + 123),
        ("2026-01-31T09:30:00,5Z", MOMENT + 500),
        ("2026-01-31", MOMENT - 34_200_000),
        ("1969-12-31T23:59:59.500Z", -500),
    ],
)
def test_a_date_of_iso_8601_is_a_moment(text, expected):
    assert parse_date(text) == expected


@pytest.mark.parametrize("text", ["", None, 0, "x" * 9000, "٢٠٢٦-01-31", "2026-01-31T25:00", "-1"])
def test_what_is_no_date_is_refused_shortly(text):
    with pytest.raises(FieldError) as caught:
        parse_date(text)
    assert len(caught.value.reason) < 120
