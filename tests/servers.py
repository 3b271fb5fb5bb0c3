"""Real servers for the tests, who calls them without a browser, and what they stored."""

from __future__ import annotations

import contextlib
import http.client
import http.cookiejar
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from browser import require

import pagetimer_wsgi
from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLES = CHECKOUT / "examples"

# Each worker writes down where its package came from.
_CONFIGURATION = """
import pathlib
import sys

workers = 2
loglevel = "warning"
control_socket_disable = True


def post_worker_init(worker):
    package = sys.modules.get("pagetimer_wsgi")
    file = pathlib.Path(__file__).with_name("worker-%d.package" % worker.pid)
    file.write_text(str(package and package.__file__))
"""


@dataclass(frozen=True)
class Server:
    """A gunicorn that serves on loopback.

    :param folder: its working folder
    :param data: what PAGETIMER_DATA says
    """

    url: str
    folder: Path
    data: Path
    process: subprocess.Popen[bytes]

    def packages(self) -> list[Path]:
        """Return where the ``pagetimer_wsgi`` of each worker that is ready came from."""
        return [Path(file.read_text()) for file in self.folder.glob("worker-*.package")]

    def stored(
        self, until: Callable[[list[PageView]], object], timeout: float = 10.0
    ) -> list[PageView]:
        """Return the page views of all kinds in its store, as soon as ``until`` holds for them."""
        return stored(self.data, until, timeout)


def stored(
    data: Path, until: Callable[[list[PageView]], object], timeout: float = 10.0
) -> list[PageView]:
    """Return the page views in the store of a data folder, as soon as ``until`` holds for them."""
    store = SqlStore.open(f"sqlite:///{data}/pagetimer.db", migrate=False)
    deadline = time.monotonic() + timeout
    with contextlib.closing(store):
        while True:
            found = list(store.page_views(Query(kinds=("page", "log", "ping"))))
            if until(found):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"after {timeout} s the store holds {found}")
            time.sleep(0.1)


def assert_installed(package: str | Path) -> None:
    """Hold that a process imported the installed package, not the checkout's folder."""
    folder = Path(package).resolve().parent
    assert folder != CHECKOUT / "pagetimer_wsgi", f"{folder} is the checkout's; install the wheel"


@contextlib.contextmanager
def serving(
    *target: str, folder: Path, data: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Serve a WSGI application by gunicorn with two workers, until the block ends.

    :param target: as on gunicorn's command line: ``module:app``, or ``--paste``, ``file.ini``
    :param folder: the working folder, from which the target is imported; never the checkout
    """
    require(importlib.util.find_spec("gunicorn"), "gunicorn is not installed")
    (folder / "gunicorn.conf.py").write_text(_CONFIGURATION)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PAGETIMER_")
    }
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        bind = f"--bind=fd://{listener.fileno()}"
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", bind, *target],
            cwd=folder,
            pass_fds=[listener.fileno()],
            env={
                **inherited,
                "PAGETIMER_DATA": str(data),
                "PAGETIMER_AUTOMATION": "yes",
                **(environment or {}),
            },
        )
    server = Server(f"http://127.0.0.1:{port}", folder, data, process)
    try:
        _wait(server)
        yield server
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(server: Server, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while len(server.packages()) < 2:
        assert server.process.poll() is None, "gunicorn ended at its start"
        assert time.monotonic() < deadline, "gunicorn's workers do not come up"
        time.sleep(0.05)
    Visitor(server.url).get("/")


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """A function that serves an application for the rest of the module; see :func:`serving`."""
    with contextlib.ExitStack() as stack:

        def serve(*target: str, folder: Path, **options: Any) -> Server:
            data = tmp_path_factory.mktemp("data")
            return stack.enter_context(serving(*target, folder=folder, data=data, **options))

        yield serve


def copy_examples(folder: Path) -> Path:
    """Copy the examples, without what they wrote while they ran, as if the folder were a clone."""
    written = shutil.ignore_patterns(
        "__pycache__", "pagetimer-data", "sessions", "intranet.sqlite3*"
    )
    shutil.copytree(EXAMPLES, folder / "examples", ignore=written)
    return folder


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class _AsTheyAre(urllib.request.HTTPErrorProcessor):
    """Redirects and errors are answers like all others."""

    def http_response(self, request: object, response: Any) -> Any:
        return response


class Visitor:
    """Calls a server, with the cookies that it gave."""

    def __init__(self, url: str) -> None:
        self._url = url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        no_proxy = urllib.request.ProxyHandler({})
        self._opener = urllib.request.build_opener(cookies, _AsTheyAre, no_proxy)

    def get(self, path: str) -> Answer:
        return self._call(path)

    def post(self, path: str, **fields: str) -> Answer:
        return self._call(path, urllib.parse.urlencode(fields).encode())

    def _call(self, path: str, body: bytes | None = None) -> Answer:
        response: http.client.HTTPResponse
        with self._opener.open(self._url + path, body, timeout=30) as response:
            return Answer(response.status, response.getheaders(), response.read())


class Reader:
    """Calls a WSGI application in this process, with the cookies that it gave."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self.cookies: dict[str, str] = {}

    def environ(self, path: str) -> dict[str, Any]:
        """Return a request for the path."""
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_USER_AGENT": "a test",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def get(self, path: str) -> tuple[dict[str, Any], Answer]:
        """Return the request's environ as the application left it, and the answer."""
        environ = self.environ(path)
        said: list[Any] = []
        chunks = self._application(environ, lambda *values: said.append(values))
        try:
            body = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        answer = Answer(int(said[-1][0][:3]), said[-1][1], body)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self.cookies |= {key: item.value for key, item in SimpleCookie(value).items()}
        return environ, answer

    def asks(self, path: str = "/_pagetimer/log/") -> dict[str, Any]:
        """Return a call on one of our own addresses, as ``identify`` gets it."""
        call = {
            "REQUEST_METHOD": "POST",
            "CONTENT_LENGTH": "9",
            "wsgi.input": io.BytesIO(b"path=/now"),
        }
        return {**self.environ(path), **call, "pagetimer.application": self._application}


def in_this_process() -> str:
    """Return where this process's ``pagetimer_wsgi`` came from."""
    return str(pagetimer_wsgi.__file__)
