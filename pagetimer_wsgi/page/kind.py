"""Which responses are pages, and of what kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from . import Headers
from .document.coding import Coding, find_coding
from .document.head import Scanner
from .document.xhtml import XmlScanner
from .headers.fields import Fields
from .once import warn_once

# 200, and what the application says when it cannot; all else has no body to show, or a part of one.
_STATUS = re.compile(r"200|[45][0-9][0-9]")
_SCANNERS: dict[str, type[Scanner] | type[XmlScanner]] = {
    "text/html": Scanner,
    "application/xhtml+xml": XmlScanner,
}
# Labels of encodings in which the bytes of `<` may be half of a letter, or nothing at all (WHATWG
# Encoding, 4.2).
_FOREIGN_CHARSET = re.compile(
    r"""charset\s*=\s*["']?\s*(?:utf-?(?:16|32)|ucs-?[24]|(?:cs)?unicode(?:feff|fffe)?(?![\w-])"""
    r"""|iso-10646|(?:cs)?iso-?2022|hz-gb-2312|replacement)"""
)
# The server sends a file instead of the body, or the body is but a part.
_NO_BODY = ("content-range", "x-accel-redirect", "x-litespeed-location", "x-sendfile")


class Kind(NamedTuple):
    """How a page is read.

    :param scanner: finds the tag's place
    :param coding: what it is coded in
    :param length: the body's bytes, if the application says one number
    """

    scanner: type[Scanner] | type[XmlScanner]
    coding: Coding | None
    length: int | None


def may_be_page(status: str, headers: Headers) -> bool:
    """Tell quickly of most responses that they are no pages."""
    for name, value in headers:
        if name.lower() == "content-type":
            return _scanner(value) is not None and _STATUS.match(status) is not None
    return False


def kind_of(fields: Fields) -> Kind | None:
    """Return what kind of page a response that may be one is; None, if it is to stay as it is."""
    types = fields.values("content-type")
    scanner = _scanner(types[0]) if len(types) == 1 else None
    if scanner is None or _forbids(fields):
        return None
    name = _coding_name(fields)
    coding = find_coding(name) if name else None
    if name and coding is None:
        warn_once(
            f"pages with Content-Encoding {name!r} go out without the tag: it is no single coding"
            " that is known, or its library is not installed (pagetimer-wsgi[br,zstd])"
        )
        return None
    return Kind(scanner, coding, _length(fields))


@lru_cache(maxsize=256)
def _scanner(content_type: str) -> type[Scanner] | type[XmlScanner] | None:
    media_type, _, parameters = content_type.lower().partition(";")
    scanner = _SCANNERS.get(media_type.strip())
    return None if scanner is None or _FOREIGN_CHARSET.search(parameters) else scanner


def _forbids(fields: Fields) -> bool:
    """Whether a header says that the body is no page to look at, or not to be changed."""
    names = fields.names
    if not names.isdisjoint(_NO_BODY):
        return True
    if names.isdisjoint(("cache-control", "content-disposition")):
        return False
    dispositions = (value.partition(";")[0] for value in fields.values("content-disposition"))
    directives = ",".join(fields.values("cache-control")).split(",")
    return _says("attachment", dispositions) or _says("no-transform", directives)


def _says(word: str, texts: Iterable[str]) -> bool:
    return any(text.strip().lower() == word for text in texts)


def _coding_name(fields: Fields) -> str:
    codings = ", ".join(fields.values("content-encoding")).strip(" ,").lower()
    return "" if codings == "identity" else codings


def _length(fields: Fields) -> int | None:
    lengths = fields.values("content-length")
    length = lengths[0].strip() if len(lengths) == 1 else ""
    return int(length) if length.isascii() and length.isdecimal() else None
