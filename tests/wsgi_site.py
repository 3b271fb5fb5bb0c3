"""A site whose every page asks something else of a WSGI server.

It stands behind PageTimer below ``/wrapped``, and as it is below ``/alone``. It runs in a server's
process; the tests speak to it by files in its working folder. The query names one: a page that
waits goes on once ``NAME.go`` is there, and ``NAME.closed`` gets a line for each ``close()``.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pagetimer_wsgi import PageTimer

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
View = Callable[[Environ, Any], Iterable[bytes]]

START = b"<!DOCTYPE html><html><head><title>Tides</title>"
HEAD = START + b"</head>"
REST = b"<body><p>The moon pulls.</p></body></html>"
PAGE = HEAD + REST
FILE = bytes(range(256)) * 1024
PATIENCE = 20.0  # seconds
GO = object()  # among the steps: wait for the test

HTML = ("Content-Type", "text/html; charset=utf-8")
BINARY = ("Content-Type", "application/octet-stream")
ETAG = ("ETag", '"tides"')


class Steps:
    """A body that yields bytes, raises errors, waits where it meets ``GO``, and notes its close."""

    def __init__(self, environ: Environ, steps: Iterable[Any]) -> None:
        self._name = environ["QUERY_STRING"]
        self._steps = iter(steps)
        self._end = "early"

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        step = next(self._steps, None)
        if step is GO:
            self._wait()
            step = next(self._steps, None)
        if isinstance(step, Exception):
            raise type(step)(*step.args)
        if step is None:
            self._end = "at its end"
            raise StopIteration
        return bytes(step)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._name and not Path(f"{self._name}.go").exists():
            if time.monotonic() > deadline:
                raise TimeoutError("no go-ahead came")
            time.sleep(0.01)

    def close(self) -> None:
        if self._name:
            with Path(f"{self._name}.closed").open("a") as file:
                file.write(f"closed {self._end}\n")


def listed(*chunks: bytes, headers: Headers, status: str = "200 OK", kind: Any = list) -> View:
    """A page whose body is a list or tuple."""

    def view(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, [*headers])
        return kind(chunks)  # type: ignore[no-any-return]

    return view


def stepped(*steps: Any, headers: Headers) -> View:
    """A page whose body is made while it goes out."""

    def view(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [*headers])
        return Steps(environ, steps)

    return view


def endless(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A page that goes on until its server has had enough."""
    start_response("200 OK", [HTML])
    deadline = time.monotonic() + PATIENCE
    more = itertools.takewhile(
        lambda _: time.monotonic() < deadline, itertools.repeat(b" " * 65536)
    )
    return Steps(environ, itertools.chain([HEAD, GO], more))


