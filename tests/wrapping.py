"""Runs a framework's own tests with layers around every application that they call.

A pytest plugin (``-p wrapping``); for Django, which has a runner of its own, a program
(``python wrapping.py runtests.py …``). Three variables tell it what to do:

- ``WRAPPING_CLIENTS``: whose calls are caught, keys of :data:`CLIENTS` parted by spaces
- ``WRAPPING_LAYERS``: what is put around an application, keys of :data:`LAYERS`, the innermost
  first; none leaves it alone
- ``WRAPPING_REPORT``: where the :class:`Report` is written, as JSON

Most answers in such tests are fragments, which we leave alone. So a layer inside us can give
each a head (``headed``), and one outside takes it off again, with all of ours (``bare``): the
tests see what they expect, though each answer was a page.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import os
import re
import runpy
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from wsgiref import simple_server
from wsgiref.validate import IteratorWrapper, validator

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.spool.health import Health

Environ = dict[str, Any]
Application = Callable[..., Iterable[bytes]]
Headers = list[tuple[str, str]]

MARK = b"data-pagetimer="
HEAD = b"<head></head>"
OUR_HEAD = re.compile(rb'<head>(?:<script async="async" src="[^<>]*"></script>)?</head>')
_CONDITIONS = {"HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"}
OUR_ETAG = re.compile(r'(W/"([^"]*)-pt([sw])[0-9a-f]+")')


@dataclass
class Report:
    """What one run of a framework's tests gave."""

    outcomes: dict[str, str] = field(default_factory=dict)  # a test's name -> passed, failed …
    answers: int = 0  # that came through us
    pages: int = 0  # of them got the tag
    said: list[tuple[str, str]] = field(default_factory=list)  # in which test; what we logged

    def note(self, name: str, outcome: str) -> None:
        """Keep the worst that is said of a test: of its parts, its set-up and its end."""
        if self.outcomes.get(name, "passed") == "passed":
            self.outcomes[name] = outcome

    def write(self) -> None:
        Path(os.environ["WRAPPING_REPORT"]).write_text(json.dumps(asdict(self)))


this_run = Report()


class Said(logging.Handler):
    """Notes what we log."""

    def emit(self, record: logging.LogRecord) -> None:
        _note_said(self.format(record))


def listen() -> None:
    """Note what we say, and each error of ours: of these the log gets one a minute."""
    logging.getLogger("pagetimer").addHandler(Said(logging.WARNING))

    def say(original: Any) -> Any:
        return lambda self, part, message: (_note_said(message), original(self, part, message))

    replace(Health, "say", say)


def _note_said(message: str) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").removesuffix(" (call)")
    this_run.said.append((test, message))


