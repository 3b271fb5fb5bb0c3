"""Whose address a request comes from, and how much of it is kept."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LONGEST = 64  # characters; what is longer is no address
_REMEMBERED = 1024  # who sends a beat has mostly just sent one


def client_address(environ: dict[str, Any], trusted_proxies: int) -> Address | None:
    """Return the address of who asks.

    Each trusted proxy has appended to X-Forwarded-For the address that it was asked from, so
    the client's is that many places from the right; what stands further left anybody can write.
    """
    text = environ.get("REMOTE_ADDR") or ""
    if trusted_proxies:
        forwarded = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(forwarded) >= trusted_proxies:
            text = forwarded[-trusted_proxies]
    return _parse(text[:_LONGEST])


@lru_cache(_REMEMBERED)
def kept_address(address: Address | None, how: str) -> str | None:
    """Return as much of an address as the option ``ip`` says: truncated, full or none.

    A truncated address is its network's: /24 (IPv4) or /48 (IPv6).
    """
    if address is None or how == "none":
        return None
    if how == "full":
        return str(address)
    bits = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False).network_address)


@lru_cache(_REMEMBERED)
def _parse(text: str) -> Address | None:
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
