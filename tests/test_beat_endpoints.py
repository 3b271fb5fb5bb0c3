"""``POST prefix/beat`` and the client's script, through a whole ``PageTimer``."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from webob import Request, Response

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.beat.endpoints import read_body
from pagetimer_wsgi.errors import Refused
from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

PUBLIC = "93.184.216.34"
Make = Callable[..., PageTimer]


def application(environ: dict[str, Any], start_response: Any) -> Any:
    if "test.user" in environ:
        environ["pagetimer.user"] = environ["test.user"]
    if "test.session" in environ:
        environ["pagetimer.session"] = environ["test.session"]
    environ["pagetimer.route"] = "/course/<id>/"
    return Response("<html><head></head><body>page</body></html>")(environ, start_response)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    timers = []

    def make(**options: Any) -> PageTimer:
        timers.append(PageTimer(application, **({"data": tmp_path / "data"} | options)))
        return timers[-1]

    yield make
    for timer in timers:
        timer.close()


def fields(**changes: Any) -> dict[str, str]:
    """A beat of a page view that began two seconds ago."""
    now = time.time_ns() // 1_000_000
    known = {
        "v": f"{now - 2000:012x}" + "5e" * 10,
        "n": 0,
        "t": 1900,
        "e": 1200,
        "p": "/course/7/",
        "d": now,
        "w": "beat",
    }
    return {name: str(value) for name, value in (known | changes).items() if value is not None}


def beat(
    timer: PageTimer,
    body: dict[str, str] | bytes | None = None,
    environ: dict[str, Any] | None = None,
    **headers: str,
) -> Response:
    """Send a beat; headers are written with _ for -."""
    body = fields() if body is None else body
    data = body if isinstance(body, bytes) else urlencode(body).encode()
    request = Request.blank(
        "/_pagetimer/beat",
        environ={"REMOTE_ADDR": "127.0.0.1"} | (environ or {}),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        method="POST",
        body=data,
        content_type="text/plain",
    )
    return request.get_response(timer)


def get(timer: PageTimer, path: str, environ: dict[str, Any] | None = None, **more: Any) -> Any:
    return Request.blank("/_pagetimer" + path, environ=environ, **more).get_response(timer)


def token_of(timer: PageTimer, user: str | None, session: str | None, path: str) -> str:
    """The token of a page as its reader gets it."""
    environ = {"test.user": user, "test.session": session}
    page = Request.blank(path, environ=environ).get_response(timer)
    return re.search(r'data-pagetimer="([^"]*)"', page.text)[1]


def stored(timer: PageTimer) -> list[PageView]:
    timer.flush()
    store = SqlStore.open(timer.settings.store)
    try:
        return list(store.page_views(Query(kinds=("page", "log", "ping"))))
    finally:
        store.close()


# --- beats ------------------------------------------------------------------------------------


def test_a_beat_is_stored_with_its_reader_its_page_and_its_times(make):
    timer = make(site="school")
    token = token_of(timer, "ada", "s1", "/course/7/")
    sent = fields(k=token, r="/before?x=1", l=250)
    answer = beat(timer, sent, User_Agent="Mozilla/5.0")
    assert (answer.status_int, answer.body) == (204, b"")
    (view,) = stored(timer)
    key = timer.parts.key_ring.get().session_key("s1")
    assert (view.view_id, view.username, view.session_key) == (sent["v"], "ada", key)
    assert (view.path, view.route, view.referrer) == ("/course/7/", "/course/<id>/", "/before")
    assert (view.visible_ms, view.engaged_ms, view.words) == (1900, 1200, 250)
    assert (view.site, view.agent, view.kind) == ("school", "Mozilla/5.0", "page")
    assert not view.visitor
    assert not view.capped
    assert view.client_started_at == int(sent["v"][:12], 16)
    assert 1900 <= view.last_seen_at - view.started_at <= 2100
    assert abs(view.last_seen_at - time.time() * 1000) < 5000


def test_a_session_is_never_kept_as_it_is(make, tmp_path):
    timer = make()
    beat(timer, environ={"pagetimer.session": "raw-session-id"})
    assert len(stored(timer)) == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"raw-session-id" in path.read_bytes() for path in files)


def test_the_beats_of_a_page_view_make_one_and_a_resend_changes_nothing(make):
    timer = make()
    sent = fields()
    beat(timer, sent)
    beat(timer, sent | {"n": "1", "t": "2000"})
    beat(timer, sent | {"n": "1", "t": "2000"})
    (view,) = stored(timer)
    assert (view.visible_ms, view.last_seq) == (2000, 1)


def test_a_route_counts_for_its_own_path_alone(make):
    timer = make()
    token = token_of(timer, "ada", None, "/course/7/")
    beat(timer, fields(k=token, p="/other"))
    (view,) = stored(timer)
    assert (view.username, view.route) == ("ada", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"v": None}, "v: the view id is missing", id="no id"),
        pytest.param({"v": "short"}, "32 hex digits", id="bad id"),
        pytest.param({"n": "x"}, "n: a whole number", id="bad number"),
        pytest.param({"p": None}, "p: the path is missing", id="no path"),
        pytest.param({"p": "/a\0b"}, "control characters", id="control character"),
        pytest.param({"t": 2**53 + 1}, "2^53", id="too large"),
        pytest.param({"d": None}, "d: ", id="no moment"),
    ],
)
def test_what_is_no_beat_is_answered_with_400_and_the_reason(make, changes, reason):
    timer = make()
    answer = beat(timer, fields(**changes))
    assert answer.status_int == 400
    assert reason in answer.text
    assert answer.content_type == "text/plain"
    assert stored(timer) == []


@pytest.mark.parametrize("length", ["", "-1", "x", "1.5", "²", "+3", "99999999999999999999"])
def test_a_length_that_is_none_is_refused_and_nothing_fails(make, length):
    request = Request.blank("/_pagetimer/beat", method="POST", body=b"v=1")
    request.environ["CONTENT_LENGTH"] = length
    answer = request.get_response(make())
    assert answer.status_int == (413 if length.startswith("99") else 400)


def test_a_body_that_is_shorter_than_its_length_is_refused(make):
    request = Request.blank("/_pagetimer/beat", method="POST", body=b"v=1")
    request.environ["CONTENT_LENGTH"] = "30"
    assert request.get_response(make()).status_int == 400


def test_a_body_without_length_is_taken_where_the_server_ends_it(make):
    timer = make()
    request = Request.blank("/_pagetimer/beat", method="POST", body=urlencode(fields()).encode())
    del request.environ["CONTENT_LENGTH"]
    request.environ["wsgi.input_terminated"] = True
    assert request.get_response(timer).status_int == 204
    assert len(stored(timer)) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec_Fetch_Site": "same-origin"}, 204, id="same origin"),
        pytest.param({"Sec_Fetch_Site": "same-site"}, 403, id="same site"),
        pytest.param({"Sec_Fetch_Site": "cross-site"}, 403, id="cross site"),
        pytest.param({"Sec_Fetch_Site": "none"}, 403, id="typed in"),
        pytest.param(
            {"Sec_Fetch_Site": "same-origin", "Origin": "http://evil.example"},
            204,
            id="Sec-Fetch-Site decides alone",
        ),
        pytest.param({"Origin": "http://localhost"}, 204, id="own origin"),
        pytest.param({"Origin": "https://localhost:8443"}, 204, id="scheme and port aside"),
        pytest.param({"Origin": "null"}, 204, id="null"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another origin"),
        pytest.param({"Origin": "http://["}, 403, id="no origin at all"),
        pytest.param(
            {"Origin": "http://shop.example", "X_Forwarded_Host": "shop.example"},
            403,
            id="a proxy nobody trusts",
        ),
    ],
)
def test_only_pages_of_this_very_site_are_heard(make, headers, status):
    timer = make()
    assert beat(timer, **headers).status_int == status
    assert len(stored(timer)) == (status == 204)


def test_a_trusted_proxy_says_which_host_was_asked(make):
    headers = {"Origin": "http://shop.example", "X_Forwarded_Host": "shop.example"}
    assert beat(make(trusted_proxies=1), **headers).status_int == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_beat_by_another_method_gets_405_with_what_is_allowed(make, method):
    answer = get(make(), "/beat", method=method)
    assert (answer.status_int, answer.headers["Allow"]) == (405, "POST")


def test_a_body_over_16_kib_gets_413(make):
    timer = make()
    assert beat(timer, b"p=/" + b"a" * 2**14).status_int == 413
    request = Request.blank("/_pagetimer/beat", method="POST", body=b"a" * (2**14 + 1))
    del request.environ["CONTENT_LENGTH"]
    request.environ["wsgi.input_terminated"] = True
    assert request.get_response(timer).status_int == 413


def test_too_many_beats_of_one_address_get_429_and_others_are_heard(make):
    timer = make(rate_limit="2/minute")
    public = {"REMOTE_ADDR": PUBLIC}
    statuses = [beat(timer, environ=public).status_int for _ in range(3)]
    assert statuses == [204, 204, 429]
    assert beat(timer, environ={"REMOTE_ADDR": "93.184.216.35"}).status_int == 204
    assert {beat(timer).status_int for _ in range(4)} == {204}


# --- what fails -------------------------------------------------------------------------------


def test_a_spool_that_cannot_be_written_costs_beats_503_and_the_application_nothing(
    make, tmp_path, caplog
):
    spool = tmp_path / "spool"
    spool.write_text("a file where a folder belongs")
    timer = make(spool=spool, viewer_token="let-me-see-all-of-it")
    caplog.set_level(logging.WARNING, logger="pagetimer")
    answers = [beat(timer) for _ in range(3)]
    assert {answer.status_int for answer in answers} == {503}
    assert int(answers[0].headers["Retry-After"]) > 0
    page = Request.blank("/").get_response(timer)
    assert page.status_int == 200
    assert "<body>page" in page.text
    assert get(timer, "/health").json == {"state": "failing", "failing": ["spool"]}
    said = [record.getMessage() for record in caplog.records if "spool" in record.getMessage()]
    assert len(said) == 1
    assert str(spool) in said[0]
    assert get(timer, "/pagetimer.js").status_int == 200


def test_a_spool_that_works_again_takes_beats_again(make, tmp_path, caplog):
    spool = tmp_path / "spool"
    spool.write_text("in the way")
    timer = make(spool=spool)
    assert beat(timer).status_int == 503
    spool.unlink()
    assert beat(timer).status_int == 204
    assert get(timer, "/health").json["state"] == "ok"
    assert len(stored(timer)) == 1


def test_beats_wait_for_a_database_that_cannot_be_opened(make, tmp_path, caplog):
    (tmp_path / "data" / "pagetimer.db").mkdir(parents=True)
    timer = make()
    assert beat(timer).status_int == 204
    end = time.monotonic() + 5
    while get(timer, "/health").json["state"] == "ok" and time.monotonic() < end:
        time.sleep(0.05)
    assert get(timer, "/health").json["failing"] == ["store"]
    assert Request.blank("/").get_response(timer).status_int == 200
    assert len([r for r in caplog.records if r.getMessage().startswith("store")]) == 1
    with pytest.raises(TimeoutError):
        timer.flush(0.1)
    (tmp_path / "data" / "pagetimer.db").rmdir()
    assert len(stored(timer)) == 1


def test_without_a_secret_beats_get_503_and_tags_carry_no_token(make, tmp_path, caplog):
    missing = tmp_path / "no such" / "secret"
    timer = make(secret_file=missing)
    assert token_of(timer, "ada", "s1", "/") == ""
    answer = beat(timer)
    assert (answer.status_int, "Retry-After" in answer.headers) == (503, True)
    assert get(timer, "/health").json["failing"] == ["secret"]
    assert len([r for r in caplog.records if str(missing) in r.getMessage()]) == 1
    missing.parent.mkdir()
    missing.write_text("a-secret-of-this-very-test\n")
    assert beat(timer).status_int == 204
    assert get(timer, "/health").json["state"] == "ok"


# --- who --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seq", "environ", "token", "named"),
    [
        pytest.param(0, ("ada", "s1"), None, ("ada", "s1"), id="first, environ alone"),
        pytest.param(0, (None, None), ("ada", "s1"), ("ada", "s1"), id="first, token alone"),
        pytest.param(0, ("bob", "s1"), ("ada", "s1"), ("bob", "s1"), id="first, environ wins"),
        pytest.param(3, ("bob", "s1"), ("ada", "s1"), ("ada", "s1"), id="later, token wins"),
        pytest.param(0, (None, "s1"), ("ada", "s1"), ("ada", "s1"), id="first, user missing"),
        pytest.param(0, (None, "s2"), ("ada", "s1"), (None, "s2"), id="first, another session"),
        pytest.param(3, ("bob", "s2"), (None, "s1"), (None, "s1"), id="later, another session"),
        pytest.param(3, ("bob", "s2"), ("ada", None), ("ada", "s2"), id="later, session missing"),
        pytest.param(3, ("bob", None), (None, "s1"), ("bob", "s1"), id="later, user missing"),
    ],
)
def test_a_beat_names_its_reader_by_environ_first_and_by_token_later(
    make, seq, environ, token, named
):
    timer = make()
    known = {"pagetimer.user": environ[0], "pagetimer.session": environ[1]}
    text = token_of(timer, *token, "/course/7/") if token else None
    assert beat(timer, fields(n=seq, k=text), environ=known).status_int == 204
    (view,) = stored(timer)
    session = named[1] and timer.parts.key_ring.get().session_key(named[1])
    assert (view.username, view.session_key) == (named[0], session)


def test_the_lowest_seq_that_names_anybody_names_the_page_view(make):
    timer = make()
    sent = fields(n=2)
    beat(timer, sent, environ={"pagetimer.user": "late", "pagetimer.session": "s2"})
    beat(timer, sent | {"n": "0"})
    beat(timer, sent | {"n": "1"}, environ={"pagetimer.user": "ada"})
    (view,) = stored(timer)
    assert (view.username, view.session_key, view.visitor) == ("ada", None, False)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("1.WyJyb290Il0.AAAA", id="forged"),
        pytest.param("é\u2028", id="no text of ours"),
        pytest.param(".", id="empty parts"),
        pytest.param("a" * 9000, id="long"),
    ],
)
def test_a_token_that_is_not_ours_names_nobody(make, forged):
    timer = make(visitor="none")
    assert beat(timer, fields(k=forged)).status_int == 204
    (view,) = stored(timer)
    assert (view.username, view.session_key) == (None, None)


def test_a_token_names_somebody_until_it_is_too_old(make, monkeypatch):
    timer = make(token_max_age="60 s")
    token = token_of(timer, "ada", None, "/course/7/")
    for seconds, known in ((0, ("ada", "/course/<id>/")), (62, (None, None))):
        now = time.time_ns() + seconds * 10**9
        monkeypatch.setattr("pagetimer_wsgi.beat.endpoints.time.time_ns", lambda now=now: now)
        sent = fields(k=token)
        beat(timer, sent)
        (view,) = (view for view in stored(timer) if view.view_id == sent["v"])
        assert (view.username, view.route) == known


def test_nothing_in_the_body_but_a_token_names_anybody(make):
    timer = make(visitor="none")
    beat(timer, fields(user="root", username="root", session="s", REMOTE_USER="root"))
    (view,) = stored(timer)
    assert (view.username, view.session_key) == (None, None)


def test_what_long_beats_say_is_not_remembered(make):
    timer = make()
    tracemalloc.start()
    try:
        for number in range(300):
            page = f"/{number}/" + "x" * 7500
            sent = fields(p=page, r=page, l=450, k="")
            as_our_client = {name: sent[name] for name in "vntedwprlk"}
            assert beat(timer, as_our_client).status_int == 204
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_visitor_of_one_address_and_agent_stands_for_the_session_all_day(make):
    timer = make()
    for number, agent in enumerate(("Firefox", "Firefox", "Chrome")):
        sent = fields() | {"v": f"{int(time.time() * 1000):012x}" + f"{number:020x}"}
        answer = beat(timer, sent, User_Agent=agent)
        assert "Set-Cookie" not in answer.headers
    keys = {view.session_key for view in stored(timer)}
    assert len(keys) == 2
    assert all(view.visitor for view in stored(timer))


def test_a_visitors_cookie_is_set_once_for_our_addresses_alone(make):
    timer = make(visitor="cookie")
    answer = beat(timer)
    cookie = answer.headers["Set-Cookie"]
    assert "Path=/_pagetimer;" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    again = beat(timer, fields(v="0" * 32), Cookie=cookie.partition(";")[0])
    assert "Set-Cookie" not in again.headers
    views = stored(timer)
    assert [view.visitor for view in views] == [True, True]
    assert len({view.session_key for view in views}) == 1


def test_a_reader_whom_environ_names_gets_no_visitors_cookie(make):
    answer = beat(make(visitor="cookie"), environ={"REMOTE_USER": "ada"})
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("signal", ["DNT", "Sec_GPC"])
@pytest.mark.parametrize(
    ("option", "kept"), [("anonymise", "nobody"), ("drop", "nothing"), ("ignore", "ada")]
)
def test_privacy_signals_are_heeded_as_the_option_says(make, signal, option, kept):
    timer = make(privacy_signals=option, ip="full", visitor="cookie")
    answer = beat(timer, environ={"REMOTE_USER": "ada", "REMOTE_ADDR": PUBLIC}, **{signal: "1"})
    assert answer.status_int == 204
    found = [(view.username, view.session_key, view.ip_address) for view in stored(timer)]
    expected = {"nobody": [(None, None, None)], "nothing": [], "ada": [("ada", None, PUBLIC)]}
    assert found == expected[kept]


def test_who_asks_for_privacy_gets_no_cookie(make):
    answer = beat(make(visitor="cookie"), DNT="1")
    assert (answer.status_int, "Set-Cookie" in answer.headers) == (204, False)


@pytest.mark.parametrize(
    ("how", "kept"), [("full", PUBLIC), ("truncated", "93.184.216.0"), ("none", None)]
)
def test_as_much_of_an_address_is_kept_as_the_option_says(make, how, kept):
    timer = make(ip=how)
    beat(timer, environ={"REMOTE_ADDR": PUBLIC})
    assert stored(timer)[0].ip_address == kept


@pytest.mark.parametrize(
    ("options", "changes", "environ", "kept"),
    [
        pytest.param({"exclude_users": "root"}, {}, {"REMOTE_USER": "root"}, 0, id="user"),
        pytest.param({"exclude_users": "root"}, {}, {"REMOTE_USER": "ada"}, 1, id="other user"),
        pytest.param(
            {"exclude_users": "root"},
            {},
            {"REMOTE_USER": "root", "HTTP_SEC_GPC": "1"},
            0,
            id="user who asks for privacy",
        ),
        pytest.param({"exclude_ips": "93.184.0.0/16"}, {}, {"REMOTE_ADDR": PUBLIC}, 0, id="ip"),
        pytest.param({"exclude_ips": "10.0.0.0/8"}, {}, {"REMOTE_ADDR": PUBLIC}, 1, id="other ip"),
        pytest.param({"exclude": "/admin/**"}, {"p": "/admin/a/b?c"}, {}, 0, id="excluded"),
        pytest.param({"exclude": "/admin/**"}, {"p": "/%61dmin/a"}, {}, 0, id="excluded, encoded"),
        pytest.param({"include": "/course/*/"}, {}, {}, 1, id="included"),
        pytest.param({"include": "/course/*/"}, {"p": "/other"}, {}, 0, id="not included"),
    ],
)
def test_what_is_left_out_by_choice_gets_204_and_is_not_kept(make, options, changes, environ, kept):
    timer = make(**options)
    assert beat(timer, fields(**changes), environ=environ).status_int == 204
    assert len(stored(timer)) == kept


def test_of_a_path_as_much_of_the_query_is_kept_as_the_options_say(make):
    timer = make(query_parameters="page")
    beat(timer, fields(p="/a?token=x&page=2#top", r="/b?page=1&token=y"))
    (view,) = stored(timer)
    assert (view.path, view.referrer) == ("/a?page=2", "/b?page=1")


# --- the script -------------------------------------------------------------------------------


def test_the_script_is_immutable_under_its_own_hash_alone(make):
    timer = make()
    current = get(timer, "/pagetimer.js")
    version = hashlib.blake2b(current.body, digest_size=6).hexdigest()
    assert (current.status_int, current.content_type) == (200, "text/javascript")
    assert current.headers["Cache-Control"] == "no-cache"
    other = get(timer, "/pagetimer.js?v=000000000000")
    assert (other.body, other.headers["Cache-Control"]) == (current.body, "no-cache")
    own = get(timer, f"/pagetimer.js?v={version}")
    assert own.body == current.body
    assert {"immutable", "public"} <= set(own.headers["Cache-Control"].split(", "))


def test_the_script_is_asked_for_by_head_and_by_its_etag(make):
    timer = make()
    whole = get(timer, "/pagetimer.js")
    head = get(timer, "/pagetimer.js", method="HEAD")
    assert (head.status_int, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.body))
    same = get(timer, "/pagetimer.js", headers={"If-None-Match": whole.headers["ETag"]})
    assert (same.status_int, same.body) == (304, b"")
    other = get(timer, "/pagetimer.js", headers={"If-None-Match": '"other"'})
    assert other.status_int == 200


@pytest.mark.parametrize(
    "asked",
    ["?v=%ff", "?%ff=1", "?v", "?v=a&v=b", "?v=%00"],
)
def test_no_query_keeps_the_script_from_being_served(make, asked):
    answer = get(make(), "/pagetimer.js" + asked)
    assert (answer.status_int, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=-", "bytes=" + "9" * 5000 + "-"])
def test_the_script_goes_out_whole_whatever_range_is_asked_for(make, asked):
    answer = get(make(), "/pagetimer.js", headers={"Range": asked})
    assert answer.status_int == 200
    assert answer.content_length == len(answer.body) > 1000


def test_whoever_leaves_in_the_middle_of_a_beat_is_no_failure_of_ours():
    class Gone:
        def read(self, size):
            raise ConnectionResetError("gone")

    with pytest.raises(Refused) as caught:
        read_body({"CONTENT_LENGTH": "5", "wsgi.input": Gone()})
    assert caught.value.status == 400


@pytest.mark.parametrize("wrong", [{}, {"v": "no id"}], ids=["204", "400"])
def test_in_uwsgi_without_threads_what_waits_is_stored_when_a_beats_answer_is_closed(
    make, monkeypatch, wrong
):
    timer, sent = make(), fields()
    beat(timer, sent)
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=0))
    body = urlencode(sent | {"n": 1} | wrong).encode()
    request = Request.blank("/_pagetimer/beat", method="POST", body=body)
    answer = timer(request.environ, lambda *_: None)
    assert bool(b"".join(answer)) == bool(wrong)
    store = SqlStore.open(timer.settings.store)
    assert list(store.page_views(Query())) == []
    answer.close()
    assert len(list(store.page_views(Query()))) == 1
    store.close()
