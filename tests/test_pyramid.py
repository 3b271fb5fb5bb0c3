"""The hook for Pyramid: what it says of a page's reader, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from beaker.middleware import SessionMiddleware
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory
from servers import Reader

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.pyramid import identify
from pagetimer_wsgi.who.sources import Pair, read_pair

BEAKER = ("beaker.session:id",)


class Policy:
    """Knows people by what their session holds."""

    def identity(self, request: Request) -> str | None:
        return session_of(request).get("name")

    authenticated_userid = identity


def session_of(request: Request) -> Any:
    return request.environ.get("beaker.session") or request.session


class Manual:
    """An application whose views write down that they ran.

    :param sessions: a session factory, if it has one
    """

    def __init__(self, sessions: Any = None, policy: Any = None, hook: bool = True) -> None:
        self.ran: list[str] = []
        config = Configurator()
        if sessions:
            config.set_session_factory(sessions)
        config.set_security_policy(policy or Policy())
        for name, pattern, view in [
            ("chapter", "chapter/{name}/", self.chapter),
            ("log_in", "/log-in", self.log_in),
            ("cart", "/cart", self.cart),
            ("data", "/data", self.data),
        ]:
            config.add_route(name, pattern)
            config.add_view(view, route_name=name)
        if hook:
            config.include("pagetimer_wsgi.pyramid")
        self.app = config.make_wsgi_app()

    def chapter(self, request: Request) -> Response:
        self.ran.append("chapter")
        return Response(f"<title>{request.matchdict['name']}</title>")

    def log_in(self, request: Request) -> Response:
        return self._keep(request, "name", "noor")

    def cart(self, request: Request) -> Response:
        return self._keep(request, "eyepieces", 2)

    def data(self, request: Request) -> Response:
        return Response(json_body={"magnitude": 3})

    def _keep(self, request: Request, name: str, value: Any) -> Response:
        session = session_of(request)
        session[name] = value
        getattr(session, "save", lambda: None)()
        return Response("<title>kept</title>")


def with_beaker(manual: Manual, folder: Path) -> SessionMiddleware:
    return SessionMiddleware(manual.app, {"session.type": "file", "session.data_dir": str(folder)})


def beaker_sessions(request: Request) -> Any:
    """A session factory that hands Beaker's sessions on."""
    return request.environ["beaker.session"]


def named(environ: dict[str, Any]) -> Pair:
    return read_pair(environ, (), ())


def logged_in(application: Any) -> Reader:
    reader = Reader(application)
    reader.get("/log-in")
    return reader


def test_a_page_names_its_user_session_and_route(tmp_path: Path) -> None:
    reader = logged_in(with_beaker(Manual(beaker_sessions), tmp_path))
    environ, _ = reader.get("/chapter/care/")
    assert named(environ) == ("noor", reader.cookies["beaker.session.id"])
    assert environ["pagetimer.route"] == "/chapter/{name}/"


def test_beakers_session_is_a_source_where_pyramid_has_none_of_its_own(tmp_path: Path) -> None:
    reader = logged_in(with_beaker(Manual(), tmp_path))
    environ, _ = reader.get("/chapter/care/")
    assert named(environ) == ("noor", None)
    assert read_pair(environ, (), BEAKER) == ("noor", reader.cookies["beaker.session.id"])


@pytest.mark.parametrize("sessions", [None, beaker_sessions], ids=["beaker", "factory"])
def test_a_page_for_an_anonymous_visitor_names_nobody(sessions: Any, tmp_path: Path) -> None:
    environ, _ = Reader(with_beaker(Manual(sessions), tmp_path)).get("/chapter/care/")
    assert read_pair(environ, (), BEAKER) == (None, None)


@pytest.mark.parametrize("sessions", [None, beaker_sessions], ids=["beaker", "factory"])
def test_a_session_is_named_from_the_page_that_first_kept_it(sessions: Any, tmp_path: Path) -> None:
    reader = Reader(with_beaker(Manual(sessions), tmp_path))
    first, _ = reader.get("/cart")
    kept = reader.cookies["beaker.session.id"]
    assert read_pair(first, (), BEAKER) == (None, kept)
    assert read_pair(reader.get("/chapter/care/")[0], (), BEAKER) == (None, kept)


def test_a_signed_cookie_is_no_session() -> None:
    reader = logged_in(Manual(SignedCookieSessionFactory("of this test")).app)
    assert "session" in reader.cookies
    assert named(reader.get("/chapter/care/")[0]) == ("noor", None)
    assert identify(reader.asks()) == ("noor", None)


