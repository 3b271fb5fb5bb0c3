"""ETags of pages: weak and marked on the way out, turned back on the way in.

The bytes of a page are no longer those that its ETag spoke of (RFC 9110, 8.8.3), and the
application must still know its own ETag when it comes back: a tag that is only weakened makes
some applications never answer 304 again, and others refuse If-Match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .. import Headers

_CHARACTERS = r"[\x21\x23-\x7e\x80-\xff]*"
_WELL_FORMED = re.compile(rf'\s*(W/)?"({_CHARACTERS})"\s*')
_MARKED = re.compile(rf'W/"({_CHARACTERS})-pt([sw])([0-9a-f]+)"')


def mark(headers: Headers, version: str) -> Headers:
    """Return the headers with each well-formed ETag weak and marked.

    :param version: hex digits that change with whatever of ours changes in the page
    """
    return [
        (name, _mark(value, version) if name.lower() == "etag" else value)
        for name, value in headers
    ]


def turn_back(condition: str, is_ours: Callable[[str], bool]) -> tuple[str, dict[str, str]]:
    """Take our mark off the ETags of a condition.

    :param condition: the value of If-None-Match or If-Match
    :param is_ours: tells of a mark's version whether this page would get it now
    :return: the condition as the application knows it; what each ETag's inner text was marked as
    """
    marked: dict[str, str] = {}

    def original(match: re.Match[str]) -> str:
        inner, strength, version = match.groups()
        if not is_ours(version):
            return match[0]
        marked[inner] = match[0]
        return f'"{inner}"' if strength == "s" else f'W/"{inner}"'

    return _MARKED.sub(original, condition), marked


def mark_again(headers: Headers, marked: Mapping[str, str]) -> Headers:
    """Return the headers of a 304 with the ETag that the client knows.

    :param marked: what :func:`turn_back` gave
    """
    return [
        (name, marked.get(_inner(value), value) if name.lower() == "etag" else value)
        for name, value in headers
    ]


def _mark(etag: str, version: str) -> str:
    found = _WELL_FORMED.fullmatch(etag)
    if found is None:
        return etag
    return f'W/"{found[2]}-pt{"w" if found[1] else "s"}{version}"'


def _inner(etag: str) -> str:
    found = _WELL_FORMED.fullmatch(etag)
    return found[2] if found else ""