def replace(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    """Put what is made of it in the place of a method or function."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(made(original)))


class Body:
    """A body whose chunks go through a function on their way.

    :param close: of the body that the chunks are from
    """

    def __init__(
        self, chunks: Iterable[bytes], change: Callable[[bytes], bytes], close: Callable[[], None]
    ) -> None:
        self._chunks = chunks
        self._change = change
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return map(self._change, self._chunks)


def changed(body: Any, change: Callable[[bytes], bytes]) -> Iterable[bytes]:
    """Return the body with each chunk changed; a list stays one."""
    if isinstance(body, (list, tuple)):
        return list(map(change, body))
    return Body(body, change, functools.partial(close, body))


def close(body: Any) -> None:
    """Close a body as a server does."""
    getattr(body, "close", lambda: None)()


class Counter:
    """Counts the answers that carry the tag, whichever chunks it is in."""

    def __init__(self) -> None:
        self._end = b""
        self._counted = False

    def __call__(self, chunk: bytes) -> bytes:
        if isinstance(chunk, bytes):  # in some tests it is text, which PEP 3333 knows nothing of
            self._counted = self._counted or self._finds(self._end + chunk)
            self._end = (self._end + chunk)[-len(MARK) :]
        return chunk

    def _finds(self, text: bytes) -> bool:
        this_run.pages += MARK in text
        return MARK in text


def timed(application: Application, **of_environ: str) -> Application:
    """Put PageTimer around the application."""
    timer = PageTimer(application, data=_data())

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ.update(of_environ)
        body = timer(environ, start_response)
        this_run.answers += 1
        # The application's own iterable must stay the object that it is.
        is_ours = type(body).__module__.startswith("pagetimer_wsgi.")
        return changed(body, Counter()) if is_ours or isinstance(body, list) else body

    return answer


@functools.cache
def _data() -> str:
    return tempfile.mkdtemp(dir=Path(os.environ["WRAPPING_REPORT"]).parent)


class First:
    """Changes the first chunk in which anything is."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self._change = change
        self._done = False

    def __call__(self, chunk: bytes) -> bytes:
        if self._done or not chunk or not isinstance(chunk, bytes):
            return chunk
        self._done = True
        return self._change(chunk)


def headed(application: Application) -> Application:
    """Let every HTML answer begin with a head."""

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        is_html = False

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            nonlocal is_html
            is_html = environ["REQUEST_METHOD"] != "HEAD" and _is_html(status, headers)
            if is_html:
                headers = _longer(headers, len(HEAD))
            return start_response(status, headers, *exc_info)

        body = application(environ, start)
        return changed(body, First(lambda chunk: HEAD + chunk if is_html else chunk))

    return answer


def _is_html(status: str, headers: Headers) -> bool:
    named = {name.lower(): value for name, value in headers}
    is_plain = not named.get("content-encoding")
    return bool(
        re.match("200|[45]", status)
        and is_plain
        and named.get("content-type", "").startswith("text/html")
    )


def _longer(headers: Headers, by: int) -> Headers:
    return [
        (name, str(int(value) + by) if name.lower() == "content-length" else value)
        for name, value in headers
    ]


def bare(application: Application) -> Application:
    """Take off what ``headed`` and we put on; ask with the ETags that a browser would have."""
    etags: dict[str, str] = _etags()

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        asks_marked = _mark_conditions(environ, etags)
        said: list[Any] = []
        written: list[bytes] = []

        def start(*values: Any) -> Any:
            said[:] = values
            return written.append

        body = application(environ, start)
        chunks = itertools.chain(written, body)
        first = list(_to_the_first_told(chunks))
        found = OUR_HEAD.match(first[-1]) if first and isinstance(first[-1], bytes) else None
        if found:
            first[-1] = first[-1][found.end() :]
        if said:
            status, headers, *exc_info = said
            headers = _longer(headers, -found.end() if found else 0)
            bare_headers = _unmarked(headers, etags)
            if asks_marked and status.startswith("304"):
                assert bare_headers != headers, "a 304 has the ETag that the browser has"
            start_response(status, bare_headers, *exc_info)
        return Body(itertools.chain(first, chunks), bytes_as_they_are, lambda: close(body))

    return answer


@functools.cache
def _etags() -> dict[str, str]:
    """The application's ETag -> how a browser got it."""
    return {}


def bytes_as_they_are(chunk: bytes) -> bytes:
    return chunk


def _mark_conditions(environ: Environ, etags: dict[str, str]) -> bool:
    """Ask with the ETags that a browser would have; tell whether there are any."""
    asked = {name: environ[name] for name in _CONDITIONS & environ.keys()}
    for name in asked:
        environ[name] = re.sub(
            r'(?:W/)?"[^"]*"', lambda etag: etags.get(etag[0], etag[0]), asked[name]
        )
    return any(environ[name] != asked[name] for name in asked)


def _to_the_first_told(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks up to the first in which anything is; with it the headers are there."""
    for chunk in chunks:
        yield chunk
        if chunk:
            return


def _unmarked(headers: Headers, etags: dict[str, str]) -> Headers:
    def original(match: re.Match[str]) -> str:
        marked, inner, strength = match.groups()
        etag = f'"{inner}"' if strength == "s" else f'W/"{inner}"'
        etags[etag] = marked
        return etag

    return [
        (name, OUR_ETAG.sub(original, value) if name.lower() == "etag" else value)
        for name, value in headers
    ]


LAYERS: dict[str, Callable[[Application], Application]] = {
    "bare": bare,
    "headed": headed,
    "timed": timed,
    "timed-with-token": functools.partial(timed, **{"pagetimer.user": "ada"}),
    "validated": validator,
}


def wrapped(application: Application) -> Application:
    """Return the application inside the layers of this run."""
    for layer in os.environ["WRAPPING_LAYERS"].split():
        application = LAYERS[layer](application)
    return application


def wrap_werkzeug() -> None:
    """Werkzeug's ``Client``, and Flask's, which is one."""
    import werkzeug.test

    def run(original: Any) -> Any:
        return lambda app, environ, buffered=False: original(wrapped(app), environ, buffered)

    replace(werkzeug.test, "run_wsgi_app", run)


def wrap_webob() -> None:
    """WebOb's ``Request.get_response``, and WebTest's ``TestApp``, which calls it."""
    from webob.request import BaseRequest

    def call(original: Any) -> Any:
        return lambda self, app, *more, **named: original(self, wrapped(app), *more, **named)

    replace(BaseRequest, "call_application", call)


def wrap_wsgiref() -> None:
    """The server that the tests of WebOb and Django ask over real connections."""

    def set_app(original: Any) -> Any:
        return lambda self, app: original(self, wrapped(app))

    replace(simple_server.WSGIServer, "set_app", set_app)


def wrap_django() -> None:
    """Django's own WSGI application, and its test client, which calls none."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.test.client import ClientHandler

    def handle(original: Any) -> Any:
        return lambda self, *values: wrapped(functools.partial(original, self))(*values)

    def ask(original: Any) -> Any:
        return lambda self, environ: _ask(functools.partial(original, self), environ)

    replace(WSGIHandler, "__call__", handle)
    replace(ClientHandler, "__call__", ask)


def _ask(handler: Callable[[Environ], Any], environ: Environ) -> Any:
    """Return the handler's response object, changed as a client would get it.

    The tests look at more of the object than its bytes. So it is sent as Django's WSGI
    application sends it, and what comes out is put back into it.
    """
    made: list[Any] = []
    said: list[Any] = []

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        response = handler(environ)
        made.append(response)
        if getattr(response, "is_async", False):  # WSGI has no words for it
            start_response("204 No Content", [])
            return []
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, [*response.items(), *cookies])
        return iter(response)

    body = wrapped(application)(environ, lambda *values: said.extend(values))
    chunks = iter(body)
    first = list(itertools.islice(chunks, 1))
    (response,) = made
    if not getattr(response, "is_async", False):
        _put_back(response, itertools.chain(first, chunks), lambda: close(body))
        _put_headers_back(response, *said[:2])
    return response


def _put_back(response: Any, chunks: Iterable[bytes], close: Callable[[], None]) -> None:
    if response.streaming:
        response.streaming_content = Body(chunks, bytes_as_they_are, close)
        return
    content = b"".join(chunks)
    close()
    if content != response.content:
        response.content = content


def _put_headers_back(response: Any, status: str, headers: Headers) -> None:
    assert int(status[:3]) == response.status_code
    sent = {name: value for name, value in headers if name != "Set-Cookie"}
    for name in set(response.headers) - set(sent):
        del response.headers[name]
    for name, value in sent.items():
        if response.headers.get(name) != value:
            response.headers[name] = value


CLIENTS = {
    "django": wrap_django,
    "webob": wrap_webob,
    "werkzeug": wrap_werkzeug,
    "wsgiref": wrap_wsgiref,
}


def wrap() -> None:
    """Catch the clients' calls, before the tests import them."""
    listen()
    # Test clients leave bodies open, as no server does; an error from here would reach nobody.
    del IteratorWrapper.__del__
    for client in os.environ["WRAPPING_CLIENTS"].split():
        CLIENTS[client]()


def pytest_configure() -> None:
    wrap()


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        this_run.note(report.nodeid, "not collected")


def pytest_runtest_logreport(report: Any) -> None:
    this_run.note(report.nodeid, report.outcome)


def pytest_unconfigure() -> None:
    this_run.write()


class Outcomes(unittest.TextTestResult):
    """Notes what unittest says."""

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        super().addSuccess(test)
        this_run.note(test.id(), "passed")

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        this_run.note(test.id(), "failed")

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        this_run.note(test.id(), "failed")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        this_run.note(test.id(), "skipped")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err:
            this_run.note(test.id(), "failed")


def main() -> None:
    """Run a program with unittest in the folder that is its own."""
    sys.argv = sys.argv[1:]
    sys.path[0] = os.getcwd()
    wrap()
    unittest.TextTestRunner.resultclass = Outcomes
    with contextlib.suppress(SystemExit):
        runpy.run_path(sys.argv[0], run_name="__main__")
    this_run.write()


if __name__ == "__main__":
    main()
