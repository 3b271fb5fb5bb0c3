"""The hook for Pyramid: who is logged in, which session, which route.

In the application's ini file, with no line of Python::

    [app:main]
    pyramid.includes = pagetimer_wsgi.pyramid

    [filter:pagetimer]
    use = egg:pagetimer-wsgi
    identify = pagetimer_wsgi.pyramid:identify
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.interfaces import ISessionFactory
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import INGRESS

from .who.asking import QUESTION, is_page, tell
from .who.asking import ask_application as identify

__all__ = ["identify", "includeme"]


def includeme(config: Configurator) -> None:
    """Let an application say who its pages go to (``config.include``)."""
    config.add_tween("pagetimer_wsgi.pyramid.answer", under=INGRESS)
    # Response callbacks have run by then: to look into the session adds no header.
    config.add_subscriber(_tell, NewResponse)


def answer(handler: Callable[[Request], Response], registry: Any) -> Callable[[Request], Response]:
    """Return the tween that answers who asks, before any view is looked for."""

    def tween(request: Request) -> Response:
        question = request.environ.get(QUESTION)
        if question is None:
            return handler(request)
        question.update(user=request.authenticated_userid, session=_session_id(request))
        return Response(status=204)

    return tween


def _tell(event: NewResponse) -> None:
    request = event.request
    if not is_page(event.response.content_type):
        return
    tell(request.environ, lambda: (request.authenticated_userid, _session_id(request)))
    route = getattr(request, "matched_route", None)
    if route is not None:
        request.environ["pagetimer.route"] = "/" + route.pattern.lstrip("/")


def _session_id(request: Request) -> str | None:
    """Return the id of a session that is kept; Pyramid's own signed cookies have none."""
    if request.registry.queryUtility(ISessionFactory) is None:
        return None
    session = request.session
    found = getattr(session, "id", None) or getattr(session, "session_id", None)
    is_new = getattr(session, "new", False) or getattr(session, "is_new", False)
    is_kept = not is_new or getattr(session, "dirty", bool)()
    return str(found) if found and is_kept else None
