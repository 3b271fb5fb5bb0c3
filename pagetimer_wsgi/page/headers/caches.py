"""Caches and tokens: which pages may carry a token, and what their headers must then say.

A token names one person, so no shared cache may keep its page (RFC 9111, 5.2.2).
"""

from __future__ import annotations

import re
from typing import NamedTuple

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
_SHARED = frozenset({"public", "s-maxage", "private"})


class Caching(NamedTuple):
    """What the headers say to caches.

    :param directives: those of all Cache-Control headers, as they came
    :param expires: there is an Expires
    :param elsewhere: there are headers for caches that do not ask Cache-Control
    """

    directives: list[str]
    expires: bool
    elsewhere: bool

    @property
    def forbids_sharing(self) -> bool:
        """Whether the response stays out of every shared cache."""
        return not self.elsewhere and any(
            directive.lower() in ("private", "no-store") for directive in self.directives
        )

    @property
    def may_carry_token(self) -> bool:
        """Whether no shared cache may keep the page, or would once it says ``private``."""
        if self.elsewhere or self.forbids_sharing:
            return not self.elsewhere
        return not self.expires and _UNCACHED.issuperset(map(str.lower, self.directives))


def caching(fields: Fields) -> Caching:
    """Return what the headers say to caches."""
    directives = [
        directive.strip()
        for value in fields.values("cache-control")
        for directive in _DIRECTIVE.findall(value)
        if directive.strip()
    ]
    elsewhere = [name for name in fields.names if name.endswith(_OTHER_CACHES)]
    return Caching(directives, "expires" in fields.names, bool(elsewhere))


def with_token(fields: Fields, said: Caching) -> Headers:
    """Return the headers of a page that carries a token: ``private``, no Last-Modified.

    :param said: what they say to caches; it lets them carry a token
    """
    if said.forbids_sharing:
        return fields.without("last-modified")
    kept = fields.without("cache-control", "last-modified")
    return [*kept, ("Cache-Control", ", ".join([*said.directives, "private"]))]


def make_private(fields: Fields) -> Headers:
    """Return headers that no shared cache may keep: ``private`` for ``public`` and s-maxage."""
    directives = [
        directive
        for directive in caching(fields).directives
        if directive.partition("=")[0].strip().lower() not in _SHARED
    ]
    others = (name for name in fields.names if name.endswith(_OTHER_CACHES))
    kept = fields.without("cache-control", "last-modified", *others)
    return [*kept, ("Cache-Control", ", ".join([*directives, "private"]))]
