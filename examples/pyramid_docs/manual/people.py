"""Who may read the manual, and how their browsers are known again."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from pyramid.request import Request
from pyramid.security import Allowed, Denied

_SALT = b"of this example"


def _hash(password: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), _SALT, 100_000)


PEOPLE = {"aldo": _hash("vega"), "noor": _hash("orion")}


def knows(name: str, password: str) -> bool:
    """Tell whether somebody goes by this name and password."""
    return hmac.compare_digest(PEOPLE.get(name, b""), _hash(password))


class SessionPolicy:
    """Security policy: who logged in is remembered in the Beaker session."""

    def identity(self, request: Request) -> str | None:
        return request.environ["beaker.session"].get("name")

    authenticated_userid = identity

    def permits(self, request: Request, context: Any, permission: str) -> Allowed | Denied:
        if self.identity(request) is None:
            return Denied("Only those who are logged in may %s.", permission)
        return Allowed("Logged in.")

    def remember(self, request: Request, userid: str, **_: Any) -> list[tuple[str, str]]:
        session = request.environ["beaker.session"]
        session.regenerate_id()
        session["name"] = userid
        session.save()
        return []

    def forget(self, request: Request, **_: Any) -> list[tuple[str, str]]:
        request.environ["beaker.session"].delete()
        return []
