"""The sources of a Content-Security-Policy, and the addresses that they let through.

CSP Level 3, 2.3.1 (what a source is) and 6.7.2 (URL matching), for HTTP(S) addresses that no
redirect leads to. Where specification and browsers differ, the narrower reading holds; but all
browsers match IP addresses as they stand, and so does this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^][/:?#@\\]+)(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>/[^?#]*)?",
    re.ASCII | re.IGNORECASE,
)
_SCHEME_SOURCE = re.compile(r"[a-z][a-z0-9+.-]*:", re.ASCII | re.IGNORECASE)
_HOST_SOURCE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?"
    r"(?P<host>\*|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*\.?)"
    r"(?::(?P<port>[0-9]+|\*))?"
    r"(?P<path>/(?:[a-z0-9._~!$&'()*+=:@/-]|%[0-9a-f]{2})*)?",
    re.ASCII | re.IGNORECASE,
)


class Address(NamedTuple):
    """An address as far as sources look at it; scheme and host in lower case."""

    scheme: str
    host: str
    port: int
    path: str = ""


def read_address(text: str) -> Address | None:
    """Return the parts of a whole HTTP(S) address or origin; None if it is no such thing."""
    parts = _ADDRESS.fullmatch(text)
    if parts is None:
        return None
    scheme = parts["scheme"].lower()
    port = int(parts["port"] or _DEFAULT_PORTS[scheme])
    return Address(scheme, parts["host"].lower(), port, parts["path"] or "")


def let_through(sources: Sequence[str], url: Address, page: Address) -> bool:
    """Whether one of the sources names the address (6.7.2.7).

    Nonces, hashes and keywords other than ``'self'`` name none.

    :param page: the page's origin, which ``'self'`` and sources without a scheme refer to
    """
    return not has_address_hash(sources) and any(_matches(source, url, page) for source in sources)


def has_address_hash(sources: Sequence[str]) -> bool:
    """Whether a source is a hash of an address; for Chromium, other sources then name nothing."""
    return any(source.lower().startswith("'url-") for source in sources)


def _matches(source: str, url: Address, page: Address) -> bool:
    """6.7.2.8."""
    if source == "*":
        return True
    if source.lower() == "'self'":
        return _is_own(url, page)
    if _SCHEME_SOURCE.fullmatch(source):
        return _scheme_matches(source[:-1].lower(), url.scheme)
    named = _HOST_SOURCE.fullmatch(source)
    return named is not None and _host_source_matches(named, url, page)


def _is_own(url: Address, page: Address) -> bool:
    """Also of an address of the page's host that is safer than the page itself."""
    if url.host != page.host or not _scheme_matches(page.scheme, url.scheme):
        return False
    return url.port == page.port or (_has_default_port(url) and _has_default_port(page))


def _has_default_port(address: Address) -> bool:
    return address.port == _DEFAULT_PORTS.get(address.scheme)


def _host_source_matches(named: re.Match[str], url: Address, page: Address) -> bool:
    scheme = (named["scheme"] or page.scheme).lower()
    return (
        _scheme_matches(scheme, url.scheme)
        and _host_matches(named["host"].lower(), url.host)
        and _port_matches(named["port"], url, upgraded=scheme != url.scheme)
        and _path_matches(named["path"] or "", url.path)
    )


def _scheme_matches(wanted: str, scheme: str) -> bool:
    """6.7.2.9; for browsers, ws: and wss: name sockets alone."""
    return wanted == scheme or (wanted == "http" and scheme == "https")


def _host_matches(wanted: str, host: str) -> bool:
    """6.7.2.10."""
    if wanted.startswith("*"):
        return host.endswith(wanted[1:])
    return wanted == host


def _port_matches(wanted: str | None, url: Address, upgraded: bool) -> bool:
    """6.7.2.11; with the scheme, browsers let the default port change, and no other."""
    if wanted == "*":
        return True
    if wanted is None:
        return _has_default_port(url)
    wanted = wanted.lstrip("0")
    if upgraded:
        return wanted in ("80", "443") and _has_default_port(url)
    return wanted == str(url.port)


def _path_matches(wanted: str, path: str) -> bool:
    """6.7.2.12: the same file, or anything in the folder where a slash ends what is wanted."""
    if not wanted:
        return True
    names = [unquote_to_bytes(name) for name in wanted.split("/")]
    there = [unquote_to_bytes(name) for name in path.split("/")]
    if wanted.endswith("/"):
        return len(there) >= len(names) and there[: len(names) - 1] == names[:-1]
    return there == names
