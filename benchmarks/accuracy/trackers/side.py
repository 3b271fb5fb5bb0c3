"""One of the others as a side of the comparison: its script and its collector around the site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from webob import Request, Response

from ..side import Application, Call
from ..site import read_call
from . import load

ENGAGED = frozenset({"Plausible", "TimeMe.js", "Snowplow"})
"""Those who say that the time in which nobody uses the page is left out."""


class Other:
    """A tracker, its script files on the site's own origin, and what its collector answers.

    :param name: one of :data:`accuracy.trackers.ALL`
    :param cache: a folder for what comes from npm
    :raises Unavailable: if its package cannot be had
    """

    def __init__(self, name: str, cache: Path) -> None:
        self.name = name
        self.tells_engaged = name in ENGAGED
        self._tracker = load(name, cache)
        self.head = self._tracker.head
        self.script = b"".join(self._tracker.files.values()) or self.head.encode()

    def wrap(self, application: Application) -> Application:
        """Return the site with the script beside it; what the site does not know is a call."""

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            response = self._answer(Request(environ), application)
            body: Iterable[bytes] = response(environ, start_response)
            return body

        return answer

    def _answer(self, request: Request, application: Application) -> Response:
        if self.is_script(request.path_info):
            return Response(
                self._tracker.files[request.path_info],
                content_type="text/javascript",
                cache_control="public, max-age=31536000, immutable",
            )
        response = request.get_response(application)
        if response.status_code != 404:
            return response
        status, kind, body = self._tracker.respond(read_call(request.environ))
        return Response(body, status=status, content_type=kind)

    def is_script(self, path: str) -> bool:
        """Say whether this is the address of one of its script files."""
        return path in self._tracker.files

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Return path -> seconds, as its own reports would tell."""
        return self._tracker.answers(calls)

    def close(self) -> None:
        """Nothing runs."""
