"""Ask the application itself who somebody is, on addresses on which it does not run.

A framework hook sits inside the application. It is handed a request of its own that carries
:data:`QUESTION`, and puts the answer there before any view runs; whatever middleware lies
between us and the hook (sessions, log-ins) does its part as on every request.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import closing
from typing import Any

QUESTION = "pagetimer.question"
"""environ key of a dict in which the hook answers with ``user`` and ``session``."""

_BODY = ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT")


def ask_application(environ: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return (user, session) as the hook inside ``pagetimer.application`` answers.

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
    if "user" not in answer:
        raise LookupError("no hook in the application answered who asks; is it installed?")
    return answer["user"], answer["session"]


class _Closing:
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.close = getattr(chunks, "close", lambda: None)


def _start_response(*_: object) -> Any:
    return lambda data: None
