"""Who sent a beat, as far as it may be kept, and whether it is to be kept at all."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from ..errors import Refused
from ..who.address import Address, client_address, kept_address
from ..who.keys import Keys
from ..who.sources import Pair, native
from ..who.token import Token
from ..who.visitor import cookie_header, cookie_value, daily_hash

Environ = dict[str, Any]
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
_MAX_TEXT, _MAX_USER = 512, 255
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Sender(msgspec.Struct, frozen=True, gc=False):
    """What a beat says about who sent it; ``None`` is unknown, or not to be kept."""

    username: str | None = None
    session_key: str | None = None
    visitor: str | None = None
    ip_address: str | None = None
    agent: str | None = None


@dataclass(frozen=True)
class Senders:
    """The rules of who is measured, and of how much is kept of them. Plain values only."""

    read_pair: Callable[[Environ], Pair]
    """environ -> the user and the session that it names."""
    visitor: str
    ip: str
    trusted_proxies: int
    privacy_signals: str
    measures_path: Callable[[str], bool] | None
    """plain path -> whether it is one to measure; None for all."""
    exclude_users: Collection[str]
    exclude_ips: Networks
    cookie_path: Callable[[Environ], str]

    def address(self, environ: Environ) -> Address | None:
        """Return whose address the request comes from."""
        return client_address(environ, self.trusted_proxies)

    def check_origin(self, environ: Environ) -> None:
        """Refuse what another site's page sent.

        Sec-Fetch-Site decides alone where it is sent (W3C Fetch Metadata); else Origin (RFC
        6454) must name the same host, or be ``null``, as Firefox says under ``no-referrer``.

        :raises Refused: 403
        """
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site is not None:
            if site != "same-origin":
                raise Refused(403, f"only pages of this very site are heard, not {site[:20]} ones")
            return
        origin = environ.get("HTTP_ORIGIN", "null")
        if origin == "null":
            return
        hosts = {environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")}
        if self.trusted_proxies:
            hosts.add(environ.get("HTTP_X_FORWARDED_HOST", "").rpartition(",")[2].strip())
        if _host(origin) not in {_host(f"//{host}") for host in hosts if host}:
            raise Refused(403, "only pages of this very site are heard")

    def measures(self, path: str, user: str | None, address: Address | None) -> bool:
        """Tell whether this page view is one to keep.

        :param path: as it is kept, percent-encoded
        """
        if user in self.exclude_users:
            return False
        if self.measures_path is not None:
            plain = unquote(path.partition("?")[0].partition("#")[0])
            if not self.measures_path(plain):
                return False
        if not self.exclude_ips or address is None:
            return True
        return not any(address in network for network in self.exclude_ips)

    def wants_privacy(self, environ: Environ) -> bool:
        """Tell whether the browser asks not to be followed (Sec-GPC, DNT), and we heed it."""
        signals = (environ.get("HTTP_SEC_GPC"), environ.get("HTTP_DNT"))
        return self.privacy_signals != "ignore" and "1" in signals

    def name(
        self, environ: Environ, keys: Keys, named: Pair, address: Address | None
    ) -> tuple[Sender, list[tuple[str, str]]]:
        """Return who sent it, and the headers that the answer then needs.

        :param named: the user and the session's keyed hash, see :func:`name_pair`
        """
        header = environ.get("HTTP_USER_AGENT", "")
        agent = _agent(header) if len(header) <= _MAX_TEXT else clean(native(header), _MAX_TEXT)
        if self.wants_privacy(environ):
            return Sender(agent=agent), []
        user, session = named
        visitor: str | None = None
        headers: list[tuple[str, str]] = []
        if user is None and session is None:
            visitor, headers = self._visitor(environ, keys, address, agent)
        kept = kept_address(address, self.ip)
        return Sender(clean(user, _MAX_USER), session, visitor, kept, agent), headers

    def _visitor(
        self, environ: Environ, keys: Keys, address: Address | None, agent: str | None
    ) -> tuple[str | None, list[tuple[str, str]]]:
        if self.visitor == "none":
            return None, []
        if self.visitor == "daily-hash":
            return daily_hash(keys, address, agent), []
        value, new = cookie_value(environ)
        secure = environ.get("wsgi.url_scheme") == "https"
        header = cookie_header(value, self.cookie_path(environ), secure)
        return keys.visitor(value), [header] if new else []


def name_pair(seq: int, keys: Keys, pair: Pair, token: Token | None) -> Pair:
    """Return whom a beat names: the user and the session's keyed hash.

    The first beat of a page view asks its own environ first. A later one asks the token: a
    leave beat's environ may hold the *next* page's cookies already. What is missing comes from
    the other, unless both know a session and these differ.

    :param pair: user and session as the application names them now
    """
    user, session = pair
    if session:
        session = keys.session_key(session)
    if token is None:
        return Pair(user, session)
    if seq == 0:
        other_user, other_session = token.user, token.session_key
    else:
        other_user, other_session = user, session
        user, session = token.user, token.session_key
    if session and other_session and session != other_session:
        return Pair(user, session)
    return Pair(user or other_user, session or other_session)


def clean(text: str | None, most: int) -> str | None:
    """Return a text from a header or an application as it can be kept; None for an empty one."""
    if not text:
        return None
    if text.isprintable():
        return text[:most]
    return _UNCLEAN.sub("", text.encode("utf-8", "replace").decode())[:most] or None


@lru_cache(1024)
def _agent(header: str) -> str | None:
    return clean(native(header), _MAX_TEXT)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
