"""The sample site: a short course of a few pages, as plain as a WSGI application can be."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from functools import cached_property
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, Template
from webob import Request, Response
from webob.exc import HTTPMethodNotAllowed

_AROUND = 70  # characters that a hit shows on either side


class Chapter(NamedTuple):
    """One chapter of the course; its text is ``pages/chapter-NUMBER.html``."""

    number: int
    title: str
    summary: str


CHAPTERS = (
    Chapter(1, "The moving shadow", "A stick, the sun, and hours that were longer in summer."),
    Chapter(2, "Water, sand and wax", "How to tell the time at night, in court and at sea."),
    Chapter(3, "The swinging weight", "What the first ticking clocks lacked, and who found it."),
    Chapter(4, "A clock that goes to sea", "Why three seconds a day were worth a fortune."),
    Chapter(5, "Noon for everyone", "Railways, time zones, and the second that left the sky."),
)
_PAGES = {
    "/": ("front.html", "Contents"),
    **{f"/chapter-{chapter.number}": ("chapter", chapter.title) for chapter in CHAPTERS},
    "/glossary": ("glossary.html", "Glossary"),
    "/search": ("search.html", "Search"),
}
PATHS = tuple(_PAGES)
"""The paths of all its pages."""
_SEARCHED = tuple(path for path in PATHS if path not in ("/", "/search"))
_STATIC = ("/static/style.css", "/static/sundial.svg")


class Hit(NamedTuple):
    """Where a search found its words."""

    path: str
    title: str
    before: str
    match: str
    after: str


class Site:
    """The sample site as a WSGI application."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("pagetimer_wsgi.demo", "pages"), autoescape=True
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer with a page, a file, or the page that says that there is none (PEP 3333)."""
        chunks: Iterable[bytes] = self._answer(Request(environ))(environ, start_response)
        return chunks

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return HTTPMethodNotAllowed(headers={"Allow": "GET, HEAD"})
        path = request.environ.get("PATH_INFO") or "/"
        if path in _STATIC:
            return _static(path.rpartition("/")[2])
        if path not in _PAGES:
            return self._page("not-found.html", request, status=404)
        request.environ["pagetimer.route"] = route(path)
        if path == "/search":
            words = _words(request)
            return self._page("search.html", request, words=words, found=self.search(words))
        number = int(path.rpartition("-")[2]) if path.startswith("/chapter-") else None
        return self._page(_template(path), request, number=number)

    def search(self, words: str) -> list[Hit]:
        """Return the pages on which these words stand, in the order of the course."""
        hits = []
        for path, text in self._texts.items() if words else ():
            at = text.lower().find(words.lower())
            if at >= 0:
                end = at + len(words)
                before, after = text[max(0, at - _AROUND) : at], text[end : end + _AROUND]
                # Whole words only, at either end.
                before = before.partition(" ")[2] if at > _AROUND else before
                after = after.rpartition(" ")[0] if end + _AROUND < len(text) else after
                hits.append(Hit(path[1:], _PAGES[path][1], before, text[at:end], after))
        return hits

    @cached_property
    def _texts(self) -> dict[str, str]:
        """What the pages say, without their markup."""
        texts = {}
        for path in _SEARCHED:
            template = self._templates.get_template(_template(path))
            block = template.blocks["lesson" if path.startswith("/chapter-") else "text"]
            html = "".join(block(template.new_context({"root": "/"})))
            texts[path] = self._templates.filters["striptags"](html)
        return texts

    def _page(self, name: str, request: Request, status: int = 200, **values: Any) -> Response:
        template: Template = self._templates.get_template(name)
        number = values.get("number")
        values |= {"root": request.script_name + "/", "chapters": CHAPTERS}
        values["chapter"] = CHAPTERS[number - 1] if number else None
        html = template.render(values)
        return Response(html.encode(), status, content_type="text/html", charset="utf-8")


def route(path: str) -> str:
    """Return the pattern under which a web framework would know this path."""
    return "/chapter-<number>" if path.startswith("/chapter-") else path


def _template(path: str) -> str:
    name = _PAGES[path][0]
    return path[1:] + ".html" if name == "chapter" else name


def _static(name: str) -> Response:
    body = (files(__package__) / name).read_bytes()
    response = Response(body, content_type=mimetypes.guess_type(name)[0], conditional_response=True)
    response.cache_control = "max-age=300"
    response.md5_etag()
    return response


def _words(request: Request) -> str:
    try:
        words: str = request.GET.get("q", "")
    except UnicodeDecodeError:
        return ""
    return " ".join(words.split())[:80]
