"""The addresses under ``prefix``: which there are, and who answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from webob import Request, Response
from webob.exc import HTTPException, HTTPMethodNotAllowed, HTTPNotFound

from ..beat.endpoints import BeatEndpoint
from ..who.sources import Environ

View = Callable[[Request], Response]
_TROUBLE = Response(
    "Something of pagetimer failed here; the log says what.\n",
    status=503,
    content_type="text/plain",
    retry_after=60,
)


class Reserved:
    """Answers every request under the prefix; the application never runs there.

    :param views: path below the prefix -> (methods, view); a slash at its end may be left out
    :param failed: told of an error of ours, with the request's path
    """

    def __init__(
        self,
        prefix: str,
        beat: BeatEndpoint,
        views: dict[str, tuple[str, View]],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._prefix = prefix
        self._below = f"{prefix}/"
        self._beat = beat
        self._views = views
        self._failed = failed

    def has(self, path: str) -> bool:
        """Tell whether a PATH_INFO is ours."""
        return path.startswith(self._below) or path == self._prefix

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer (PEP 3333)."""
        path = environ["PATH_INFO"][len(self._prefix) :]
        try:
            answer = self._beat if path == "/beat" else self._view(path)
            chunks: Iterable[bytes] = answer(environ, start_response)
        except Exception as error:  # none of ours reaches the server
            self._failed(environ["PATH_INFO"], error)
            chunks = _TROUBLE(environ, start_response)
        return chunks

    def _view(self, path: str) -> Any:
        if not path:
            return self._to_slash
        methods, view = self._views.get(path) or self._views.get(path + "/") or ("", None)
        if view is None:
            return HTTPNotFound("There is nothing here.")

        def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
            request = Request(environ)
            try:
                if request.method not in methods.split():
                    raise HTTPMethodNotAllowed(headers={"Allow": ", ".join(methods.split())})
                response = view(request)
            except HTTPException as error:
                response = error
            chunks: Iterable[bytes] = response(environ, start_response)
            return chunks

        return answer

    def _to_slash(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        # Relative, as WebOb never leaves it: then no host, mount or proxy can make it wrong.
        location = f"./{quote(self._prefix.rpartition('/')[2])}/"
        headers = [("Location", location), ("Content-Type", "text/plain"), ("Content-Length", "0")]
        start_response("301 Moved Permanently", headers)
        return []
