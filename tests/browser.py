"""Real browsers for the tests, and a small server that writes down what their clients say.

Two ways to drive one, since neither can do all. Playwright clicks and leaves; but a page with a
debugging session of its own is always visible. :class:`DevTools`, the accuracy
laboratory's, holds no session with a page while time passes: so it hides a window for real.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from accuracy.devtools import ARGUMENTS, DevTools

from pagetimer_wsgi.page.tag import route_cut

__all__ = [
    "AUTOMATED",
    "CLIENT",
    "CLOSE",
    "Collector",
    "DevTools",
    "Said",
    "about",
    "chromium",
    "chromium_path",
    "collector",
    "devtools",
    "require",
]


def _client() -> Path:
    # Where the tests' package really is: the installed one where there is one.
    spec = importlib.util.find_spec("pagetimer_wsgi")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "page" / "client"


CLIENT = _client()


AUTOMATED = {"data-off": ""}
"""The tag's attributes under which browsers driven by software are measured, too."""
CLOSE = 0.5
"""Seconds by which a time may differ from the truth, as the goal of the project has it."""


def about(seconds: float) -> Any:
    """Return what equals all times that are close to this one."""
    return pytest.approx(seconds, abs=CLOSE)


def require(condition: object, reason: str) -> None:
    """Skip the test with the reason, or fail it where everything must be there."""
    if condition:
        return
    if os.environ.get("PAGETIMER_TESTS_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium_path() -> str:
    """Return the path of the system's chromium; skip the test where there is none."""
    path = shutil.which("chromium")
    require(path, "no chromium on this machine")
    return str(path)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A Playwright ``Browser`` (sync API), for clicking and leaving; its pages are always visible.

    It lives as long as one test module: while it does, its thread has a running event loop.
    """
    path = chromium_path()
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def devtools() -> Iterator[DevTools]:
    """A :class:`DevTools` with an empty profile, one a test module."""
    path = chromium_path()
    pytest.importorskip("websockets")
    browser = DevTools(path)
    try:
        yield browser
    finally:
        browser.quit()


@dataclass(frozen=True)
class Said:
    """One request of a client's: its fields, and when it arrived by the test's own clock."""

    fields: Mapping[str, str]
    arrived: float
    headers: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    @property
    def visible(self) -> float:
        """Visible time in seconds."""
        return int(self.fields["t"]) / 1000

    @property
    def engaged(self) -> float:
        """Engaged time in seconds."""
        return int(self.fields["e"]) / 1000


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        pass


@dataclass
class Collector:
    """A site of a few pages that hold the tag, and what their clients said.

    :param pages: path -> what stands in the page's body, as HTML
    :param attributes: the tag's further ones, as in ``{"data-idle": "1000"}``
    :param headers: of every page, as in ``[("Content-Security-Policy", "…")]``
    """

    pages: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)
    beats: list[Said] = field(default_factory=list)
    logs: list[Said] = field(default_factory=list)
    served: dict[str, float] = field(default_factory=dict)
    away: bool = False  # answer 503, and write nothing down
    url: str = ""

    prefix = "/_pagetimer/"

    def tag(self) -> str:
        """Return the tag as the server writes it."""
        attributes = {
            "data-pagetimer": "",
            "data-idle": "30000",
            "data-cut": route_cut((), False),
            "data-off": "webdriver",
            **self.attributes,
        }
        return '<script async="async" src="{}pagetimer.js?v=test" {}></script>'.format(
            self.prefix,
            " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items()),
        )

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == self.prefix + "pagetimer.js":
            start_response("200 OK", [("Content-Type", "text/javascript; charset=utf-8")])
            return [(CLIENT / "pagetimer.min.js").read_bytes()]
        if environ["REQUEST_METHOD"] == "POST" and path.startswith(self.prefix):
            return self._take(environ, start_response)
        if path not in self.pages:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        body = f"<!doctype html><title>{path}</title>{self.tag()}<body>{self.pages[path]}"
        self.served[path] = time.monotonic()
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), *self.headers])
        return [body.encode()]

    def _take(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        arrived = time.monotonic()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        if self.away:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        said = Said(
            dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True)),
            arrived,
            {
                **{name[5:].lower(): environ[name] for name in environ if name.startswith("HTTP_")},
                "content_type": environ.get("CONTENT_TYPE", ""),
            },
        )
        {"beat": self.beats, "log/": self.logs}[path_after(environ, self.prefix)].append(said)
        start_response("204 No Content", [])
        return [b""]

    def of(self, path: str, why: str | None = None) -> list[Said]:
        """Return the beats of one path, all or those of one reason."""
        return [beat for beat in list(self.beats) if beat["p"] == path and why in (None, beat["w"])]

    def wait(self, path: str, why: str, count: int = 1, timeout: float = 10.0) -> Said:
        """Return the path's ``count``-th beat of that reason, as soon as it is there."""
        deadline = time.monotonic() + timeout
        while len(self.of(path, why)) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {why} of {path} among {[b.fields for b in self.beats]}")
            time.sleep(0.01)
        return self.of(path, why)[count - 1]


def path_after(environ: Mapping[str, Any], prefix: str) -> str:
    """Return what follows the prefix in the request's path."""
    return str(environ["PATH_INFO"])[len(prefix) :]


@contextlib.contextmanager
def collector(pages: Mapping[str, str], **options: Any) -> Iterator[Collector]:
    """Serve the pages on a free port of loopback; see :class:`Collector` for the options."""
    site = Collector(pages, **options)
    with make_server("127.0.0.1", 0, site, _Server, _Quiet) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
