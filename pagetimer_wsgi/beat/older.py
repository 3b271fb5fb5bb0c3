"""The calls of the two older packages: djaffar's ``log/`` and django-pagetimer's ``endpoint/``.

Each call is one page view of its own. It gets its id here, at the door, so that what may be
replayed later is the line; a client's resend is a second call.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from webob import Request, Response

from ..errors import PageTimerError, Refused, SpoolAway
from ..events import Beat, Kind
from ..who.keys import NoSecret
from ..who.sources import Pair, native
from .endpoints import Door, read_body
from .form import read_fields
from .parse import MAX_TEXT, checked, new_view_id
from .sender import Environ, name_pair

# A date of ISO 8601; an unencoded + before the zone arrives from a form as a space.
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?(?:(Z)|([+ -])(\d\d):?(\d\d)?)?)?",
    re.IGNORECASE,
)
_REQUIRED = "This field is required."


class FieldError(Refused):
    """A call with a field that is missing or wrong, answered as djaffar answers it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(400, reason)
        self.field = field


class OlderCalls:
    """``log/``, ``logs/``, ``track/`` and ``endpoint/``.

    :param who_asks: environ -> user and session, by ``identify``
    :param interval: what one ping stands for, in milliseconds
    """

    def __init__(self, door: Door, who_asks: Callable[[Environ], Pair], interval: int) -> None:
        self._door = door
        self._who_asks = who_asks
        self._interval = interval

    def log(self, request: Request, success: int) -> Response:
        """Answer djaffar's call: ``date`` (required), ``path``, ``referer``."""
        return self._answer(request, lambda: self._log(request, success))

    def ping(self, request: Request) -> Response:
        """Answer django-pagetimer's call: ``path``."""
        return self._answer(request, lambda: self._ping(request))

    def _log(self, request: Request, success: int) -> Response:
        fields = self._fields(request)
        moment = parse_date(fields.get("date"))
        path = _text(fields, "path") or _referer_path(request)
        if not path:
            raise FieldError("path", _REQUIRED)
        referrer = _text(fields, "referer")
        self._keep(request, "log", path, client_started_at=moment, referrer=referrer)
        if success == 204:
            return Response(status=204, content_type=None)
        return Response(status=success, json_body={})

    def _ping(self, request: Request) -> Response:
        path = _text(self._fields(request), "path") or _referer_path(request)
        if not path:
            raise FieldError("path", _REQUIRED)
        self._keep(request, "ping", path, age=self._interval, visible_ms=self._interval)
        return Response(json_body={"status": "ok"})

    def _answer(self, request: Request, call: Callable[[], Response]) -> Response:
        try:
            response = call()
        except (FieldError, Refused, SpoolAway, NoSecret) as error:
            response = self._trouble(error)
        response.cache_control = "no-store"
        return response

    def _trouble(self, error: PageTimerError) -> Response:
        status, reason = self._door.asked_for_trouble(error)
        field = error.field if isinstance(error, FieldError) else "call"
        response = Response(status=status, json_body={"errors": {field: [reason]}})
        if status == 503:
            response.retry_after = 10
        return response

    def _fields(self, request: Request) -> Mapping[str, Any]:
        """Return the call's fields; see :func:`read_fields`."""
        self._door.let_in(request.environ)
        content_type = request.environ.get("CONTENT_TYPE", "")
        return read_fields(content_type, read_body(request.environ))

    def _keep(self, request: Request, kind: Kind, path: str, **known: Any) -> None:
        door = self._door
        environ = request.environ
        now = time.time_ns() // 1_000_000
        keys = door.keys()
        named = name_pair(0, keys, self._who_asks(environ), None)
        path = door.cut(path)
        address = door.senders.address(environ)
        if not door.senders.measures(path, named.user, address):
            return
        if door.senders.privacy_signals == "drop" and door.senders.wants_privacy(environ):
            return
        sender, _ = door.senders.name(environ, keys, named, address)
        if known.get("referrer"):
            known["referrer"] = door.cut(known["referrer"])
        door.keep(
            Beat(
                view_id=new_view_id(now),
                seq=0,
                kind=kind,
                received_at=now,
                path=path,
                site=door.site,
                **known,
                **msgspec.structs.asdict(sender),
            )
        )


def parse_date(value: Any) -> int:
    """Return a date of ISO 8601 as milliseconds since 1970; one without a zone is UTC.

    :raises FieldError: if it is missing or no date
    """
    if not value:
        raise FieldError("date", _REQUIRED)
    found = _DATE.fullmatch(str(value).strip())
    try:
        if not found:
            raise ValueError(value)
        day, clock, fraction, _, sign, hours, minutes = found.groups()
        zone = f"{'-' if sign == '-' else '+'}{hours or '00'}:{minutes or '00'}"
        text = f"{day}T{clock or '00:00'}{zone}"
        milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
        return int(datetime.fromisoformat(text).timestamp()) * 1000 + milliseconds
    except (ValueError, OverflowError):
        reason = f"{str(value)[:40]!r} is no date such as 2026-01-31T09:30:00Z"
        raise FieldError("date", reason) from None


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise FieldError(name, "A text is needed.")
    try:
        return checked(value, name)[:MAX_TEXT]
    except Refused as error:
        raise FieldError(name, error.reason) from error


def _referer_path(request: Request) -> str | None:
    try:
        path = urlsplit(native(request.referer or "")).path
    except ValueError:
        return None
    return checked(path, "path") or None
