"""What each of the others is: a script, how it is set up, and what its server makes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webob import Request, Response

from ..side import Application, Call
from ..site import read_call
from .npm import Package

ON_ROUTE = """
  function onRoute(changed) {
    var path = location.pathname;
    navigation.addEventListener('currententrychange', function () {
      if (location.pathname !== path) { changed(path = location.pathname); }
    });
  }"""
"""The router of a single-page application, for those who ask the application to call them."""


class Tracker(ABC):
    """One of those who measure time on a page, set up as its own documentation says.

    It is a :class:`~accuracy.side.Side`: its script lies on the site's own origin, and what the
    site does not know is a call of that script.

    :param cache: a folder for what comes from npm
    :raises Unavailable: if its package cannot be had
    """

    name: str
    """As it stands in the table."""
    package: Package | None = None
    """Where its script comes from; None: its script is written in the page."""
    address: str | None = None
    """The path at which the page asks for that script."""
    head: str
    """Markup that each page has before ``</head>``."""
    tells_engaged = False
    """Whether it says that the time in which nobody uses the page is left out."""

    def __init__(self, cache: Path) -> None:
        self.script = self.package.fetch(cache) if self.package else self.head.encode()

    def wrap(self, application: Application) -> Application:
        """Return the site with the script beside it, and the collector."""

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            response = self._answer(Request(environ), application)
            body: Iterable[bytes] = response(environ, start_response)
            return body

        return answer

    def _answer(self, request: Request, application: Application) -> Response:
        if self.is_script(request.path_info):
            return Response(
                self.script,
                content_type="text/javascript",
                cache_control="public, max-age=31536000, immutable",
            )
        response = request.get_response(application)
        if response.status_code != 404:
            return response
        status, kind, body = self.respond(read_call(request.environ))
        return Response(body, status=status, content_type=kind)

    def is_script(self, path: str) -> bool:
        """Say whether this is the address of its script."""
        return path == self.address

    def close(self) -> None:  # noqa: B027 - none of them has anything to stop
        """Nothing runs."""

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        """Return status line, content type and body of what its collector answers."""
        return "200 OK", "text/plain", b"ok"

    @abstractmethod
    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Return path -> seconds, summed over the path's page views, as its own reports would.

        A path of which they know no time is absent.
        """


def path_of(address: str) -> str:
    """Return the path of an address, or of a path with a query."""
    return urlsplit(address).path
