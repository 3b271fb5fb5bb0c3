"""The sides: the ways to put a tag into what an application answers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from new_relic import insertion_alone, whole_agent
from server import HTML, Application, Environ, Headers, Wrap
from webob import Request

from pagetimer_wsgi import PageTimer

END = b"</head>"
# For the sides that make no tag: one as long as ours.
TAG = b"<script src='/s.js' async data-t='" + b"t" * 148 + b"'></script>"


@dataclass(frozen=True)
class Side:
    """One way to answer a request.

    :param prepare: gives what wraps an application, with what is to be closed at the end put on
        the stack; raises ImportError where a package is missing
    :param tag: finds what it put in; None: it puts nothing in
    :param needs: what to install for it
    """

    name: str
    prepare: Callable[[ExitStack], Wrap]
    tag: re.Pattern[bytes] | None = None
    needs: str = ""


def prepare(sides: Iterable[Side], stack: ExitStack) -> dict[Side, Wrap]:
    """Those sides that can run here, each with what wraps an application."""
    ready = {}
    for side in sides:
        try:
            ready[side] = side.prepare(stack)
        except ImportError as error:
            print(f"{side.name} is left out: {error}. It needs: pip install {side.needs}")
    return ready


def ours(stack: ExitStack) -> Wrap:
    folder = stack.enter_context(tempfile.TemporaryDirectory())

    def wrap(application: Application) -> Application:
        timer = PageTimer(application, user_key="REMOTE_USER", data=folder)
        return stack.enter_context(closing(timer))

    return wrap


def webob(application: Application) -> Application:
    def replace(environ: Environ, start_response: Any) -> Any:
        response = Request(environ).get_response(application)
        if response.content_type == "text/html":
            response.body = response.body.replace(END, TAG + END, 1)
        return response(environ, start_response)

    return replace


class Noted:
    """start_response for the two plain injectors: sees a page, takes its length away."""

    def __init__(self, start_response: Any) -> None:
        self.start_response = start_response
        self.is_page = False

    def __call__(self, status: str, headers: Headers, *exc_info: Any) -> Any:
        types = [value for name, value in headers if name.lower() == "content-type"]
        self.is_page = types[:1] == [HTML]
        if self.is_page:
            headers = [pair for pair in headers if pair[0].lower() != "content-length"]
        return self.start_response(status, headers, *exc_info)


def replace_in_chunks(application: Application) -> Application:
    def replace(environ: Environ, start_response: Any) -> Iterator[bytes]:
        noted = Noted(start_response)
        for chunk in application(environ, noted):
            yield chunk.replace(END, TAG + END, 1) if noted.is_page else chunk

    return replace


def split_text(application: Application) -> Application:
    """django-debug-toolbar's way, at the head's end: the whole text, split by a pattern."""
    tag, end = TAG.decode(), END.decode()
    pattern = re.escape(end)

    def insert(text: str) -> str:
        parts = re.split(pattern, text, flags=re.IGNORECASE)
        if len(parts) > 1:
            parts[-2] += tag
        return end.join(parts)

    def split(environ: Environ, start_response: Any) -> Iterable[bytes]:
        noted = Noted(start_response)
        chunks = list(application(environ, noted))
        return [insert(b"".join(chunks).decode()).encode()] if noted.is_page else chunks

    return split


OURS = re.compile(rb'<script [^<>]*src="/_pagetimer/[^<]*</script>')
NREUM = re.compile(rb"(?s)<script[^>]*>window\.NREUM.*?</script>")
PLAIN = re.compile(re.escape(TAG))
SIDES = (
    Side("bare", lambda _: lambda application: application),
    Side("ours", ours, OURS),
    Side("NR alone", lambda _: insertion_alone(), NREUM, "newrelic"),
    Side("NR whole", lambda _: whole_agent(), NREUM, "newrelic"),
    Side("NR without", lambda _: whole_agent(insertion=False), needs="newrelic"),
    Side("WebOb", lambda _: webob, PLAIN),
    Side("replace", lambda _: replace_in_chunks, PLAIN),
    Side("toolbar", lambda _: split_text, PLAIN),
)
