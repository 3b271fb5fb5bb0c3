"""What gunicorn serves of the sides that need no more than this Python.

``PAGETIMER_…`` in the environment configures ours.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from pagetimer_wsgi import PageTimer

Environ = dict[str, Any]


def empty(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the body and answer 204."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("204 No Content", [])
    return []


def host(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as :func:`empty` does, but for three paths."""
    body = _PAGES.get(environ["PATH_INFO"], lambda: b"")()
    if not body:
        return empty(environ, start_response)
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return [body]


def _page() -> bytes:
    return b"<!doctype html><html><head></head><body>%s</body></html>" % (b"<p>the host's</p>" * 99)


def _compute() -> bytes:
    """Keep the interpreter busy for some ten milliseconds."""
    return b"%d" % sum(number * number % 7 for number in range(100_000))


def _threads() -> bytes:
    """Tell which threads the answering process has."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    return json.dumps({"process": os.getpid(), "threads": names}).encode()


_PAGES = {"/page": _page, "/compute": _compute, "/threads": _threads}


def ours() -> PageTimer:
    """Return the host with ours around it, for gunicorn to call."""
    return PageTimer(host)


def django() -> Callable[..., Any]:
    """Return an application of one empty Django view, with no middleware."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def view(request: HttpRequest) -> HttpResponse:
        len(request.body)
        return HttpResponse(status=204)

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(path("beat", view),), SECRET_KEY="-")
    return get_wsgi_application()
