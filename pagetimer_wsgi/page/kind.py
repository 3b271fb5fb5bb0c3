"""Which responses are pages, and of what kind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from . import Headers
from .coding import Coding, find_coding
from .head import Scanner
from .once import warn_once
from .xhtml import XmlScanner

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
_NO_BODY = frozenset(("content-range", "x-accel-redirect", "x-litespeed-location", "x-sendfile"))
_TELLING = _NO_BODY | {"cache-control", "content-disposition", "content-encoding", "content-length"}


class Kind(NamedTuple):
    """How a page is read.

    :param scanner: finds the tag's place
    :param coding: what it is coded in
    :param length: the body's bytes, if the application says one number
    """

    scanner: type[Scanner] | type[XmlScanner]
    coding: Coding | None
    length: int | None


def kind_of(status: str, headers: Headers) -> Kind | None:
    """Return what kind of page a response is; None, if its bytes are not to be changed."""
    types = [value for name, value in headers if name.lower() == "content-type"]
    scanner = _scanner(types[0]) if len(types) == 1 else None
    if scanner is None or not _STATUS.match(status):
        return None
    said: dict[str, list[str]] = {}
    for name, value in headers:
        if (lowered := name.lower()) in _TELLING:
            said.setdefault(lowered, []).append(value.strip().lower())
    if _forbid(said):
        return None
    name = _coding_name(said)
    coding = find_coding(name) if name else None
    if name and coding is None:
        warn_once(
            f"pages with Content-Encoding {name!r} go out without the tag: the coding is not known,"
            " or its library is not installed (pagetimer-wsgi[br], pagetimer-wsgi[zstd])"
        )
        return None
    return Kind(scanner, coding, _length(said))


@lru_cache(maxsize=256)
def _scanner(content_type: str) -> type[Scanner] | type[XmlScanner] | None:
    media_type, _, parameters = content_type.lower().partition(";")
    scanner = _SCANNERS.get(media_type.strip())
    return None if scanner is None or _FOREIGN_CHARSET.search(parameters) else scanner


def _forbid(said: dict[str, list[str]]) -> bool:
    """Whether a header says that the body is no page to look at, or not to be changed."""
    if not _NO_BODY.isdisjoint(said):
        return True
    dispositions = (value.partition(";")[0] for value in said.get("content-disposition", ()))
    directives = ",".join(said.get("cache-control", ())).split(",")
    return "attachment" in map(str.strip, dispositions) or "no-transform" in map(
        str.strip, directives
    )


def _coding_name(said: dict[str, list[str]]) -> str:
    codings = ", ".join(filter(None, said.get("content-encoding", ())))
    return "" if codings == "identity" else codings


def _length(said: dict[str, list[str]]) -> int | None:
    lengths = said.get("content-length", ())
    if len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdecimal():
        return int(lengths[0])
    return None
