"""Where things are, as a browser sees it: our addresses, the page's origin, its base."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

_DEFAULT_PORT = {"http": ":80", "https": ":443"}
# A whole address, or one that begins with a host (WHATWG URL, 4.4).
_ADDRESS = re.compile(r"(?:(?P<scheme>[a-z][a-z0-9+.-]*):)?(?P<slashes>/*)(?P<host>[^/?#]*)", re.I)
_IGNORED = re.compile(r"^[\x00-\x20]+|[\x00-\x20]+$|[\t\n\r]")


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
    mount = b"/" + script_name.encode("latin-1", "replace").strip(b"/")
    mount = outside_path(mount, forwarded_prefix).rstrip(b"/")
    return quote(mount, safe="/:@!$&'()*+,;=~-._") + prefix


def outside_path(path: bytes, forwarded_prefix: str) -> bytes:
    """Return a path as it is outside of a proxy, both without percent-encoding.

    :param forwarded_prefix: X-Forwarded-Prefix; of several the first counts. It is put before
        the path unless it is there
    """
    if not forwarded_prefix:
        return path
    first = forwarded_prefix.partition(",")[0].strip().encode("latin-1", "replace")
    outer = unquote_to_bytes(first).strip(b"/")
    is_there = not outer or (path + b"/").startswith(b"/" + outer + b"/")
    return path if is_there else b"/" + outer + path


def page_origin(environ: Mapping[str, Any], trusted_proxies: int) -> str:
    """Return the page's origin, such as ``https://example.com:8443``, as far as we are told.

    :param trusted_proxies: above 0, X-Forwarded-Proto and X-Forwarded-Host are heard
    """
    scheme = environ.get("wsgi.url_scheme", "http")
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"
    if trusted_proxies:
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", "")) or scheme
        host = _last(environ.get("HTTP_X_FORWARDED_HOST", "")) or host
    return _origin(scheme, host)


def leads_away(base: str, page: str) -> bool:
    """Tell whether a ``<base href>`` makes addresses without a host those of another origin.

    In doubt it does.

    :param page: the page's origin, see :func:`page_origin`
    """
    found = _ADDRESS.match(_IGNORED.sub("", base).replace("\\", "/"))
    scheme, slashes, host = found.groups() if found else ("", "//", "")
    if (scheme or "").lower() in ("data", "javascript"):  # HTML, 4.2.3: no base at all
        return False
    if not scheme and len(slashes) < 2:
        return False
    return _origin(scheme or page.partition(":")[0], host) != page


def _origin(scheme: str, host: str) -> str:
    scheme = scheme.lower()
    return f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORT.get(scheme, ' '))}"


def _last(value: str) -> str:
    return value.rpartition(",")[2].strip()
