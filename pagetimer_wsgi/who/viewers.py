"""Who may see the dashboard, the API and the figures of health."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection
from typing import Any


def may_view(
    environ: dict[str, Any], user: str | None, viewers: Collection[str], token: str | None
) -> bool:
    """Tell whether who asks is a viewer: by environ, by name, or by the viewers' password.

    :param user: who the application says it is
    :param token: the password, if there is one
    """
    if environ.get("pagetimer.viewer") is True:
        return True
    if user is not None and user in viewers:
        return True
    given = _password(environ.get("HTTP_AUTHORIZATION", ""))
    if not token or given is None:
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _password(header: str) -> str | None:
    """Return the password of an Authorization header: Bearer (RFC 6750) or Basic (RFC 7617)."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest).decode().partition(":")[2]
    except ValueError:  # no base64, or no UTF-8 in it
        return None
