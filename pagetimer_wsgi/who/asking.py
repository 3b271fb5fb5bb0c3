"""What a framework hook says: who a page goes to, and who asks where the application never runs.

To ask: a framework hook sits inside the application. It is handed a request of its own that carries
:data:`QUESTION`, and puts the answer there before any view runs; whatever middleware lies
between us and the hook (sessions, log-ins) does its part as on every request.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

QUESTION = "pagetimer.question"
"""environ key of a dict in which the hook answers with ``user`` and ``session``."""

_BODY = ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT")


def ask_application(environ: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return (user, session) as the hook inside ``pagetimer.application`` answers.

    What middleware inside the application adds to its environ is added to this one.

    :raises LookupError: if no hook answered
    """
    answer: dict[str, str | None] = {}
    asked = {key: value for key, value in environ.items() if key not in _BODY}
    # A plain GET without a body: nobody reads the input that is still to be parsed.
    asked |= {"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO(), QUESTION: answer}
    chunks: Iterable[bytes] = environ["pagetimer.application"](asked, _start_response)
    with closing(_Closing(chunks)):
        for _ in chunks:
            pass
    environ.update({key: asked[key] for key in asked.keys() - environ.keys() if key != QUESTION})
    if "user" not in answer:
        raise LookupError("no hook in the application answered who asks; is it installed?")
    return answer["user"], answer["session"]


class Unreadable:
    """Stands in environ for a name that could not be read; whoever asks for it is told why."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error


def tell(environ: dict[str, Any], read: Callable[[], tuple[Any, Any]]) -> None:
    """Put user and session into environ. What ``read`` raises never breaks the page."""
    user: Any
    session: Any
    try:
        user, session = read()
    except Exception as error:
        user, session = Unreadable(error), None
    environ["pagetimer.user"], environ["pagetimer.session"] = user, session


def is_page(content_type: str | None) -> bool:
    """Tell whether a response may be one that is measured; nobody is asked about any other."""
    return "html" in (content_type or "").lower()


class _Closing:
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.close = getattr(chunks, "close", lambda: None)


def _start_response(*_: object) -> Any:
    return lambda data: None
