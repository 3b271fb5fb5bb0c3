"""The hook for Django: who is logged in, which session, which route.

In ``settings.py``, the first of all::

    MIDDLEWARE = ["pagetimer_wsgi.django.PageTimerMiddleware", ...]

and in ``wsgi.py``::

    application = PageTimer(get_wsgi_application(), identify="pagetimer_wsgi.django:identify")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from .who.asking import QUESTION, is_page, tell
from .who.asking import ask_application as identify

__all__ = ["PageTimerMiddleware", "identify"]


class PageTimerMiddleware:
    """Django middleware that puts user, session and route into environ.

    As the first of all it looks when the others have finished their headers: to ask for the
    user adds no ``Vary`` and no ``Set-Cookie``.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        question = request.META.get(QUESTION)
        if question is not None:
            # The application's own middleware runs, and then a view of ours in its views' place.
            request.urlconf = __name__
            self._get_response(request)
            question.update(user=_user(request), session=_session(request))
            return HttpResponse(status=204)
        response = self._get_response(request)
        if not is_page(response.headers.get("Content-Type")):
            return response
        environ = request.META
        tell(environ, lambda: (_user(request), _session(request)))
        if request.resolver_match is not None:
            environ["pagetimer.route"] = "/" + request.resolver_match.route.lstrip("/^")
        return response


def _user(request: HttpRequest) -> str | None:
    user: Any = getattr(request, "user", None)
    return user.get_username() if user is not None and user.is_authenticated else None


def _session(request: HttpRequest) -> str | None:
    """Return the id of a session that Django keeps; a signed cookie has none of its own."""
    session: Any = getattr(request, "session", None)
    if session is None or isinstance(session, SignedCookies):
        return None
    session.keys()  # loads it: a cookie's id is none until the store knows it
    key: str | None = session.session_key
    return key


def _nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [re_path("", csrf_exempt(_nothing))]
