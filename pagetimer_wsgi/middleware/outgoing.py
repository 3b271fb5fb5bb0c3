"""One page on its way out: which tag it gets, and which headers it then needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..page import Headers
from ..page.address import leads_away, outside_path, page_origin
from ..page.begin import Tagged
from ..page.document.said import Said
from ..page.headers.caches import forbids_sharing, make_private, may_carry_token, with_token
from ..page.headers.fields import Fields
from ..page.headers.policy import HEADERS as POLICY_HEADERS
from ..page.headers.policy import Verdict, judge
from ..page.headers.validators import mark
from ..page.once import warn_once
from ..page.response import Exchange
from ..page.tag import LazyTag, Tag
from ..who.keys import Keys
from ..who.sources import Environ, Pair
from ..who.token import Token, hash_path, sign
from .conditions import Conditions
from .tags import TagMaker


class Outgoing(Exchange):
    """The state of one request; made before the application runs, for it may shift paths."""

    _has_late_token = False
    _conditions: Conditions | None = None

    def __init__(self, maker: TagMaker, environ: Environ, start_response: Any) -> None:
        # Every request comes by here, so the base class is spared its turn.
        self._environ = environ
        self._start_response = start_response
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
        if self._conditions:
            self._conditions.restore()
            if status.startswith("304"):
                headers = self._conditions.not_modified(headers, self._personal_version())
        if self._has_late_token:
            headers = mark(make_private(Fields(headers)), self._personal_version() or "")
        return headers

    def dress(self, fields: Fields) -> Tagged | None:
        """Return the tag for the page that is about to go out, and its headers."""
        if self._is_tagged() or not self._maker.inject or not self._is_measured():
            return None
        pair = self._maker.read_pair(self._environ)
        verdict = self._judge(fields)
        if pair.user in self._maker.exclude_users or verdict.missing:
            return None
        make_token = None
        if pair != (None, None) and may_carry_token(fields):
            make_token = self._token_maker(pair)
        headers = with_token(fields) if make_token else fields.pairs
        if "etag" in fields.names:
            version = self._personal_version() if make_token else None
            headers = mark(headers, version or self._tag().fingerprint)
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
        if verdict.missing or self._is_tagged():
            return b""
        self._lazy.used = True
        return tag.markup(make_token() if make_token else "", verdict.nonce)

    def _is_tagged(self) -> bool:
        """Whether a template wrote the tag, ours or that of another PageTimer inside."""
        inner = self._environ.get("pagetimer.tag")
        return self._lazy.used or bool(getattr(inner, "used", False))

    def _judge(self, fields: Fields, metas: Sequence[str] = ()) -> Verdict:
        """Return what the page's own policies say of the tag."""
        if not metas and fields.names.isdisjoint(POLICY_HEADERS):
            return Verdict(self._nonce(), None)
        address = self._tag().address
        verdict = judge(fields.pairs, metas, self._origin(), address, self._nonce())
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
        pair = self._maker.read_pair(self._environ)
        if not self._is_measured() or pair.user in self._maker.exclude_users:
            return ""
        token = ""
        # Once the headers are out they must forbid shared caches by themselves.
        if pair != (None, None) and (self._sent is None or forbids_sharing(Fields(self._sent))):
            make_token = self._token_maker(pair)
            token = make_token() if make_token else ""
            self._has_late_token = bool(token)
            self._amends |= self._has_late_token
        return self._tag().markup(token, self._nonce()).decode()

    def _turn_back(self) -> None:
        """Take our marks off the ETags that the client has."""
        try:
            if self._maker.inject and self._is_measured():
                self._conditions = Conditions(self._environ, self._is_current)
                self._amends = True
        except Exception as error:
            self._maker.say("etag", f"a condition goes on as it came: {error!r}")

    def _is_current(self, version: str) -> bool:
        return version in (self._tag().fingerprint, self._personal_version())

    def _personal_version(self) -> str | None:
        """Return what of ours is in a page with a token, and for whom; None without a secret."""
        keys, environ = self._maker.keys(), self._environ
        if keys is None:
            return None
        cookie = environ.get("HTTP_COOKIE", "")
        return self._tag().fingerprint + keys.validator(
            cookie, environ.get("HTTP_AUTHORIZATION", "")
        )

    def _is_measured(self) -> bool:
        if self._environ.get("pagetimer.skip"):
            return False
        measures = self._maker.measures
        return measures is None or measures(self._plain_path().decode("utf-8", "replace"))

    def _token_maker(self, pair: Pair) -> Callable[[], str] | None:
        """Return what signs a token with what environ knows now; None without a secret."""
        keys = self._maker.keys()
        if keys is None:
            return None
        return partial(self._token, keys, pair, self._environ.get("pagetimer.route"))

    def _token(self, keys: Keys, pair: Pair, route: object) -> str:
        session = keys.session_key(pair.session) if pair.session else None
        path = hash_path(self._plain_path())
        named = Token(pair.user, session, str(route) if route else None, path, int(time.time()))
        return sign(keys, named)

    def _nonce(self) -> str | None:
        nonce = self._environ.get("pagetimer.nonce")
        return str(nonce) if nonce else None

    def _tag(self) -> Tag:
        return self._maker.tag(self._script_name, self._environ)

    def _origin(self) -> str:
        return page_origin(self._environ, self._maker.trusted_proxies)

    def _plain_path(self) -> bytes:
        """Return the path that the browser shows, without percent-encoding."""
        path = (self._script_name + self._path_info).encode("latin-1", "replace")
        return outside_path(path, self._maker.outer(self._environ))
