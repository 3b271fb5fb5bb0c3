"""One page on its way out: which tag it gets, and which headers it then needs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ..page.response import Headers, Tagged
from ..page.tag import LazyTag, base_address, make_tag
from ..who.keys import KeyRing, NoSecret
from ..who.sources import Environ, Pair
from ..who.token import Token, hash_path, sign

_UNCACHED = frozenset({"no-cache", "max-age=0", "must-revalidate"})
# Caches that have a header of their own do not ask Cache-Control (RFC 9213 and before it).
_OTHER_CACHES = re.compile(
    r".*surrogate-control|.*cdn-cache-control|x-accel-expires|edge-control|x-litespeed-cache-control"
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')


@dataclass(frozen=True)
class TagMaker:
    """What all pages of one mount have in common."""

    prefix: str
    url: str | None
    trusted_proxies: int
    version: str
    options: str
    inject: bool
    exclude_users: Collection[str]
    read_pair: Callable[[Environ], Pair]
    measures: Callable[[str], bool]
    """plain path -> whether ``include`` and ``exclude`` let it be measured."""
    key_ring: KeyRing
    say: Callable[[str, str], None]
    """tells of an error of ours: part, message."""

    def base(self, environ: Environ) -> str:
        """Return the address of ``prefix`` for the request as it stands in environ."""
        return self._base(environ.get("SCRIPT_NAME", ""), environ)

    def _base(self, script_name: str, environ: Environ) -> str:
        outer = environ.get("HTTP_X_FORWARDED_PREFIX", "") if self.trusted_proxies else ""
        return base_address(script_name, self.prefix, self.url, outer)


class Outgoing:
    """The state of one request; made before the application runs, for it may shift paths."""

    def __init__(self, maker: TagMaker, environ: Environ, start_response: Any) -> None:
        self._maker = maker
        self._environ = environ
        self._script_name: str = environ.get("SCRIPT_NAME", "")
        self._path: str = self._script_name + environ.get("PATH_INFO", "")
        self._start_response = start_response
        self._sent: Headers | None = None
        self._needs_private = False
        self._lazy = environ["pagetimer.tag"] = LazyTag(self._late_tag)

    def start_response(self, status: str, headers: Headers, *exc_info: Any) -> Any:
        """Hand status and headers on; a page that got a token by hand leaves shared caches."""
        if self._needs_private:
            headers = make_private(headers)
        self._sent = headers
        return self._start_response(status, headers, *exc_info)

    def dress(self, headers: Headers) -> Tagged | None:
        """Return the tag for the page that is about to go out, and its headers."""
        if self._lazy.used or not self._maker.inject or not self._is_measured():
            return None
        self._lazy.used = True
        pair = self._pair()
        if pair.user in self._maker.exclude_users:
            return None
        token = ""
        if pair != (None, None) and may_carry_token(headers):
            token = self._token(pair)
        return Tagged(self._tag(token), with_token(headers) if token else headers)

    def _late_tag(self) -> str:
        """Return the markup of ``pagetimer.tag``; a template that asks for it never fails."""
        try:
            return self._markup()
        except Exception as error:  # the application's own objects are asked
            self._maker.say("tag", f"a page goes out without it: {error!r}")
            return ""

    def _markup(self) -> str:
        pair = self._pair()
        if not self._is_measured() or pair.user in self._maker.exclude_users:
            return ""
        token = ""
        # Once the headers are out they must forbid shared caches by themselves.
        if pair != (None, None) and (self._sent is None or forbids_sharing(self._sent)):
            token = self._token(pair)
            self._needs_private = bool(token)
        return self._tag(token).decode()

    def _is_measured(self) -> bool:
        if self._environ.get("pagetimer.skip"):
            return False
        return self._maker.measures(self._plain_path().decode("utf-8", "replace"))

    def _pair(self) -> Pair:
        try:
            return self._maker.read_pair(self._environ)
        except Exception as error:
            self._maker.say("who", f"user or session cannot be read: {error!r}")
            return Pair()

    def _token(self, pair: Pair) -> str:
        try:
            keys = self._maker.key_ring.get()
        except NoSecret as error:
            self._maker.say("secret", str(error))
            return ""
        route = self._environ.get("pagetimer.route")
        session = keys.session_key(pair.session) if pair.session else None
        path = hash_path(self._plain_path())
        named = Token(pair.user, session, route and str(route), path, int(time.time()))
        return sign(keys, named)

    def _tag(self, token: str) -> bytes:
        maker = self._maker
        nonce = self._environ.get("pagetimer.nonce")
        address = maker._base(self._script_name, self._environ)
        return make_tag(address, maker.version, token, maker.options, nonce and str(nonce))

    def _plain_path(self) -> bytes:
        """Return the path that the browser shows, without percent-encoding."""
        path = self._path.encode("latin-1", "replace")
        if self._maker.trusted_proxies:
            outer = self._environ.get("HTTP_X_FORWARDED_PREFIX", "").partition(",")[0].strip()
            outer = outer.rstrip("/").encode("latin-1", "replace")
            path = path if path.startswith(outer + b"/") else outer + path
        return path


def may_carry_token(headers: Headers) -> bool:
    """Tell whether no shared cache may keep the page, or would once it says ``private``."""
    if forbids_sharing(headers):
        return True
    if any(_OTHER_CACHES.fullmatch(name.lower()) for name, _ in headers):
        return False
    names = {name.lower() for name, _ in headers}
    if "expires" in names:
        return False
    return _UNCACHED.issuperset(_directives(headers))


def forbids_sharing(headers: Headers) -> bool:
    """Tell whether the headers keep a response out of every shared cache (RFC 9111, 5.2.2)."""
    if any(_OTHER_CACHES.fullmatch(name.lower()) for name, _ in headers):
        return False
    return not {"private", "no-store"}.isdisjoint(_directives(headers))


def with_token(headers: Headers) -> Headers:
    """Return the headers of a page that carries a token: private, and never revalidated."""
    kept = [pair for pair in headers if pair[0].lower() not in ("last-modified", "etag")]
    if forbids_sharing(kept):
        return kept
    directives = [*_directives(kept), "private"]
    kept = [pair for pair in kept if pair[0].lower() != "cache-control"]
    return [*kept, ("Cache-Control", ", ".join(directives))]


def make_private(headers: Headers) -> Headers:
    """Return headers that no shared cache may keep: ``private`` for ``public`` and s-maxage."""
    dropped = ("cache-control", "last-modified", "etag")
    directives = [
        directive
        for directive in _directives(headers)
        if directive.partition("=")[0] not in ("public", "s-maxage", "private")
    ]
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped and not _OTHER_CACHES.fullmatch(name.lower())
    ]
    return [*kept, ("Cache-Control", ", ".join([*directives, "private"]))]


def _directives(headers: Headers) -> list[str]:
    """Return the directives of all Cache-Control headers, lowered; what is quoted is no word."""
    values = [
        _QUOTED.sub('""', value) for name, value in headers if name.lower() == "cache-control"
    ]
    return [part.strip().lower() for part in ",".join(values).split(",") if part.strip()]
