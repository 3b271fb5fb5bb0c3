"""Caches and tokens: which pages may carry a token, and what their headers must then say.

A token names one person, so no shared cache may keep its page (RFC 9111, 5.2.2).
"""

from __future__ import annotations

import re

from .. import Headers
from .fields import Fields

_UNCACHED = frozenset({"no-cache", "max-age=0", "must-revalidate"})
# Caches that have a header of their own do not ask Cache-Control (RFC 9213 and before it).
_OTHER_CACHES = (
    "cdn-cache-control",
    "edge-control",
    "surrogate-control",
    "x-accel-expires",
    "x-litespeed-cache-control",
)
_DIRECTIVE = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^,"])+')
_PRIVATE = frozenset({"private", "no-store"})
_SHARED = frozenset({"public", "s-maxage", "private"})


def forbids_sharing(fields: Fields) -> bool:
    """Tell whether a response stays out of every shared cache."""
    return not (_words(fields).isdisjoint(_PRIVATE) or _asks_other_caches(fields))


def may_carry_token(fields: Fields) -> bool:
    """Tell whether no shared cache may keep a page, or would once it says ``private``."""
    if _asks_other_caches(fields):
        return False
    words = _words(fields)
    return not words.isdisjoint(_PRIVATE) or (words <= _UNCACHED and "expires" not in fields.names)


def with_token(fields: Fields) -> Headers:
    """Return the headers of a page that carries a token: ``private``, no Last-Modified."""
    if not _words(fields).isdisjoint(_PRIVATE):
        return fields.without("last-modified")
    kept = fields.without("cache-control", "last-modified")
    return [*kept, ("Cache-Control", ", ".join([*_directives(fields), "private"]))]


def make_private(fields: Fields) -> Headers:
    """Return headers that no shared cache may keep: ``private`` for ``public`` and s-maxage."""
    directives = [
        directive
        for directive in _directives(fields)
        if directive.partition("=")[0].strip().lower() not in _SHARED
    ]
    others = (name for name in fields.names if name.endswith(_OTHER_CACHES))
    kept = fields.without("cache-control", "last-modified", *others)
    return [*kept, ("Cache-Control", ", ".join([*directives, "private"]))]


def _asks_other_caches(fields: Fields) -> bool:
    return any(name.endswith(_OTHER_CACHES) for name in fields.names)


def _words(fields: Fields) -> set[str]:
    return {directive.lower() for directive in _directives(fields)}


def _directives(fields: Fields) -> list[str]:
    """The directives of all Cache-Control headers, as they came."""
    found: list[str] = []
    for value in fields.values("cache-control"):
        found += filter(None, map(str.strip, _DIRECTIVE.findall(value)))
    return found
