"""What stands for a session where environ has none."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import Any

from .address import Address
from .keys import Keys
from .sources import cookie

COOKIE = "pagetimer_visitor"
_YEAR = 365 * 86400


def daily_hash(keys: Keys, address: Address | None, agent: str | None) -> str | None:
    """Return what stands for one address and agent on one day (UTC); the next day another."""
    if address is None:
        return None
    day = datetime.now(timezone.utc).date().isoformat()
    return keys.visitor(day, str(address), agent or "")


def cookie_value(environ: dict[str, Any]) -> tuple[str, bool]:
    """Return the visitor's cookie, and whether it is a new one that must be set."""
    found = cookie(environ, COOKIE)
    if found and len(found) == 32 and found.isalnum():
        return found, False
    return secrets.token_hex(16), True


def cookie_header(value: str, path: str, secure: bool) -> tuple[str, str]:
    """Return the header that sets the visitor's cookie for our own addresses alone."""
    parts = f"{COOKIE}={value}; Path={path}; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"
    return "Set-Cookie", parts + ("; Secure" if secure else "")
