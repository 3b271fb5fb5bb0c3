"""One page on its way out: which tag it gets, and which headers it then needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

from ..page import Headers
from ..page.address import base_address, leads_away, page_origin
from ..page.begin import Tagged, settled
from ..page.caches import caching, make_private, with_token
from ..page.fields import Fields
from ..page.once import warn_once
from ..page.policy import HEADERS as POLICY_HEADERS
from ..page.policy import Verdict, judge
from ..page.response import Exchange
from ..page.said import Said
from ..page.tag import LazyTag, Tag
from ..page.validators import mark, mark_again, turn_back
from ..who.keys import KeyRing, Keys, NoSecret
from ..who.sources import Environ, Pair
from ..who.token import Token, hash_path, sign

_CREDENTIALS = ("HTTP_COOKIE", "HTTP_AUTHORIZATION")
_CONDITIONS = frozenset(("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"))


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
        return self.tag(environ.get("SCRIPT_NAME", ""), environ).address

    def tag(self, script_name: str, environ: Environ) -> Tag:
        """Return the tag of a mount.

        :param script_name: SCRIPT_NAME as it was before the application ran
        """
        outer = environ.get("HTTP_X_FORWARDED_PREFIX", "") if self.trusted_proxies else ""
        return _tag(script_name, self.prefix, self.url, outer, self.version, self.options)


@lru_cache(maxsize=256)
def _tag(
    script_name: str, prefix: str, url: str | None, outer: str, version: str, options: str
) -> Tag:
    return Tag(base_address(script_name, prefix, url, outer), version, options)


class Outgoing(Exchange):
    """The state of one request; made before the application runs, for it may shift paths."""

    _sent: Headers | None = None
    _late_token = False
    _marked: Mapping[str, str] = MappingProxyType({})
    """ETags that were turned back, and as what the client knows them."""

    def __init__(self, maker: TagMaker, environ: Environ, start_response: Any) -> None:
        super().__init__(environ, start_response)
        self._maker = maker
        self._script_name: str = environ.get("SCRIPT_NAME", "")
        self._path_info: str = environ.get("PATH_INFO", "")
        self._lazy = environ["pagetimer.tag"] = LazyTag(self)
        if "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ:
            self._turn_back()

    def failed(self, error: Exception) -> None:
        """Take note of an error of ours, for which a page goes out without its tag."""
        self._maker.say("page", f"a page goes out without its tag: {error!r}")

    def amend(self, status: str, headers: Headers) -> Headers:
        """Return the headers with what a tag by hand or a turned ETag asks of them."""
        if self._late_token:
            headers = mark(make_private(Fields(headers)), self._version(with_token=True))
        if self._marked and status.startswith("304"):
            headers = self._not_modified(Fields(headers))
        self._sent = headers
        return headers

    def dress(self, fields: Fields) -> Tagged | None:
        """Return the tag for the page that is about to go out, and its headers."""
        if self._lazy.used or not self._maker.inject or not self._is_measured():
            return None
        self._lazy.used = True
        pair = self._pair()
        verdict = self._judge(fields)
        if pair.user in self._maker.exclude_users or verdict.missing:
            return None
        make_token, headers = None, fields.pairs
        if pair != (None, None):
            to_caches = caching(fields)
            make_token = self._token_maker(pair) if to_caches.may_carry_token else None
            headers = with_token(fields, to_caches) if make_token else headers
        if "etag" in fields.names:
            headers = mark(headers, self._version(bool(make_token)))
        return Tagged(partial(self._place, fields, verdict, make_token), headers)

    def _place(
        self, fields: Fields, verdict: Verdict, make_token: Callable[[], str] | None, said: Said
    ) -> bytes:
        """Return the markup for a head that has said so much, or nothing."""
        tag = self._tag()
        by_path = tag.address.startswith("/")
        if by_path and said.base and leads_away(said.base, self._origin()):
            warn_once(
                "a page goes out without the tag: its <base href> leads to another origin;"
                " set the option url to the whole address of the prefix, with https:// and host",
                self._script_name + self._path_info,
            )
            return b""
        if said.policies:
            verdict = self._judge(fields, said.policies)
        if verdict.missing:
            return b""
        return tag.markup(make_token() if make_token else "", verdict.nonce)

    def _judge(self, fields: Fields, metas: Sequence[str] = ()) -> Verdict:
        """Return what the page's own policies say of the tag."""
        nonce = self._environ.get("pagetimer.nonce")
        nonce = str(nonce) if nonce else None
        if not metas and fields.names.isdisjoint(POLICY_HEADERS):
            return Verdict(nonce, None)
        verdict = judge(fields.pairs, metas, self._origin(), self._tag().address, nonce)
        if verdict.missing:
            path = self._script_name + self._path_info
            warn_once(f"a page goes out without the tag: {verdict.missing}", path)
        return verdict

    def late_markup(self) -> str:
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
        if pair != (None, None) and (
            self._sent is None or caching(Fields(self._sent)).forbids_sharing
        ):
            make_token = self._token_maker(pair)
            token = make_token() if make_token else ""
            self._late_token = bool(token)
        nonce = self._environ.get("pagetimer.nonce")
        return self._tag().markup(token, nonce and str(nonce)).decode()

    def _turn_back(self) -> None:
        """Take our marks off the ETags that the client has; the application knows no marks."""
        environ = self._environ
        try:
            if not self._maker.inject or not self._is_measured():
                return
            for condition in _CONDITIONS & environ.keys():
                environ[condition], marked = turn_back(environ[condition], self._is_current)
                self._marked = {**self._marked, **marked}
        except Exception as error:
            self._maker.say("etag", f"a condition goes on as it came: {error!r}")

    def _is_current(self, version: str) -> bool:
        return version in (self._version(with_token=False), self._version(with_token=True))

    def _version(self, with_token: bool) -> str:
        """Return what of ours is in a page, as hex digits; with a token, for whom too."""
        fingerprint = self._tag().fingerprint
        keys = self._keys() if with_token else None
        if keys is None:
            return fingerprint
        environ = self._environ
        cookie, authorization = (
            environ.get("HTTP_COOKIE", ""),
            environ.get("HTTP_AUTHORIZATION", ""),
        )
        return fingerprint + keys.validator(cookie, authorization)

    def _not_modified(self, fields: Fields) -> Headers:
        """Return the headers of a 304 as those of the page that it speaks of were."""
        own = self._version(with_token=True) + '"'
        headers, said = fields.pairs, caching(fields)
        if said.may_carry_token and any(etag.endswith(own) for etag in self._marked.values()):
            headers = with_token(fields, said)
        return mark_again(settled(headers, None), self._marked)

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

    def _token_maker(self, pair: Pair) -> Callable[[], str] | None:
        """Return what signs a token with what environ knows now; None without a secret."""
        keys = self._keys()
        if keys is None:
            return None
        return partial(self._token, keys, pair, self._environ.get("pagetimer.route"))

    def _token(self, keys: Keys, pair: Pair, route: object) -> str:
        session = keys.session_key(pair.session) if pair.session else None
        path = hash_path(self._plain_path())
        named = Token(pair.user, session, str(route) if route else None, path, int(time.time()))
        return sign(keys, named)

    def _keys(self) -> Keys | None:
        try:
            return self._maker.key_ring.get()
        except NoSecret as error:
            self._maker.say("secret", str(error))
            return None

    def _tag(self) -> Tag:
        return self._maker.tag(self._script_name, self._environ)

    def _origin(self) -> str:
        return page_origin(self._environ, self._maker.trusted_proxies)

    def _plain_path(self) -> bytes:
        """Return the path that the browser shows, without percent-encoding."""
        path = (self._script_name + self._path_info).encode("latin-1", "replace")
        if self._maker.trusted_proxies:
            outer = self._environ.get("HTTP_X_FORWARDED_PREFIX", "").partition(",")[0].strip()
            outer = outer.rstrip("/").encode("latin-1", "replace")
            path = path if path.startswith(outer + b"/") else outer + path
        return path
