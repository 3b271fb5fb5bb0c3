"""``PageTimer`` as a whole: pages on their way out, reserved addresses, how it is configured."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from paste.deploy import loadapp
from webob import Request, Response

from pagetimer_wsgi import PageTimer, SettingsError
from pagetimer_wsgi.page import once
from pagetimer_wsgi.stores.base import without_password
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore
from pagetimer_wsgi.who.token import verify

PAGE = "<!DOCTYPE html><html><head><title>t</title></head><body>page</body></html>"
Make = Callable[..., PageTimer]


def page(environ: dict[str, Any], start_response: Any) -> Any:
    """A page; the test says in environ which headers it has and what else it does."""
    response = Response(PAGE)
    for name, value in environ.get("test.headers", []):
        response.headers.add(name, value)
    environ.get("test.does", lambda environ: None)(environ)
    return response(environ, start_response)


def page_factory(global_conf: Any, **local_conf: str) -> Any:
    """``page`` for PasteDeploy."""
    return page


def by_hand(environ: dict[str, Any], start_response: Any) -> Any:
    """A page whose template writes the tag itself, twice."""
    tag = environ["pagetimer.tag"]
    text = f"<html><head></head><body>{tag.__html__()}{tag}</body></html>"
    headers = [("Content-Type", "text/html"), *environ.get("test.headers", [])]
    start_response("200 OK", headers)
    return [text.encode()]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    timers = []

    def make(application: Any = page, **options: Any) -> PageTimer:
        timers.append(PageTimer(application, **({"data": tmp_path / "data"} | options)))
        return timers[-1]

    yield make
    for timer in timers:
        timer.close()


def get(timer: Any, path: str = "/", environ: dict[str, Any] | None = None, **more: Any) -> Any:
    return Request.blank(path, environ=environ, **more).get_response(timer)


def tags(response: Response) -> list[str]:
    return re.findall(r"<script[^>]*data-pagetimer[^>]*></script>", response.text)


def token(response: Response) -> str:
    (tag,) = tags(response)
    return re.search(r'data-pagetimer="([^"]*)"', tag)[1]


def source(response: Response) -> str:
    (tag,) = tags(response)
    return re.search(r'src="([^"?]*)\?v=\w+"', tag)[1]


# --- tokens and caches ------------------------------------------------------------------------

CONTROL = "Cache-Control"


@pytest.mark.parametrize(
    ("headers", "carries", "goes_out"),
    [
        pytest.param([], True, "private", id="nothing said"),
        pytest.param([(CONTROL, "no-cache")], True, "no-cache, private", id="no-cache"),
        pytest.param([(CONTROL, "max-age=0")], True, "max-age=0, private", id="max-age=0"),
        pytest.param(
            [(CONTROL, "No-Cache, Max-Age=0"), (CONTROL, "must-revalidate")],
            True,
            "No-Cache, Max-Age=0, must-revalidate, private",
            id="all of them, in two headers",
        ),
        pytest.param([(CONTROL, "private")], True, "private", id="private"),
        pytest.param(
            [(CONTROL, "private, max-age=600")], True, "private, max-age=600", id="private, a while"
        ),
        pytest.param([(CONTROL, "no-store")], True, "no-store", id="no-store"),
        pytest.param(
            [(CONTROL, "private"), ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")],
            True,
            "private",
            id="private with Expires",
        ),
        pytest.param([(CONTROL, "max-age=600")], False, "max-age=600", id="max-age"),
        pytest.param([(CONTROL, "public")], False, "public", id="public"),
        pytest.param([(CONTROL, "s-maxage=60")], False, "s-maxage=60", id="s-maxage"),
        pytest.param(
            [(CONTROL, 'private="set-cookie"')], False, 'private="set-cookie"', id="qualified"
        ),
        pytest.param(
            [("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")], False, None, id="Expires alone"
        ),
        pytest.param([("Expires", "0")], False, None, id="Expires in the past"),
        pytest.param(
            [(CONTROL, "no-cache"), ("Expires", "0")], False, "no-cache", id="no-cache with Expires"
        ),
        pytest.param([("Surrogate-Control", "max-age=9")], False, None, id="Surrogate-Control"),
        pytest.param(
            [(CONTROL, "private"), ("Surrogate-Control", "max-age=9")],
            False,
            "private",
            id="private with Surrogate-Control",
        ),
        pytest.param(
            [(CONTROL, 'community="UCI, private, x"')],
            False,
            'community="UCI, private, x"',
            id="a quoted word",
        ),
        *(
            pytest.param([(CONTROL, "private"), (name, "public")], False, "private", id=name)
            for name in (
                "CDN-Cache-Control",
                "Cloudflare-CDN-Cache-Control",
                "Fastly-Surrogate-Control",
                "Edge-Control",
                "X-Accel-Expires",
                "X-LiteSpeed-Cache-Control",
            )
        ),
    ],
)
def test_a_token_goes_only_into_pages_that_no_shared_cache_may_keep(
    make, headers, carries, goes_out
):
    answer = get(make(), environ={"REMOTE_USER": "ada", "test.headers": headers})
    assert bool(token(answer)) == carries
    control = ", ".join(answer.headers.getall(CONTROL)) or None
    assert control == goes_out
    kept = [(name, value) for name, value in headers if name != CONTROL]
    assert set(kept) <= set(answer.headers.items())


def test_a_page_without_a_secret_keeps_its_headers_and_carries_no_token(make, tmp_path, caplog):
    timer = make(secret_file=tmp_path / "missing")
    headers = [("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("ETag", '"x"')]
    answer = get(timer, environ={"REMOTE_USER": "ada", "test.headers": headers})
    assert token(answer) == ""
    assert CONTROL not in answer.headers
    assert answer.headers["Last-Modified"] == headers[0][1]
    assert len(answer.headers["ETag"]) == len('W/"x-pts"') + 8
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "secret" in error.getMessage()


def test_a_tag_by_hand_without_a_secret_stands_without_a_token_and_changes_no_header(
    make, tmp_path
):
    headers = [(CONTROL, "public"), ("ETag", '"x"')]
    timer = make(by_hand, secret_file=tmp_path / "missing")
    answer = get(timer, environ={"REMOTE_USER": "ada", "test.headers": headers})
    assert token(answer) == ""
    assert (answer.headers[CONTROL], answer.headers["ETag"]) == ("public", '"x"')


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nobody"),
        pytest.param({"pagetimer.route": "/course/<id>/"}, id="a route alone"),
        pytest.param({"pagetimer.user": ""}, id="an empty name"),
    ],
)
def test_a_page_of_nobody_keeps_its_caching_and_carries_no_token(make, environ):
    answer = get(make(), environ=environ)
    assert token(answer) == ""
    assert CONTROL not in answer.headers


def test_a_token_says_user_session_and_route_and_never_the_session_itself(make):
    timer = make()

    def names(environ: dict[str, Any]) -> None:
        environ["pagetimer.session"] = "raw-session"
        environ["pagetimer.route"] = "/course/<id>/"

    answer = get(timer, "/course/7/", {"REMOTE_USER": "ada", "test.does": names})
    keys = timer.parts.key_ring.get()
    said = verify(keys, token(answer))
    assert (said.user, said.session_key) == ("ada", keys.session_key("raw-session"))
    assert (said.route, said.route_of("/course/7/?a=b")) == ("/course/<id>/",) * 2
    assert said.route_of("/course/8/") is None
    assert abs(said.made_at - time.time()) < 5


@pytest.mark.parametrize("application", [page, by_hand])
def test_route_and_nonce_may_be_anything_that_becomes_text(make, application):
    class Text:
        def __str__(self) -> str:
            return "/course/<id>/"

    environ = {"REMOTE_USER": "ada", "pagetimer.route": Text(), "pagetimer.nonce": Text()}
    timer = make(application)
    answer = get(timer, environ=environ)
    assert verify(timer.parts.key_ring.get(), token(answer)).route == "/course/<id>/"
    assert 'nonce="/course/&lt;id&gt;/"' in tags(answer)[0]


def test_user_and_session_are_found_where_the_options_say(make):
    timer = make(user_key="repoze.who.identity:repoze.who.userid", session_key="cookie:sid")
    identity = {"repoze.who.identity": {"repoze.who.userid": "ada"}}
    answer = get(timer, "/", identity, headers={"Cookie": "sid=s1"})
    keys = timer.parts.key_ring.get()
    assert verify(keys, token(answer))[:2] == ("ada", keys.session_key("s1"))


# --- the tag ----------------------------------------------------------------------------------


def test_a_page_gets_one_tag_in_its_head_and_its_right_length(make):
    answer = get(make())
    (tag,) = tags(answer)
    assert answer.text == PAGE.replace("</head>", tag + "</head>")
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert 'async="async"' in tag


@pytest.mark.parametrize(
    ("options", "environ", "path"),
    [
        pytest.param({}, {"pagetimer.skip": True}, "/", id="pagetimer.skip"),
        pytest.param({"inject": "no"}, {}, "/", id="inject=no"),
        pytest.param({"exclude": "/admin/**"}, {}, "/admin/a", id="exclude"),
        pytest.param({"include": "/course/**"}, {}, "/", id="include"),
        pytest.param({"exclude_users": "root"}, {"REMOTE_USER": "root"}, "/", id="exclude_users"),
    ],
)
def test_a_page_that_is_not_to_be_measured_goes_out_as_it_is(make, options, environ, path):
    answer = get(make(**options), path, environ)
    assert answer.text == PAGE
    assert CONTROL not in answer.headers


@pytest.mark.parametrize("application", [page, by_hand])
def test_the_tag_carries_the_pages_nonce(make, application):
    timer = make(application)
    answer = get(timer, environ={"pagetimer.nonce": 'r4nd"m'})
    assert 'nonce="r4nd&quot;m"' in tags(answer)[0]
    assert "nonce" not in tags(get(timer))[0]


@pytest.mark.parametrize("nonce", ["", None, False], ids=repr)
def test_a_nonce_that_is_nothing_is_none(make, nonce):
    assert "nonce" not in tags(get(make(), environ={"pagetimer.nonce": nonce}))[0]


@pytest.mark.parametrize(
    ("options", "path", "environ", "is_measured"),
    [
        pytest.param({"exclude": "/caf\xe9/**"}, "/caf%C3%A9/a", {}, False, id="UTF-8"),
        pytest.param({"exclude": "/b"}, "/", {"PATH_INFO": "/%ff"}, True, id="percent"),
        pytest.param({"exclude": "/b"}, "/", {"PATH_INFO": "/\xff"}, True, id="no UTF-8"),
        pytest.param({"exclude": "/b"}, "/", {"PATH_INFO": "/\u20ac"}, True, id="no bytes"),
        pytest.param({"exclude": "/a/**"}, "/b", {"SCRIPT_NAME": "/a"}, False, id="mounted"),
    ],
)
def test_a_path_is_the_whole_one_that_the_browser_shows(make, options, path, environ, is_measured):
    assert bool(tags(get(make(**options), path, environ))) == is_measured


@pytest.mark.parametrize(
    ("trusted", "forwarded", "path", "is_measured"),
    [
        pytest.param(0, "/a", "/b", True, id="not trusted"),
        pytest.param(1, "/a", "/b", False, id="trusted"),
        pytest.param(1, " /a/ , /x", "/b", False, id="the outermost"),
        pytest.param(1, "/a", "/a/b", False, id="there already"),
        pytest.param(1, "/a", "/abc", False, id="not there already"),
        pytest.param(1, "/c", "/a/b", True, id="another"),
        pytest.param(1, "/a", "/a", True, id="all of the path"),
        pytest.param(1, "/%61", "/b", False, id="percent-encoded"),
    ],
)
def test_a_trusted_proxys_prefix_is_part_of_the_path_once(
    make, trusted, forwarded, path, is_measured
):
    timer = make(exclude="/a/b,/a/abc,/a/a", trusted_proxies=trusted)
    answer = get(timer, path, {"HTTP_X_FORWARDED_PREFIX": forwarded})
    assert bool(tags(answer)) == is_measured


def test_a_page_without_path_or_mount_in_environ_gets_its_tag(make):
    request = Request.blank("/")
    for name in ("PATH_INFO", "SCRIPT_NAME", "HTTP_HOST"):
        del request.environ[name]
    answers: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [PAGE.encode()]

    answers.extend(make(application)(request.environ, lambda *_: None))
    assert b'src="/_pagetimer/pagetimer.js' in answers[0]


@pytest.mark.parametrize("nonce", ["", None, False, 0])
def test_a_nonce_that_says_nothing_is_none(make, nonce):
    for application in (page, by_hand):
        assert "nonce" not in tags(get(make(application), environ={"pagetimer.nonce": nonce}))[0]


def test_a_tag_by_hand_inside_two_middlewares_stands_once(make):
    outer = make(make(by_hand, prefix="/inner"), prefix="/outer")
    assert source(get(outer)) == "/inner/pagetimer.js"


def test_a_tag_by_hand_late_in_a_stream_stands_where_no_other_went_in(make):
    def late(head: str) -> Any:
        def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "text/html")])
            yield head.encode()
            yield str(environ["pagetimer.tag"]).encode()

        return application

    fragment = get(make(late("<div>")))
    assert fragment.text == "<div>" + tags(fragment)[0]
    whole = get(make(late("<html><head></head>")))
    assert whole.text == f"<html><head>{tags(whole)[0]}</head>"
    unended = get(make(late("<html><head><title>")))
    assert len(tags(unended)) == 1


@pytest.mark.parametrize("inject", ["yes", "no"])
def test_a_tag_written_by_hand_stands_once_where_it_was_written(make, inject):
    answer = get(make(by_hand, inject=inject))
    (tag,) = tags(answer)
    assert answer.text == f"<html><head></head><body>{tag}</body></html>"


def test_a_tag_by_hand_knows_what_environ_knows_at_that_moment(make):
    timer = make(by_hand)
    answer = get(timer, environ={"pagetimer.user": "ada"})
    assert verify(timer.parts.key_ring.get(), token(answer)).user == "ada"


def test_a_tag_by_hand_with_a_token_makes_its_page_private(make):
    headers = [
        (CONTROL, "public, s-maxage=60, max-age=600"),
        ("Surrogate-Control", "max-age=60"),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ]
    answer = get(make(by_hand), environ={"REMOTE_USER": "ada", "test.headers": headers})
    assert token(answer)
    assert answer.headers[CONTROL] == "max-age=600, private"
    assert "Surrogate-Control" not in answer.headers
    assert "Last-Modified" not in answer.headers


def test_a_tag_by_hand_without_a_token_keeps_its_pages_headers(make):
    answer = get(make(by_hand), environ={"test.headers": [(CONTROL, "public, max-age=600")]})
    assert (token(answer), answer.headers[CONTROL]) == ("", "public, max-age=600")


@pytest.mark.parametrize(
    ("control", "carries"),
    [("max-age=600", False), ("no-cache", False), ("private", True), ("no-store", True)],
)
def test_a_tag_written_after_the_headers_carries_a_token_only_if_they_are_private(
    make, control, carries
):
    def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), (CONTROL, control)])
        yield b"<html><head>"
        yield str(environ["pagetimer.tag"]).encode() + b"</head></html>"

    answer = get(make(late, inject="no"), environ={"REMOTE_USER": "ada"})
    assert bool(token(answer)) == carries
    assert answer.headers[CONTROL] == control


def test_a_tag_written_after_the_page_got_one_is_nothing(make):
    def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        yield b"<html><head></head>"
        yield b"<body>" + str(environ["pagetimer.tag"]).encode()

    answer = get(make(late))
    assert answer.text == f"<html><head>{tags(answer)[0]}</head><body>"


@pytest.mark.parametrize("environ", [{"REQUEST_METHOD": "PUT"}, {"HTTP_UPGRADE": "h2c"}], ids=str)
def test_a_tag_by_hand_makes_every_answer_private_that_it_gives_a_token(make, environ):
    headers = [(CONTROL, "public, max-age=9")]
    answer = get(make(by_hand), environ={"REMOTE_USER": "ada", "test.headers": headers, **environ})
    assert token(answer)
    assert answer.headers[CONTROL] == "max-age=9, private"


@pytest.mark.parametrize(
    ("options", "environ"),
    [({"exclude": "/"}, {}), ({"exclude_users": "root"}, {"REMOTE_USER": "root"})],
    ids=str,
)
def test_a_tag_by_hand_is_empty_on_a_page_that_is_not_measured(make, options, environ):
    answer = get(make(by_hand, **options), environ=environ)
    assert answer.text == "<html><head></head><body></body></html>"


def test_errors_of_ours_are_said_once_a_minute_and_counted_and_pages_go_out(make, caplog):
    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Encoding", "gzip")])
        return [b"no gzip"]

    timer = make(broken)
    assert [get(timer).body for _ in range(3)] == [b"no gzip"] * 3
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "cannot be decoded" in errors[0].getMessage()
    assert timer.parts.spool.health.figures.errors == 3


# --- ETags --------------------------------------------------------------------------------------


def versioned(environ: dict[str, Any], start_response: Any) -> Any:
    """A page that answers conditional requests by its ETag, which the test may choose."""
    etag = environ.get("test.etag", '"v1"')
    asked = {name: environ[name] for name in CONDITIONS if name in environ}
    environ.setdefault("test.asked", {}).update(asked)
    headers = [("ETag", etag), *environ.get("test.headers", [])]
    if environ.get("HTTP_IF_NONE_MATCH", "").removeprefix("W/") == etag.removeprefix("W/"):
        start_response("304 Not Modified", headers)
        return []
    if environ.get("HTTP_IF_MATCH", etag) != etag:
        start_response("412 Precondition Failed", [("Content-Type", "text/plain")])
        return [b"no"]
    start_response("200 OK", [("Content-Type", "text/html"), *headers])
    return [PAGE.encode()]


CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH")
CHANGED = [("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")]


def again(timer: PageTimer, etag: str, **more: Any) -> Any:
    return get(timer, environ=more.pop("environ", None), headers={"If-None-Match": etag, **more})


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_is_revalidated_by_the_etag_that_went_out(make, etag, method):
    timer = make(versioned)
    first = get(timer, environ={"test.etag": etag}, method=method)
    marked = first.headers["ETag"]
    assert re.fullmatch(r'W/"v1-pt[sw][0-9a-f]{8}"', marked)
    environ = {"test.etag": etag, "test.asked": {}}
    second = again(timer, marked, environ=environ)
    assert (second.status_int, second.headers["ETag"]) == (304, marked)
    assert environ["test.asked"] == {"HTTP_IF_NONE_MATCH": etag}


@pytest.mark.parametrize("asked", CONDITIONS)
def test_the_etag_of_either_condition_is_turned_back_and_goes_out_again(make, asked):
    def unchanged(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("304 Not Modified", [("ETag", '"v1"')])
        return []

    marked = get(make(versioned)).headers["ETag"]
    conditions = {**dict.fromkeys(CONDITIONS, '"other"'), asked: marked}
    answer = get(make(unchanged), environ=conditions)
    assert (answer.status_int, answer.headers["ETag"]) == (304, marked)


def test_a_304_says_nothing_that_was_true_of_the_old_bytes_only(make):
    said = [("Content-Length", "9"), ("Content-MD5", "x"), ("Accept-Ranges", "bytes")]

    def unchanged(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("304 Not Modified", [("ETag", '"v1"'), *said])
        return []

    marked = get(make(versioned)).headers["ETag"]
    for etag, headers in ((marked, [("Accept-Ranges", "none")]), ('"v1"', said)):
        answer = again(make(unchanged), etag)
        assert answer.headerlist == [("ETag", etag), *headers]


def test_what_is_no_page_keeps_the_etag_that_was_asked_for(make):
    def plain(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("ETag", '"v1"'), *CHANGED])
        return [b"plain"]

    ada = {"REMOTE_USER": "ada"}
    answer = again(make(plain), get(make(versioned), environ=dict(ada)).headers["ETag"])
    assert (answer.headers["ETag"], answer.headers["Last-Modified"]) == ('"v1"', CHANGED[0][1])


def test_a_page_that_changed_is_sent_anew(make):
    timer = make(versioned)
    marked = get(timer).headers["ETag"]
    answer = again(timer, marked, environ={"test.etag": '"v2"'})
    assert answer.status_int == 200
    assert answer.headers["ETag"].startswith('W/"v2-pts')


def test_another_client_script_makes_every_page_anew(make):
    marked = get(make(versioned)).headers["ETag"]
    assert again(make(versioned, idle_after=77), marked).status_int == 200


@pytest.mark.parametrize("etag", ["v1", '"v 1"', ""])
def test_a_malformed_etag_stays_as_it_is(make, etag):
    assert get(make(versioned), environ={"test.etag": etag}).headers["ETag"] == etag


def test_an_etag_comes_back_to_the_application_with_if_match_too(make):
    timer = make(versioned)
    marked = get(timer).headers["ETag"]
    saved = get(timer, method="PUT", headers={"If-Match": marked})
    assert saved.status_int == 200
    assert get(timer, method="PUT", headers={"If-Match": '"other"'}).status_int == 412


@pytest.mark.parametrize(
    ("cookie", "status"), [("sid=ada", 304), ("sid=grace", 200), (None, 200)], ids=str
)
def test_a_page_with_a_token_is_revalidated_only_for_the_same_cookies(make, cookie, status):
    timer = make(versioned, session_key="cookie:sid")
    environ = {"test.headers": CHANGED}
    first = get(timer, environ=dict(environ), headers={"Cookie": "sid=ada"})
    assert token(first)
    assert "Last-Modified" not in first.headers
    marked = first.headers["ETag"]
    assert re.fullmatch(r'W/"v1-pts[0-9a-f]{24}"', marked)
    headers = {"Cookie": cookie} if cookie else {}
    second = again(timer, marked, environ=dict(environ), **headers)
    assert second.status_int == status
    if status == 304:
        assert second.headers["ETag"] == marked
        assert "Last-Modified" not in second.headers
        assert second.headers["Cache-Control"] == "private"


def test_a_page_with_a_token_is_revalidated_only_for_the_same_authorization(make):
    timer = make(versioned)
    ada = {"REMOTE_USER": "ada", "HTTP_AUTHORIZATION": "Basic YWRhOg=="}
    marked = get(timer, environ=dict(ada)).headers["ETag"]
    assert again(timer, marked, environ=dict(ada)).status_int == 304
    assert again(timer, marked, environ={"REMOTE_USER": "ada"}).status_int == 200


@pytest.mark.parametrize("control", ["max-age=600", "no-cache"])
def test_a_page_without_a_token_keeps_its_last_change_and_its_caching_on_the_304_too(make, control):
    timer = make(versioned)
    environ = {"test.headers": [*CHANGED, ("Cache-Control", control)]}
    first = get(timer, environ=dict(environ))
    second = again(timer, first.headers["ETag"], environ=dict(environ))
    for answer in (first, second):
        assert answer.headers["Last-Modified"] == CHANGED[0][1]
        assert answer.headers["Cache-Control"] == control


@pytest.mark.parametrize("options", [{"inject": "no"}, {"exclude": "/"}], ids=str)
def test_where_no_tag_goes_in_the_old_marks_get_the_page_anew(make, options):
    marked = get(make(versioned)).headers["ETag"]
    answer = again(make(versioned, **options), marked)
    assert (answer.status_int, answer.headers["ETag"]) == (200, '"v1"')


def test_conditions_without_our_mark_reach_the_application_unchanged(make):
    asked = {"HTTP_IF_NONE_MATCH": '"a", W/"b" , *', "HTTP_IF_MATCH": "x y"}
    environ = {**asked, "test.asked": {}}
    get(make(versioned), environ=environ)
    assert environ["test.asked"] == asked


def test_a_page_that_is_wrapped_twice_carries_one_tag_and_is_revalidated(make):
    timer = make(make(versioned))
    first = get(timer)
    assert len(tags(first)) == 1
    assert again(timer, first.headers["ETag"]).status_int == 304


def test_a_304_says_of_its_page_what_the_page_said(make):
    headers = [*CHANGED, ("Accept-Ranges", "bytes"), ("Content-Length", "74"), ("Digest", "x")]
    timer = make(versioned)
    marked = get(timer, environ={"test.headers": headers[:2]}).headers["ETag"]
    answer = again(timer, marked, environ={"test.headers": headers})
    assert answer.status_int == 304
    assert answer.headers["Accept-Ranges"] == "none"
    assert answer.headers["Last-Modified"] == CHANGED[0][1]
    assert not {"Content-Length", "Digest"} & set(answer.headers)


def test_a_304_of_a_page_with_a_token_by_hand_is_as_private_as_the_page(make):
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        return (versioned if "HTTP_IF_NONE_MATCH" in environ else by_hand)(environ, start_response)

    environ = {
        "REMOTE_USER": "ada",
        "test.headers": [("ETag", '"v1"'), (CONTROL, "public, max-age=600"), *CHANGED],
    }
    timer = make(application)
    marked = get(timer, environ=dict(environ)).headers["ETag"]
    environ["test.headers"] = environ["test.headers"][1:]
    answer = again(timer, marked, environ=environ)
    assert (answer.status_int, answer.headers["ETag"]) == (304, marked)
    assert answer.headers[CONTROL] == "max-age=600, private"
    assert "Last-Modified" not in answer.headers


def test_what_stands_outside_finds_the_conditions_as_they_came(make):
    timer = make(versioned)
    marked = get(timer).headers["ETag"]
    environ = {"test.asked": {}, "HTTP_IF_NONE_MATCH": marked}
    request = Request.blank("/", environ=environ)
    assert request.get_response(timer).status_int == 304
    assert environ["test.asked"] == {"HTTP_IF_NONE_MATCH": '"v1"'}
    assert request.environ["HTTP_IF_NONE_MATCH"] == marked


def test_a_tag_by_hand_with_a_token_marks_its_pages_etag(make):
    timer = make(by_hand)
    environ = {"REMOTE_USER": "ada", "test.headers": [("ETag", '"v1"')]}
    assert re.fullmatch(r'W/"v1-pts[0-9a-f]{24}"', get(timer, environ=environ).headers["ETag"])


# --- what a page forbids -------------------------------------------------------------------------


def with_head(head: str, *headers: tuple[str, str]) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), *headers])
        return [f"<html><head>{head}</head></html>".encode()]

    return application


@pytest.mark.parametrize(
    ("base", "options", "source_of_tag"),
    [
        ("/shop/", {}, "/_pagetimer/pagetimer.js"),
        ("http://localhost/x", {}, "/_pagetimer/pagetimer.js"),
        ("https://cdn.example/", {}, None),
        ("//cdn.example/", {"url": "/outer/_pagetimer"}, None),
        ("https://shop.example/", {"trusted_proxies": 1}, "/_pagetimer/pagetimer.js"),
        ("https://shop.example/", {}, None),
        ("//cdn.example/", {"url": "http://localhost/t"}, "http://localhost/t/pagetimer.js"),
    ],
)
def test_a_base_of_another_origin_needs_the_whole_address(
    make, caplog, base, options, source_of_tag
):
    once.times.cache_clear()
    timer = make(with_head(f'<base href="{base}">'), **options)
    forwarded = {"X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https"}
    answers = [get(timer, path, headers=forwarded) for path in ("/a", "/b")]
    assert [source(answer) if tags(answer) else None for answer in answers] == [source_of_tag] * 2
    warnings = [record.getMessage() for record in caplog.records]
    assert [warning[-20:] for warning in warnings if "<base href>" in warning] == (
        ["(seen first at '/a')"] if source_of_tag is None else []
    )


POLICY = "Content-Security-Policy"


@pytest.mark.parametrize(
    ("head", "headers", "attributes"),
    [
        pytest.param("", [(POLICY, "default-src 'self'")], "", id="allowed by source"),
        pytest.param(
            "",
            [(POLICY, "script-src 'nonce-abc'; connect-src 'self'")],
            ' nonce="abc"',
            id="allowed by nonce",
        ),
        pytest.param("", [(POLICY, "script-src 'none'")], None, id="forbidden script"),
        pytest.param("", [(POLICY, "connect-src 'none'")], None, id="forbidden beat"),
        pytest.param(
            f"<meta http-equiv={POLICY} content=\"script-src 'nonce-xyz'\">",
            [],
            ' nonce="xyz"',
            id="nonce of a meta",
        ),
        pytest.param(
            f"<meta http-equiv={POLICY} content='connect-src https://api.example'>",
            [],
            None,
            id="forbidden by a meta",
        ),
        pytest.param(
            f"<meta http-equiv={POLICY} content='img-src *'>",
            [(POLICY, "script-src 'nonce-abc'; connect-src 'self'")],
            ' nonce="abc"',
            id="nonce of a header, beside a meta",
        ),
        pytest.param(
            f"<base href=/a><base http-equiv={POLICY} content=\"script-src 'none'\">",
            [],
            "",
            id="no policy but a base",
        ),
    ],
)
def test_a_page_whose_policy_forbids_script_or_beat_goes_out_as_it_is_and_that_is_said_once(
    make, caplog, head, headers, attributes
):
    once.times.cache_clear()
    timer = make(with_head(head, *headers))
    environ = {"REMOTE_USER": "ada", "SCRIPT_NAME": "/shop"}
    answers = [get(timer, path, environ=dict(environ)) for path in ("/cart", "/other")]
    warnings = [each for each in caplog.records if "without the tag" in each.getMessage()]
    if attributes is None:
        assert answers[0].text == answers[1].text == f"<html><head>{head}</head></html>"
        assert CONTROL not in answers[0].headers
        (warning,) = warnings
        assert warning.getMessage().endswith("(seen first at '/shop/cart')")
    else:
        assert attributes + "></script></head>" in tags(answers[0])[0] + "</head>"
        assert warnings == []
    assert answers[0].headers.get(POLICY) == (headers[0][1] if headers else None)


def test_of_several_nonces_the_tag_carries_the_one_that_the_application_names(make):
    policy = "script-src 'nonce-one' 'nonce-two'; connect-src 'self'"
    answer = get(make(with_head("", (POLICY, policy))), environ={"pagetimer.nonce": "two"})
    assert 'nonce="two"' in tags(answer)[0]


def test_head_of_a_page_whose_policy_forbids_the_tag_keeps_its_headers(make):
    headers = [(POLICY, "script-src 'none'"), ("ETag", '"x"'), ("Accept-Ranges", "bytes")]
    answer = get(make(with_head("", *headers)), environ={"REMOTE_USER": "ada"}, method="HEAD")
    assert set(headers) <= set(answer.headers.items())
    assert CONTROL not in answer.headers


# --- the script's address ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "environ", "expected"),
    [
        pytest.param({}, {}, "/_pagetimer/pagetimer.js", id="at the root"),
        pytest.param({}, {"SCRIPT_NAME": "/shop"}, "/shop/_pagetimer/pagetimer.js", id="mounted"),
        pytest.param(
            {},
            {"SCRIPT_NAME": "/caf\u00c3\u00a9 1"},
            "/caf%C3%A9%201/_pagetimer/pagetimer.js",
            id="percent-encoded",
        ),
        pytest.param(
            {}, {"SCRIPT_NAME": "//evil.example"}, "/evil.example/_pagetimer/pagetimer.js", id="//"
        ),
        pytest.param(
            {}, {"HTTP_X_FORWARDED_PREFIX": "/outer"}, "/_pagetimer/pagetimer.js", id="no proxy"
        ),
        pytest.param(
            {"trusted_proxies": 1},
            {"HTTP_X_FORWARDED_PREFIX": "/outer", "SCRIPT_NAME": "/shop"},
            "/outer/shop/_pagetimer/pagetimer.js",
            id="trusted proxy",
        ),
        pytest.param(
            {"trusted_proxies": 1},
            {"HTTP_X_FORWARDED_PREFIX": "/outer", "SCRIPT_NAME": "/outer/shop"},
            "/outer/shop/_pagetimer/pagetimer.js",
            id="there already",
        ),
        pytest.param(
            {"url": "https://static.example/t", "trusted_proxies": 1},
            {"HTTP_X_FORWARDED_PREFIX": "/outer", "SCRIPT_NAME": "/shop"},
            "https://static.example/t/pagetimer.js",
            id="url replaces it all",
        ),
        pytest.param(
            {"prefix": "/-t"}, {"HTTP_HOST": "x.example"}, "/-t/pagetimer.js", id="prefix"
        ),
    ],
)
def test_the_scripts_address_is_the_mount_and_the_prefix(make, options, environ, expected):
    assert source(get(make(**options), environ=environ)) == expected


def test_the_mount_is_read_before_the_application_shifts_it(make):
    def shifts(environ: dict[str, Any]) -> None:
        environ["SCRIPT_NAME"] += "/inner"

    answer = get(make(), environ={"SCRIPT_NAME": "/shop", "test.does": shifts})
    assert source(answer) == "/shop/_pagetimer/pagetimer.js"


def test_the_visitors_cookie_belongs_to_the_mount(make):
    now = time.time_ns() // 1_000_000
    fields = {"v": f"{now:012x}" + "a" * 20, "n": 0, "t": 0, "p": "/", "d": now}
    environ = {"SCRIPT_NAME": "/shop"}
    answer = get(make(visitor="cookie"), "/_pagetimer/beat", environ, POST=urlencode(fields))
    assert "Path=/shop/_pagetimer;" in answer.headers["Set-Cookie"]


# --- reserved addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/_pagetimer/nothing",
        "/_pagetimer//",
        "/_pagetimer/beat/",
        "/_pagetimer/pagetimer.js.map",
        "/_pagetimer/%ff",
        "/_pagetimer/api/other",
        "/_pagetimer/../health",
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "application/json", "\xe9;q=x"])
def test_an_unknown_address_under_the_prefix_is_ours_and_not_there(make, path, accept):
    answer = get(make(), path, {"HTTP_ACCEPT": accept})
    assert answer.status_int == 404
    assert "page" not in answer.text.replace("_pagetimer", "")


@pytest.mark.parametrize("path", ["/_pagetimers", "/_pagetime", "/a/_pagetimer/health", "/"])
def test_what_only_looks_like_the_prefix_is_the_applications(make, path):
    assert "<body>page" in get(make(), path).text


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/pagetimer.js", "POST", {"GET", "HEAD"}),
        ("/health", "DELETE", {"GET", "HEAD"}),
        ("/metrics", "POST", {"GET", "HEAD"}),
        ("/", "POST", {"GET", "HEAD"}),
        ("/api/report", "PUT", {"GET", "HEAD"}),
        ("/log/", "GET", {"POST"}),
        ("/endpoint/", "OPTIONS", {"POST"}),
    ],
)
def test_the_wrong_method_gets_405_with_what_is_allowed(make, path, method, allow):
    answer = get(make(), "/_pagetimer" + path, method=method)
    assert answer.status_int == 405
    assert set(answer.headers["Allow"].split(", ")) == allow


@pytest.mark.parametrize(
    "environ",
    [{"SCRIPT_NAME": "/shop"}, {"SCRIPT_NAME": "/\xff"}, {"HTTP_HOST": "["}],
    ids=["mounted", "mounted at bytes", "a host that is none"],
)
def test_the_prefix_without_its_slash_leads_to_the_one_with_it(make, environ):
    answer = get(make(prefix="/own/pages"), "", {"PATH_INFO": "/own/pages", **environ})
    assert answer.status_int == 301
    assert answer.headers["Location"] == "./pages/"


def test_the_application_never_runs_on_our_addresses(make):
    def never(environ: dict[str, Any], start_response: Any) -> Any:
        raise AssertionError("the application ran")

    timer = make(never)
    for path in ("", "/", "/health", "/nothing", "/pagetimer.js", "/api/report"):
        assert get(timer, "/_pagetimer" + path).status_int < 500


def test_the_dashboard_is_closed_to_all_but_viewers(make):
    timer = make(viewers="ada")
    assert get(timer, "/_pagetimer/").status_int == 403
    assert get(timer, "/_pagetimer/api/export").status_int == 403
    assert get(timer, "/_pagetimer/", {"REMOTE_USER": "bob"}).status_int == 403
    assert get(timer, "/_pagetimer/", {"REMOTE_USER": "ada"}).status_int == 200
    assert get(timer, "/_pagetimer/", {"pagetimer.viewer": True}).status_int == 200


# --- whatever raises --------------------------------------------------------------------------


class Trap:
    """A host's object that raises whatever is done with it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("trap")

    def __str__(self) -> str:
        raise RuntimeError("trap")

    def __bool__(self) -> bool:
        raise RuntimeError("trap")

    def __getitem__(self, name: str) -> Any:
        raise RuntimeError("trap")


