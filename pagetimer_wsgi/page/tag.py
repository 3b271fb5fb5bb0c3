"""The one tag: where its script is, and the markup that stands in a page."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable
from functools import cached_property
from html import escape
from importlib.resources import files
from urllib.parse import quote

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


def base_address(
    script_name: str, prefix: str, url: str | None = None, forwarded_prefix: str = ""
) -> str:
    """Return the address of ``prefix`` as a browser must ask for it, without a slash at the end.

    Path-absolute, percent-encoded, with one leading slash; never with scheme or host from the
    request.

    :param script_name: SCRIPT_NAME as the server gave it (PEP 3333: bytes as latin-1)
    :param url: replaces it all
    :param forwarded_prefix: X-Forwarded-Prefix of a trusted proxy; put before unless there
    """
    if url:
        return url
    mount = "/" + script_name.strip("/")
    outer = "/" + forwarded_prefix.partition(",")[0].strip().strip("/")
    if outer != "/" and mount != outer and not mount.startswith(outer + "/"):
        mount = outer + mount
    mount = mount.rstrip("/")
    return quote(mount.encode("latin-1", "replace"), safe="/%:@!$&'()*+,;=~-._") + prefix


def make_tag(
    address: str, version: str, token: str, options: str, nonce: str | None = None
) -> bytes:
    """Return the tag: valid HTML and XHTML, plain ASCII, ``async``.

    :param address: of ``prefix``
    :param options: the client's attributes, see :func:`client_options`
    :param nonce: the page's, for its Content-Security-Policy
    """
    source = escape(f"{address}/pagetimer.js?v={version}")
    nonce = f' nonce="{escape(nonce)}"' if nonce else ""
    tag = f'<script async="async" src="{source}" {MARK}="{token}"{options}{nonce}></script>'
    return tag.encode("ascii", "xmlcharrefreplace")


def client_options(
    idle_after: int, query_parameters: tuple[str, ...], fragments: bool, automation: bool
) -> str:
    """Return the attributes that tell the client what to measure.

    :param idle_after: seconds
    """
    options = f' data-idle="{idle_after}"'
    if query_parameters:
        options += f' data-query="{escape(" ".join(query_parameters))}"'
    if fragments:
        options += ' data-fragments="yes"'
    if automation:
        options += ' data-automation="yes"'
    return options


class LazyTag:
    """``pagetimer.tag``: becomes markup when it is first turned into text.

    :param make: a method that gives the markup; called once. It is held weakly, for environ
        holds this object, and the method's object holds environ
    """

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = weakref.WeakMethod(make)
        self.used = False

    def __str__(self) -> str:
        if self.used:  # a page gets one tag
            return ""
        self.used = True
        make = self._make()
        return make() if make else ""

    __html__ = __str__