def validated(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A page that is not sent again to who has it."""
    if environ.get("HTTP_IF_NONE_MATCH") == ETAG[1]:
        start_response("304 Not Modified", [ETAG])
        return []
    start_response("200 OK", [HTML, ETAG, length(PAGE)])
    return [PAGE]


def of_a_head(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """As frameworks do: a HEAD has its page's headers, and no body."""
    start_response("200 OK", [HTML, length(PAGE)])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [PAGE]


def late(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """A generator: it says its status when the server asks for the first chunk."""
    start_response("200 OK", [HTML])
    yield HEAD
    yield REST


def written(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The imperative way."""
    write = start_response("200 OK", [HTML])
    write(START)
    write(b"</head>")
    return [REST]


def broken(environ: Environ, start_response: Any) -> Iterable[bytes]:
    raise ValueError("before start_response")


def broken_after_start(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [HTML, length(PAGE)])
    raise ValueError("after start_response")


def error_page(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Another status than was said at first, while nothing has gone out."""
    start_response("200 OK", [HTML, ("X-Tide", "high")])
    try:
        raise ValueError("while the page was made")
    except ValueError:
        start_response("503 Low Water", [HTML, length(PAGE)], sys.exc_info())
    return [PAGE]


def error_page_too_late(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Another status when it cannot be said any more: the server must have its exception back."""
    start_response("200 OK", [HTML])
    return Steps(environ, _until_it_fails(start_response))


def _until_it_fails(start_response: Any) -> Iterator[Any]:
    yield HEAD
    yield GO
    try:
        raise ValueError("while the page went out")
    except ValueError:
        start_response("503 Low Water", [HTML], sys.exc_info())
    yield b"<p>low water</p>"


def file_of(content: bytes, content_type: tuple[str, str]) -> View:
    """A real file, that the server may send by its own means."""

    def view(environ: Environ, start_response: Any) -> Iterable[bytes]:
        wrapper = environ["wsgi.file_wrapper"]
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (the server closes it)
        file.write(content)
        file.seek(0)
        start_response("200 OK", [content_type, length(content)])
        return wrapper(file, 8192)  # type: ignore[no-any-return]

    return view


def length(content: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(content))


def zipped_in_two() -> tuple[bytes, bytes]:
    """A gzip body in two parts, the head whole in the first."""
    coder = zlib.compressobj(wbits=31)
    first = coder.compress(HEAD) + coder.flush(zlib.Z_SYNC_FLUSH)
    return first, coder.compress(REST) + coder.flush()


GZIP = ("Content-Encoding", "gzip")
ZIPPED = gzip.compress(PAGE, mtime=0)
ZIPPED_HEAD, ZIPPED_REST = zipped_in_two()

VIEWS: dict[str, View] = {
    "/folder": listed(os.getcwdb(), headers=[BINARY, length(os.getcwdb())]),
    "/list": listed(HEAD, REST, headers=[HTML, length(PAGE)]),
    "/one": listed(PAGE, headers=[HTML]),
    "/tuple": listed(HEAD, REST, headers=[HTML, length(PAGE)], kind=tuple),
    "/stream": stepped(HEAD, GO, REST, headers=[HTML]),
    "/stream-of-known-length": stepped(HEAD, GO, REST, headers=[HTML, length(PAGE)]),
    "/later": stepped(START, GO, b"</head>", REST, headers=[HTML]),
    "/later-of-known-length": stepped(START, GO, b"</head>", REST, headers=[HTML, length(PAGE)]),
    "/no-place": stepped(b"<p>low", GO, b" water", headers=[HTML]),
    "/generator": late,
    "/head": of_a_head,
    "/validated": validated,
    "/json": stepped(b'{"tide": ', GO, b'"high"}', headers=[("Content-Type", "application/json")]),
    "/not-modified": listed(headers=[ETAG], status="304 Not Modified"),
    "/no-content": listed(headers=[ETAG], status="204 No Content"),
    "/not-found": listed(PAGE, headers=[HTML], status="404 Not Found"),
    "/gzip": listed(ZIPPED, headers=[HTML, GZIP, length(ZIPPED)]),
    "/gzip-stream": stepped(ZIPPED_HEAD, GO, ZIPPED_REST, headers=[HTML, GZIP]),
    "/file": file_of(FILE, BINARY),
    "/file-page": file_of(PAGE, HTML),
    "/write": written,
    "/endless": endless,
    "/broken": broken,
    "/broken-after-start": broken_after_start,
    "/broken-at-first": stepped(ValueError("at first"), headers=[HTML]),
    "/broken-midway": stepped(HEAD, GO, ValueError("midway"), REST, headers=[HTML]),
    "/broken-midway-of-known-length": stepped(
        HEAD, GO, ValueError("midway"), REST, headers=[HTML, length(PAGE)]
    ),
    "/error-page": error_page,
    "/error-page-too-late": error_page_too_late,
}


def site(environ: Environ, start_response: Any) -> Iterable[bytes]:
    return VIEWS[environ["PATH_INFO"]](environ, start_response)


MOUNTS = {"wrapped": PageTimer(site, data="data", user_key="HTTP_X_USER"), "alone": site}


def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """What the servers serve."""
    _, mount, path = environ["PATH_INFO"].split("/", 2)
    shifted = {**environ, "SCRIPT_NAME": f"/{mount}", "PATH_INFO": f"/{path}"}
    return MOUNTS[mount](shifted, start_response)
