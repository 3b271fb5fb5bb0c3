"""The hook for Django: what it says of a page's reader, and what it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.contrib.auth import login
from django.core.wsgi import WSGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path, re_path
from servers import Reader

from pagetimer_wsgi.django import identify
from pagetimer_wsgi.who.sources import Pair, read_pair

HOOK = "pagetimer_wsgi.django.PageTimerMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
OTHERS = ["django.middleware.security.SecurityMiddleware", SESSIONS]
OTHERS += ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
OTHERS += [USERS]


class Intranet:
    """The urlconf; its views write down that they ran."""

    ran: list[str] = []  # noqa: RUF012

    @staticmethod
    def handbook(request: HttpRequest, chapter: str) -> HttpResponse:
        Intranet.ran.append("handbook")
        return HttpResponse(f"<title>{chapter}</title>")

    @staticmethod
    def log_in(request: HttpRequest) -> HttpResponse:
        from django.contrib.auth.models import User

        login(request, User.objects.get(username="milo"))
        return HttpResponse("<title>hello</title>")

    @staticmethod
    def look(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"<title>{request.session.get('watch')}</title>")

    @staticmethod
    def watch(request: HttpRequest) -> HttpResponse:
        request.session["watch"] = request.session.get("watch", 0) + 1
        return HttpResponse("<title>watch</title>")

    @staticmethod
    def data(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"tide": 3})


Intranet.urlpatterns = [  # type: ignore[attr-defined]
    path("handbook/<slug:chapter>/", Intranet.handbook),
    path("log-in", Intranet.log_in),
    path("look", Intranet.look),
    path("watch", Intranet.watch),
    path("data", Intranet.data),
    re_path(r"^crane/(?P<number>\d+)$", Intranet.handbook, {"chapter": "crane"}),
]


@pytest.fixture(scope="module", autouse=True)
def _django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    database = tmp_path_factory.mktemp("django") / "intranet.sqlite3"
    settings.configure(
        SECRET_KEY="of this test",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF=Intranet,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
        ],
        MIDDLEWARE=[HOOK, *OTHERS],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        USE_TZ=True,
    )
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_user("milo", password="lantern")
    yield
    connections.close_all()


def named(environ: dict[str, Any]) -> Pair:
    return read_pair(environ, (), ())


def logged_in() -> Reader:
    reader = Reader(WSGIHandler())
    reader.get("/log-in")
    return reader


def test_a_page_names_its_user_session_and_route() -> None:
    reader = logged_in()
    environ, _ = reader.get("/handbook/fog/")
    assert named(environ) == ("milo", reader.cookies["sessionid"])
    assert environ["pagetimer.route"] == "/handbook/<slug:chapter>/"


def test_a_route_that_is_an_expression_begins_with_a_slash() -> None:
    environ, answer = Reader(WSGIHandler()).get("/crane/7")
    assert answer.status == 500  # the view takes no number
    assert environ["pagetimer.route"] == r"/crane/(?P<number>\d+)$"


def test_the_log_in_itself_is_named_by_the_session_that_it_made() -> None:
    reader = Reader(WSGIHandler())
    environ, _ = reader.get("/log-in")
    assert named(environ) == ("milo", reader.cookies["sessionid"])


def test_a_page_for_an_anonymous_visitor_names_nobody() -> None:
    assert named(Reader(WSGIHandler()).get("/handbook/fog/")[0]) == (None, None)


def test_an_anonymous_session_that_is_kept_is_named() -> None:
    reader = Reader(WSGIHandler())
    reader.get("/watch")
    assert named(reader.get("/handbook/fog/")[0]) == (None, reader.cookies["sessionid"])


def test_a_session_that_nobody_saved_is_none() -> None:
    assert named(Reader(WSGIHandler()).get("/look")[0]) == (None, None)


@pytest.mark.parametrize("middleware", [[HOOK, *OTHERS], [HOOK, SESSIONS]], ids=["users", "none"])
def test_a_cookie_that_the_store_does_not_know_is_no_session(middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware):
        reader = Reader(WSGIHandler())
        reader.cookies["sessionid"] = "0123456789abcdef0123456789abcdef"
        assert named(reader.get("/handbook/fog/")[0]) == (None, None)


def test_a_signed_cookie_is_no_session() -> None:
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies"):
        reader = logged_in()
        assert ":" in reader.cookies["sessionid"]
        assert named(reader.get("/handbook/fog/")[0]) == ("milo", None)
        assert identify(reader.asks()) == ("milo", None)


def test_without_sessions_and_users_pages_name_nobody() -> None:
    with override_settings(MIDDLEWARE=[HOOK]):
        assert named(Reader(WSGIHandler()).get("/handbook/fog/")[0]) == (None, None)


def test_a_user_who_cannot_be_read_breaks_no_page() -> None:
    reader = logged_in()
    with override_settings(AUTH_USER_MODEL="nobody.Here"):
        environ, answer = reader.get("/handbook/fog/")
        assert (answer.status, answer.body) == (200, b"<title>fog</title>")
        with pytest.raises(Exception, match=r"nobody\.Here"):
            named(environ)


def test_only_pages_ask_for_their_user() -> None:
    environ, answer = logged_in().get("/data")
    assert answer.status == 200
    assert "pagetimer.user" not in environ


def test_the_hook_adds_no_header() -> None:
    answers = []
    for middleware in [HOOK, *OTHERS], OTHERS:
        with override_settings(MIDDLEWARE=middleware):
            reader = logged_in()
            paths = ("/handbook/fog/", "/nowhere", "/look")
            answers.append([reader.get(path)[1].headers for path in paths])
    assert answers[0] == answers[1]
    names = [{name for name, _ in headers} for headers in answers[0]]
    assert names[0].isdisjoint({"Set-Cookie", "Vary"})
    assert "Vary" in names[2]  # that view looks into the session itself


@pytest.mark.parametrize(
    "more",
    [{}, {"APPEND_SLASH": True}, {"MIDDLEWARE": [HOOK, *OTHERS, "{strict}"]}],
    ids=["plain", "append-slash", "all-need-a-log-in"],
)
def test_identify_answers_without_running_a_view(more: dict[str, Any]) -> None:
    more = dict(more)
    if "MIDDLEWARE" in more:
        strict = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        if django.VERSION < (5, 1):
            pytest.skip("this Django cannot ask everybody to log in")
        more["MIDDLEWARE"] = [name.format(strict=strict) for name in more["MIDDLEWARE"]]
    reader = logged_in()
    Intranet.ran.clear()
    with override_settings(LOGIN_URL="/log-in", **more):
        again = Reader(WSGIHandler())
        assert identify(again.asks()) == (None, None)
        again.cookies = reader.cookies
        for address in "/_pagetimer/log/", "/_pagetimer", "/handbook/fog/":
            assert identify(again.asks(address)) == ("milo", reader.cookies["sessionid"])
    assert Intranet.ran == []


def test_identify_leaves_the_body_of_the_call_unread() -> None:
    call = logged_in().asks()
    identify(call)
    assert call["wsgi.input"].read() == b"path=/now"


def test_identify_goes_through_what_lies_in_between() -> None:
    def between(application: Callable[..., Any]) -> Callable[..., Any]:
        return lambda environ, start_response: application(
            {**environ, "SCRIPT_NAME": "/office"}, start_response
        )

    reader = logged_in()
    outer = Reader(between(WSGIHandler()))
    outer.cookies = reader.cookies
    assert re.fullmatch("[a-z0-9]{32}", identify(outer.asks())[1] or "")


def test_identify_says_where_no_hook_answers() -> None:
    with override_settings(MIDDLEWARE=OTHERS), pytest.raises(LookupError, match="is it installed"):
        identify(Reader(WSGIHandler()).asks())
