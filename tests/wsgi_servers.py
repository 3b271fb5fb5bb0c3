"""WSGI servers, each a process of its own, and a client that says how an answer ended."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from browser import require
from servers import CHECKOUT, Answer, stop

SITE = CHECKOUT / "tests" / "wsgi_site.py"
TAG = re.compile(rb'<script async="async" src="[^"]*/pagetimer\.js[^<]*</script>')

_UWSGI = Path(sys.executable).with_name("uwsgi")
_WSGIREF = """
import sys
from wsgiref.simple_server import make_server
from wsgi_site import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""


def _module(name: str, *arguments: str) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        require(importlib.util.find_spec(name), f"{name} is not installed")
        return [sys.executable, "-m", name, *(each.format(port=port) for each in arguments)]

    return command


def _gunicorn(worker: str) -> Callable[[int], Sequence[str]]:
    bind, quiet = "--bind=127.0.0.1:{port}", "--no-control-socket"
    return _module("gunicorn", bind, quiet, f"--worker-class={worker}", "wsgi_site:application")


def _wsgiref(port: int) -> Sequence[str]:
    return [sys.executable, "-c", _WSGIREF, str(port)]


def _uwsgi(protocol: str) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        require(_UWSGI.exists(), "uWSGI is not installed")
        bind = f"--{protocol}-socket=127.0.0.1:{port}"
        where = [f"--virtualenv={sys.prefix}", "--module=wsgi_site:application"]
        return [str(_UWSGI), bind, "--die-on-term", "--need-app", *where]

    return command


COMMANDS: dict[str, Callable[[int], Sequence[str]]] = {
    "wsgiref": _wsgiref,
    "waitress": _module("waitress", "--listen=127.0.0.1:{port}", "wsgi_site:application"),
    "gunicorn-sync": _gunicorn("sync"),
    "gunicorn-gthread": _gunicorn("gthread"),
    "gunicorn-gevent": _gunicorn("gevent"),
    "uwsgi": _uwsgi("http"),
    "uwsgi-http11": _uwsgi("http11"),
    "cheroot": _module("cheroot", "--bind=127.0.0.1:{port}", "wsgi_site:application"),
    "granian": _module("granian", "--interface=wsgi", "--port={port}", "wsgi_site:application"),
}
"""name -> the command that serves ``wsgi_site`` on a port of loopback."""


@dataclass(frozen=True)
class Received(Answer):
    """What a client received.

    :param whole: whether the answer ended as its headers said
    """

    whole: bool

    @property
    def without_tag(self) -> bytes:
        return TAG.sub(b"", self.body)


class Client:
    """Speaks HTTP/1.1 to a server, over one connection as long as the server keeps it."""

    def __init__(self, port: int, timeout: float = 15.0) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    def begin(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """Send a request and return the answer as soon as its headers are there."""
        self.connection.request(method, path, headers=headers)
        return self.connection.getresponse()

    def ask(self, path: str, method: str = "GET", **headers: str) -> Received:
        """Send a request and return all of the answer."""
        return finish(self.begin(path, method, **headers))


def finish(
    response: http.client.HTTPResponse,
    before: bytes = b"",
    meanwhile: Callable[[], object] = lambda: None,
) -> Received:
    """Read the rest of an answer.

    :param before: what was read of its body
    :param meanwhile: called whenever a part of it has come
    """
    chunks = [before]
    try:
        while chunk := response.read1():
            chunks.append(chunk)
            meanwhile()
        whole = not response.length
        if whole:
            response.read()  # only this says that the connection is free again
    except (http.client.IncompleteRead, ConnectionError):
        whole = False
    return Received(response.status, response.getheaders(), b"".join(chunks), whole)


@dataclass(frozen=True)
class WsgiServer:
    """A server that serves ``wsgi_site``.

    :param folder: its working folder
    """

    name: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def client(self) -> Client:
        return Client(self.port)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Received:
        """Ask over a connection of its own."""
        with self.client() as client:
            return client.ask(path, method, **headers)

    def log(self) -> str:
        """Return what it wrote to its standard output and error."""
        return (self.folder / "log").read_text(errors="replace")

    def let_go(self, name: str) -> None:
        """Let the page that waits for this name go on."""
        (self.folder / f"{name}.go").touch()

    def closed(self, name: str, timeout: float = 15.0) -> list[str]:
        """Return what the page noted when it was closed, as soon as there is something."""
        file = self.folder / f"{name}.closed"
        deadline = time.monotonic() + timeout
        while not file.exists() or not file.read_text().endswith("\n"):
            assert time.monotonic() < deadline, f"nobody closed {name}"
            time.sleep(0.02)
        return file.read_text().splitlines()


@contextlib.contextmanager
def serving_site(name: str, folder: Path) -> Iterator[WsgiServer]:
    """Serve ``wsgi_site`` by the server of this name, until the block ends.

    :param folder: its working folder, empty
    """
    port = free_port()
    command = COMMANDS[name](port)
    shutil.copy(SITE, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=log, stderr=log)
    server = WsgiServer(name, port, folder, process)
    try:
        _wait(server)
        yield server
    finally:
        stop(process)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PAGETIMER_")}


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait(server: WsgiServer, timeout: float = 30.0) -> None:
    # The answer names the folder: another server may have taken the port meanwhile.
    deadline = time.monotonic() + timeout
    while True:
        assert server.process.poll() is None, f"{server.name} ended at its start: {server.log()}"
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert server.ask("/alone/folder").body == os.fsencode(server.folder)
            return
        assert time.monotonic() < deadline, f"{server.name} does not come up: {server.log()}"
        time.sleep(0.05)
