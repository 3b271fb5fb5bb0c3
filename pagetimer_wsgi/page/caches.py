"""Caches and tokens: which pages may carry a token, and what their headers must then say.

A token names one person, so no shared cache may keep its page (RFC 9111, 5.2.2).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from . import Headers

_UNCACHED = frozenset({"no-cache", "max-age=0", "must-revalidate"})
# Caches that have a header of their own do not ask Cache-Control (RFC 9213 and before it).
_OTHER_CACHES = re.compile(
    r".*surrogate-control|.*cdn-cache-control|x-accel-expires|edge-control|x-litespeed-cache-control"
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


def caching(headers: Headers) -> Caching:
    """Return what the headers say to caches."""
    directives: list[str] = []
    expires = elsewhere = False
    for name, value in headers:
        lowered = name.lower()
        if lowered == "cache-control":
            directives += filter(None, map(str.strip, _DIRECTIVE.findall(value)))
        elif lowered == "expires":
            expires = True
        elif _OTHER_CACHES.fullmatch(lowered):
            elsewhere = True
    return Caching(directives, expires, elsewhere)


def with_token(headers: Headers, said: Caching) -> Headers:
    """Return the headers of a page that carries a token: ``private``, no Last-Modified.

    :param said: what they say to caches, as :func:`caching` tells; it lets them carry a token
    """
    kept = [pair for pair in headers if pair[0].lower() != "last-modified"]
    if said.forbids_sharing:
        return kept
    kept = [pair for pair in kept if pair[0].lower() != "cache-control"]
    return [*kept, ("Cache-Control", ", ".join([*said.directives, "private"]))]


def make_private(headers: Headers) -> Headers:
    """Return headers that no shared cache may keep: ``private`` for ``public`` and s-maxage."""
    directives = [
        directive
        for directive in caching(headers).directives
        if directive.partition("=")[0].strip().lower() not in _SHARED
    ]
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in ("cache-control", "last-modified")
        and not _OTHER_CACHES.fullmatch(name.lower())
    ]
    return [*kept, ("Cache-Control", ", ".join([*directives, "private"]))]