@pytest.mark.parametrize("application", [page, by_hand])
@pytest.mark.parametrize(
    "key", ["pagetimer.user", "pagetimer.route", "pagetimer.nonce", "pagetimer.skip", "beaker"]
)
def test_no_object_of_the_host_that_raises_breaks_a_page(make, application, key):
    timer = make(application, session_key="beaker:id")
    environ = {"REMOTE_USER": "ada", "HTTP_IF_NONE_MATCH": 'W/"x-pts0a"', key: Trap()}
    answer = get(timer, environ=environ)
    assert answer.status_int == 200
    assert "</head><body>" in answer.text


@pytest.mark.parametrize(
    "identify",
    [
        pytest.param(lambda environ: 1 / 0, id="raises"),
        pytest.param(lambda environ: 7, id="gives no pair"),
        pytest.param(lambda environ: (Trap(), None), id="gives a trap"),
    ],
)
def test_no_identify_that_fails_breaks_our_addresses_or_lets_anybody_in(make, identify):
    timer = make(identify=identify, viewers="ada")
    assert get(timer, "/_pagetimer/health").json["state"] == "ok"
    assert get(timer, "/_pagetimer/").status_int == 403
    assert get(timer).status_int == 200


def test_identify_says_who_asks_on_our_addresses(make):
    timer = make(identify=lambda environ: ("ada", None), viewers="ada")
    assert get(timer, "/_pagetimer/").status_int == 200


