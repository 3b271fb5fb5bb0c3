"""The hook for Flask: what it says of a page's reader, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask.sessions import SecureCookieSession, SessionInterface
from flask_login import LoginManager, UserMixin, login_user
from servers import Reader

import pagetimer_wsgi.flask
from pagetimer_wsgi.flask import identify
from pagetimer_wsgi.who.sources import Pair, read_pair


class Person(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def course(
    user: Callable[[], str | None] | None = None, flask_login: bool = True, hook: bool = True
) -> flask.Flask:
    """A course whose views and checks write down that they ran."""
    app = flask.Flask("course")
    app.secret_key = "of this test"
    app.ran = []
    if flask_login:
        LoginManager(app).user_loader(Person)

    @app.before_request
    def check() -> None:
        app.ran.append("check")

    @app.get("/lesson/<name>/")
    def lesson(name: str) -> str:
        app.ran.append("lesson")
        return f"<title>{name}</title>"

    @app.get("/log-in/<name>")
    def log_in(name: str) -> str:
        login_user(Person(name))
        return "<title>hello</title>"

    @app.get("/cart")
    def cart() -> str:
        flask.session["bread"] = flask.session.get("bread", 0) + 1
        return "<title>cart</title>"

    @app.get("/data")
    def data() -> dict[str, int]:
        return {"loaves": 3}

    if hook:
        pagetimer_wsgi.flask.init_app(app, user)
    return app


def named(environ: dict[str, Any]) -> Pair:
    return read_pair(environ, (), ())


def logged_in(app: flask.Flask) -> Reader:
    reader = Reader(app)
    reader.get("/log-in/tomasz")
    return reader


def test_a_page_names_its_user_session_and_route() -> None:
    environ, _ = logged_in(course()).get("/lesson/oven/")
    user, session = named(environ)
    assert user == "tomasz"
    assert session
    assert environ["pagetimer.route"] == "/lesson/<name>/"


def test_the_session_is_the_same_on_every_page_after_the_log_in() -> None:
    reader = logged_in(course())
    first = named(reader.get("/lesson/oven/")[0])
    reader.get("/cart")  # the cookie's value is another one now
    assert named(reader.get("/lesson/starter/")[0]) == first


def test_a_page_for_an_anonymous_visitor_names_nobody() -> None:
    assert named(Reader(course()).get("/lesson/oven/")[0]) == (None, None)


def test_a_signed_cookie_is_no_session() -> None:
    reader = Reader(course())
    assert named(reader.get("/cart")[0]) == (None, None)
    assert "session" in reader.cookies
    assert named(reader.get("/cart")[0]) == (None, None)


class _KeptSession(SecureCookieSession):
    sid = "0123456789"


class _KeptSessions(SessionInterface):
    """As packages that keep sessions on the server do it."""

    def open_session(self, app: flask.Flask, request: flask.Request) -> _KeptSession:
        return _KeptSession({"bread": 1} if "sid" in request.cookies else {})

    def save_session(self, *_: object) -> None:
        pass


def test_a_session_kept_on_the_server_is_named_by_its_id_once_it_holds_something() -> None:
    app = course()
    app.session_interface = _KeptSessions()
    reader = Reader(app)
    assert named(reader.get("/lesson/oven/")[0]) == (None, None)
    reader.cookies["sid"] = "0123456789"
    assert named(reader.get("/lesson/oven/")[0]) == (None, "0123456789")


def test_an_application_may_say_itself_who_its_user_is() -> None:
    app = course(user=lambda: flask.request.args.get("as", "ines"), flask_login=False)
    environ, _ = Reader(app).get("/lesson/oven/")
    assert named(environ).user == "ines"
    assert identify(Reader(app).asks()) == ("ines", None)


def test_without_flask_login_pages_name_nobody() -> None:
    app = course(flask_login=False)
    assert named(Reader(app).get("/lesson/oven/")[0]) == (None, None)
    assert identify(Reader(app).asks()) == (None, None)


def test_a_user_who_cannot_be_read_breaks_no_page() -> None:
    def user() -> str:
        raise ConnectionError("the users are away")

    environ, answer = Reader(course(user)).get("/lesson/oven/")
    assert (answer.status, answer.body) == (200, b"<title>oven</title>")
    with pytest.raises(ConnectionError, match="the users are away"):
        named(environ)


def test_only_pages_ask_for_their_user() -> None:
    asked = []
    environ, answer = Reader(course(lambda: asked.append("user"))).get("/data")
    assert answer.status == 200
    assert not asked
    assert "pagetimer.user" not in environ


@pytest.mark.parametrize("path", ["/lesson/oven/", "/cart", "/nowhere"])
@pytest.mark.parametrize("flask_login", [True, False], ids=["flask-login", "own"])
def test_the_hook_adds_no_header(path: str, flask_login: bool) -> None:
    def user() -> str | None:
        return flask.session.get("name")

    answers = []
    for hook in True, False:
        app = course(None if flask_login else user, flask_login, hook)
        reader = logged_in(app) if flask_login else Reader(app)
        reader.get("/cart")
        answers.append(reader.get(path)[1])
    assert answers[0] == answers[1]
    # Of these pages only the cart looks into the session, and Flask-Login wherever it is.
    assert (answers[0].header("Vary") is None) == (path != "/cart" and not flask_login)
    assert (answers[0].header("Set-Cookie") is None) == (path != "/cart")


def test_identify_answers_without_running_a_view_or_a_check() -> None:
    app = course()
    reader = logged_in(app)
    page = named(reader.get("/lesson/oven/")[0])
    app.ran.clear()
    for path in "/_pagetimer/log/", "/lesson/oven/":
        assert identify(reader.asks(path)) == page
    assert identify(Reader(app).asks()) == (None, None)
    assert app.ran == []


def test_identify_leaves_the_body_of_the_call_unread() -> None:
    call = logged_in(course()).asks()
    identify(call)
    assert call["REQUEST_METHOD"] == "POST"
    assert call["wsgi.input"].read() == b"path=/now"


def test_identify_says_where_no_hook_answers() -> None:
    with pytest.raises(LookupError, match="is it installed"):
        identify(Reader(course(hook=False)).asks())
