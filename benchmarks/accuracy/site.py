"""The small site that is measured: its pages, its real server, and what can go wrong with it."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from waitress.server import create_server

from .line import Line
from .side import Call, Side

TEXT = "<main><p>" + "Some words to read. " * 40 + "</p></main>"
LINKS = " ".join(f'<a id="{name}" href="/{name}">{name}</a>' for name in "ab")
START = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{path}</title>'
NAMES = ("/a", "/b", "/c", "/d", "/e", "/slow", "/front", "/inner")
PAGES = dict.fromkeys(NAMES, f"{LINKS} <input>{TEXT}")


@dataclass
class Site:
    """The pages, with one side's script in them, and what their scripts send.

    :param side: what measures them
    :param pages: path -> what stands in the body, as HTML
    """

    side: Side
    pages: dict[str, str] = field(default_factory=lambda: dict(PAGES))
    heads: dict[str, str] = field(default_factory=dict)
    """path -> further markup of the head, before the side's."""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """path -> content type and bytes of what else the pages need."""
    served: dict[str, float] = field(default_factory=dict)
    """path -> when its last answer began, by ``time.monotonic()``."""
    calls: list[Call] = field(default_factory=list)
    """What the scripts sent and the server took."""
    away: bool = False
    """Answer every call of a script with 503."""
    breaks: bool = False
    """Let the next call of a script break the line, and be lost with it."""
    slow: float = 0.0
    """Seconds before ``/slow`` is answered."""
    slow_script: float = 0.0
    """Seconds before the measuring script is answered."""
    line: Line = field(init=False)

    def __post_init__(self) -> None:
        self._measured = self.side.wrap(self.page)

    @property
    def url(self) -> str:
        """The site's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.line.port}"

    def page(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The bare application: pages, and the files that belong to them."""
        path = environ["PATH_INFO"]
        if path in self.files:
            kind, data = self.files[path]
            start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(data)))])
            return [data]
        if path not in self.pages:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such page\n"]
        head = START.format(path=path) + self.heads.get(path, "")
        body = f"{head}{self.side.head}</head><body>{self.pages[path]}</body></html>"
        if path == "/slow":
            time.sleep(self.slow)
        self.served[path] = time.monotonic()
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [body.encode()]

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/favicon.ico":
            start_response("204 No Content", [])
            return []
        if self.side.is_script(path):
            time.sleep(self.slow_script)
        elif path not in self.pages and path not in self.files:
            call = read_call(environ)
            if not self._takes_calls():
                start_response("503 Service Unavailable", [("Content-Length", "0")])
                return [b""]
            self.calls.append(call)
        return self._measured(environ, start_response)

    def _takes_calls(self) -> bool:
        if self.breaks:
            self.breaks = False
            self.line.cut()
            return False
        return not self.away


def read_call(environ: dict[str, Any]) -> Call:
    """Return the request, and leave its body to be read again."""
    arrived = time.monotonic()
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return Call(
        arrived,
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        environ.get("QUERY_STRING", ""),
        headers,
        body,
    )


@contextlib.contextmanager
def serve(side: Side, pages: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Serve the site by waitress, on a free port of loopback, behind a :class:`Line`."""
    site = Site(side, dict(PAGES if pages is None else pages))
    server = create_server(site, host="127.0.0.1", port=0, threads=8)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        with Line(server.effective_port) as line:
            site.line = line
            yield site
    finally:
        # By the server's own thread, which waits for something from the sockets that this closes.
        server.trigger.pull_trigger(server.close)
        thread.join(timeout=5)
        server.task_dispatcher.shutdown()