def test_what_the_application_raises_is_the_servers(make):
    def broken(environ: dict[str, Any], start_response: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        get(make(broken))


# --- configuration ----------------------------------------------------------------------------


def test_an_ini_file_configures_it_and_its_paths_count_from_its_folder(tmp_path):
    config = tmp_path / "site.ini"
    config.write_text("[pagetimer]\ndata = %(here)s/kept\nsecret_file = key\nprefix = /-t\n")
    timer = PageTimer.from_ini(page, config, exclude="/private")
    try:
        assert timer.settings.data == tmp_path / "kept"
        assert timer.settings.secret_file == tmp_path / "key"
        assert source(get(timer)) == "/-t/pagetimer.js"
        assert tags(get(timer, "/private")) == []
    finally:
        timer.close()


def test_pastedeploy_wraps_an_application_with_it(tmp_path):
    config = tmp_path / "site.ini"
    config.write_text(
        """
        [pipeline:main]
        pipeline = pagetimer page

        [filter:pagetimer]
        use = egg:pagetimer-wsgi
        data = kept
        exclude_users = root

        [app:page]
        paste.app_factory = test_middleware:page_factory
        """.replace("        ", "")
    )
    timer = loadapp(f"config:{config}")
    try:
        assert isinstance(timer, PageTimer)
        assert timer.settings.data == tmp_path / "kept"
        assert token(get(timer, environ={"REMOTE_USER": "ada"}))
        assert tags(get(timer, environ={"REMOTE_USER": "root"})) == []
    finally:
        timer.close()


def test_an_error_in_pastedeploys_filter_names_its_file(tmp_path):
    config = tmp_path / "site.ini"
    config.write_text(
        "[filter-app:main]\nuse = egg:pagetimer-wsgi\nnext = page\nvisitor = x\n"
        "[app:page]\npaste.app_factory = test_middleware:page_factory\n"
    )
    with pytest.raises(SettingsError, match=re.escape(str(config))):
        loadapp(f"config:{config}")


def test_an_option_that_is_none_stops_the_start_and_names_the_nearest(tmp_path):
    config = tmp_path / "site.ini"
    config.write_text("[app:main]\nuse = egg:pagetimer-wsgi\n[pagetimer]\nuser_keys = x\n")
    with pytest.raises(SettingsError, match=r"user_keys.*the nearest is user_key"):
        PageTimer.from_ini(page, config)


def test_making_one_touches_no_disk(tmp_path):
    data = tmp_path / "data"
    timer = PageTimer(page, data=data)
    assert not data.exists()
    timer.close()


# --- the writer -------------------------------------------------------------------------------


def test_two_of_one_store_share_one_writer_and_the_last_ones_close_counts(make):
    first, second = make(), make()
    assert first.parts.writer is second.parts.writer
    now = time.time_ns() // 1_000_000
    for number, timer in enumerate((first, second)):
        fields = {"v": f"{now:012x}{number:020x}", "n": 0, "t": 0, "p": "/", "d": now}
        answer = get(timer, "/_pagetimer/beat", POST=urlencode(fields))
        assert answer.status_int == 204
        if number == 0:
            first.flush()
    second.flush()
    store = SqlStore.open(first.settings.store)
    assert len(list(store.page_views(Query()))) == 2
    store.close()


def test_two_of_two_stores_have_two_writers(make, tmp_path):
    assert make().parts.writer is not make(data=tmp_path / "other").parts.writer


def test_any_request_starts_the_writer(make):
    def broken(environ: dict[str, Any], start_response: Any) -> Any:
        raise ZeroDivisionError

    timer, before = make(broken), set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        get(timer)
    assert len(set(threading.enumerate()) - before) == 1


def test_what_close_finds_is_stored(tmp_path):
    timer = PageTimer(page, data=tmp_path)
    now = time.time_ns() // 1_000_000
    fields = {"v": f"{now:012x}" + "a" * 20, "n": 0, "t": 0, "p": "/", "d": now}
    get(timer, "/_pagetimer/beat", POST=urlencode(fields))
    timer.close()
    store = SqlStore.open(timer.settings.store)
    assert len(list(store.page_views(Query()))) == 1
    store.close()


def test_the_start_says_where_everything_is_without_a_password(make, tmp_path, caplog):
    caplog.set_level("INFO", "pagetimer")
    make()
    (said,) = [record.message for record in caplog.records if "is on" in record.message]
    assert f"sqlite:///{tmp_path}" in said
    assert without_password("postgresql://u:secret@h/d") == "postgresql://u@h/d"
