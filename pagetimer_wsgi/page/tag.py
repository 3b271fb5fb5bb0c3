"""The one tag: its script, and the markup that stands in a page."""

from __future__ import annotations

import hashlib
import re
import weakref
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import Protocol

MARK = "data-pagetimer"
"""The attribute that holds the token, and by which the tag is known."""


class Script:
    """The client as it is served."""

    @cached_property
    def body(self) -> bytes:
        """Its bytes, minified."""
        return (files(__package__) / "client" / "pagetimer.min.js").read_bytes()

    @cached_property
    def version(self) -> str:
        """A short hash of its bytes."""
        return hashlib.blake2b(self.body, digest_size=6).hexdigest()


@dataclass(frozen=True)
class Tag:
    """The tag of one mount: the same bytes on every page, but for token and nonce.

    :param address: of ``prefix``, as a browser must ask for it
    :param version: of the client's script
    :param options: the client's attributes, see :func:`client_options`
    """

    address: str
    version: str
    options: str

    def markup(self, token: str = "", nonce: str | None = None) -> bytes:
        """Return the markup: valid HTML and XHTML, plain ASCII, ``async``.

        :param nonce: the page's, for its Content-Security-Policy
        """
        if nonce is None:
            return self._start + token.encode() + self._end
        attribute = f' nonce="{escape(nonce)}"></script>'
        return (
            self._start
            + token.encode()
            + self._end.replace(b"></script>", attribute.encode("ascii", "xmlcharrefreplace"))
        )

    @cached_property
    def fingerprint(self) -> str:
        """Eight hex digits that change with the markup, and so with the client."""
        return hashlib.blake2b(self.markup(), digest_size=4).hexdigest()

    @cached_property
    def _start(self) -> bytes:
        source = escape(f"{self.address}/pagetimer.js?v={self.version}")
        start = f'<script async="async" src="{source}" {MARK}="'
        return start.encode("ascii", "xmlcharrefreplace")

    @cached_property
    def _end(self) -> bytes:
        return f'"{self.options}></script>'.encode("ascii", "xmlcharrefreplace")


def client_options(
    idle_after: int, query_parameters: tuple[str, ...], fragments: bool, automation: bool
) -> str:
    """Return the attributes that tell the client what to measure.

    :param idle_after: seconds
    """
    cut = escape(route_cut(query_parameters, fragments))
    options = f' data-idle="{idle_after * 1000}" data-cut="{cut}"'
    if not automation:
        options += ' data-off="webdriver"'  # the property of ``navigator`` that stops the client
    return options


def route_cut(query_parameters: tuple[str, ...], fragments: bool) -> str:
    """Return the regular expression by which the client makes a route of an address.

    What it matches is replaced by its two groups, all over ``location.href``: that leaves the path,
    and as much of query and fragment as the server will keep. So a change of what is not kept is
    no route change. It is read by ECMAScript 5, which cannot look behind.

    :param query_parameters: names that are kept; ``*`` keeps the query as it is
    """
    start = "^.*?//[^/]*([^?#]*"
    if "*" in query_parameters:
        query = start + r")(?:\?(?=#|$))?"
    elif any(query_parameters):
        names = "|".join(re.escape(name) for name in query_parameters if name)
        kept = f"(?:{names})(?![^=&#])"
        follows = f"(?:[^#]*&)?{kept}"
        query = (
            rf"{start}(?:\?(?={follows}))?)(?:\?(?!{follows})[^#]*)?"
            rf"(?:(?!{kept})[^&#]*&)*|&(?!{kept})[^&#]*"
        )
    else:
        query = start + ")[^#]*"
    return query + ("|(#.+)|#" if fragments else "|()#.*")


class Late(Protocol):
    """What can give a tag late."""

    def late_markup(self) -> str:
        """Return the markup, as much as is known by now."""


class LazyTag:
    """``pagetimer.tag``: becomes markup when it is first turned into text.

    :param late: gives the markup, once. It is held weakly, for environ holds this object, and
        what gives the markup holds environ
    """

    __slots__ = ("_late", "used")

    def __init__(self, late: Late) -> None:
        self._late = weakref.ref(late)
        self.used = False

    def __str__(self) -> str:
        if self.used:  # a page gets one tag
            return ""
        self.used = True
        late = self._late()
        return late.late_markup() if late else ""

    __html__ = __str__
