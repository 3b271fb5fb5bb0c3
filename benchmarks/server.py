"""The server's part: one request from a browser, and the response read to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any

Application = Callable[..., Iterable[bytes]]
Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Wrap = Callable[[Application], Application]

HTML = "text/html; charset=utf-8"
ENVIRON: Environ = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/harbour/log",
    "QUERY_STRING": "page=2",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_USER": "ada",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8080",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "localhost:8080",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_ENCODING": "identity",
    "HTTP_ACCEPT_LANGUAGE": "en,da;q=0.7",
    "HTTP_COOKIE": "session=8f14e45fceea167a; theme=dark",
    "HTTP_REFERER": "http://localhost:8080/",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input": BytesIO(),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def ask(application: Application) -> Iterator[bytes]:
    """One request, as a server makes it; yields what goes to the browser."""
    result = application(ENVIRON.copy(), start)
    try:
        yield from result
    finally:
        if hasattr(result, "close"):
            result.close()


def start(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
    return len