def test_without_a_session_factory_pages_have_no_session() -> None:
    class Header(Policy):
        def identity(self, request: Request) -> str | None:
            return request.headers.get("X-Name")

        authenticated_userid = identity

    assert named(Reader(Manual(policy=Header()).app).get("/chapter/care/")[0]) == (None, None)


def test_a_user_whose_id_is_a_number_is_named_by_its_digits() -> None:
    class Numbers:
        def identity(self, request: Request) -> int:
            return 42

        authenticated_userid = identity

    app = Manual(policy=Numbers()).app
    assert named(Reader(app).get("/chapter/care/")[0]).user == "42"
    timer = PageTimer(app, identify=identify)
    assert timer.parts.who_asks(Reader(app).asks()) == ("42", None)


def test_a_user_who_cannot_be_read_breaks_no_page() -> None:
    class Away(Policy):
        def authenticated_userid(self, request: Request) -> str:
            raise ConnectionError("the users are away")

    environ, answer = Reader(Manual(policy=Away()).app).get("/chapter/care/")
    assert (answer.status, answer.body) == (200, b"<title>care</title>")
    with pytest.raises(ConnectionError, match="the users are away"):
        named(environ)


def test_only_pages_ask_for_their_user(tmp_path: Path) -> None:
    environ, answer = logged_in(with_beaker(Manual(), tmp_path)).get("/data")
    assert answer.status == 200
    assert "pagetimer.user" not in environ


def test_the_hook_adds_no_header(tmp_path: Path) -> None:
    answers = []
    for hook in True, False:
        app = Manual(SignedCookieSessionFactory("of this test", reissue_time=None), hook=hook).app
        reader = logged_in(app)
        answers.append([reader.get(path)[1].headers for path in ("/chapter/care/", "/nowhere")])
    assert answers[0] == answers[1]
    names = {name for headers in answers[0] for name, _ in headers}
    assert names.isdisjoint({"Set-Cookie", "Vary"})


def test_reading_beakers_session_for_a_page_adds_no_header(tmp_path: Path) -> None:
    plain = with_beaker(Manual(hook=False), tmp_path / "sessions")
    inner = PageTimer(Manual().app, session_key=BEAKER, data=tmp_path / "data")
    wrapped = SessionMiddleware(
        inner, {"session.type": "file", "session.data_dir": str(tmp_path / "sessions")}
    )
    known = logged_in(plain)
    for cookies in {}, known.cookies, {"beaker.session.id": "0123456789abcdef"}:
        headers = []
        for application in plain, wrapped:
            reader = Reader(application)
            reader.cookies = dict(cookies)
            answer = reader.get("/chapter/care/")[1]
            headers.append({name for name, _ in answer.headers} - {"Cache-Control"})
        assert headers[0] == headers[1]
        assert headers[0].isdisjoint({"Set-Cookie", "Set-cookie", "Vary"})
    inner.close()


def test_identify_answers_without_running_a_view(tmp_path: Path) -> None:
    manual = Manual(beaker_sessions)
    reader = logged_in(with_beaker(manual, tmp_path))
    page = named(reader.get("/chapter/care/")[0])
    manual.ran.clear()
    for path in "/_pagetimer/log/", "/chapter/care/":
        assert identify(reader.asks(path)) == page
    assert identify(Reader(with_beaker(manual, tmp_path)).asks()) == (None, None)
    assert manual.ran == []


def test_a_session_of_middleware_inside_is_known_where_the_application_does_not_run(
    tmp_path: Path,
) -> None:
    inside = with_beaker(Manual(), tmp_path / "sessions")
    timer = PageTimer(inside, session_key=BEAKER, identify=identify, data=tmp_path / "data")
    reader = logged_in(inside)
    assert timer.parts.who_asks(reader.asks()) == ("noor", reader.cookies["beaker.session.id"])
    assert timer.parts.who_asks(Reader(inside).asks()) == (None, None)


def test_identify_leaves_the_body_of_the_call_unread(tmp_path: Path) -> None:
    call = logged_in(with_beaker(Manual(), tmp_path)).asks()
    identify(call)
    assert call["wsgi.input"].read() == b"path=/now"


def test_identify_says_where_no_hook_answers(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="is it installed"):
        identify(Reader(with_beaker(Manual(hook=False), tmp_path)).asks())
