"""What cannot be trusted: a beat's body, and what of it can be true."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from typing import NamedTuple, cast, get_args
from urllib.parse import unquote_to_bytes

from ..errors import Refused
from ..events import STRAY, Why

MAX_BODY = 16 * 2**10
MAX_TEXT = 512
MAX_AGE = 24 * 3600 * 1000
_SLACK = 5_000  # a total may be so much more than the age: clocks are read one after the other
_TOKEN_SLACK = 60_000
_CLOCK_OFF = 7 * 24 * 3600 * 1000
_NO_AGE = 400 * 24 * 3600 * 1000  # no page is open for so long: the id's clock was another one
_MAX_NUMBER = 2**53

_VIEW_ID = re.compile(r"[0-9a-f]{32}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WHY = frozenset(get_args(Why))


class Claim(NamedTuple):
    """What a beat's body says; well formed, and not yet believed. Times in milliseconds."""

    view_id: str
    seq: int
    visible_ms: int
    engaged_ms: int | None
    path: str
    moment: int
    """The client's clock when the page view began plus its age, since 1970."""
    why: Why | None
    referrer: str | None
    words: int | None
    token: str | None


class Times(NamedTuple):
    """What of a claim can be true, and under which id. Times in milliseconds."""

    view_id: str
    age: int
    visible_ms: int
    engaged_ms: int | None
    capped: bool
    client_started_at: int | None


def parse_beat(body: bytes) -> Claim:
    """Return what the body of ``POST prefix/beat`` says.

    :raises Refused: 400 with the reason, if it is no beat
    """
    fields = _read_form(body)
    view_id = _required(fields, "v", "the view id")
    if not _VIEW_ID.fullmatch(view_id):
        raise Refused(400, "v: the view id must be 32 hex digits in lower case")
    path = _text(_required(fields, "p", "the path"), "p")
    if not path.startswith("/"):
        raise Refused(400, "p: the path must begin with /")
    engaged, why, referrer, words = map(fields.get, "ewrl")
    return Claim(
        view_id,
        _number(_required(fields, "n", "the beat's number"), "n"),
        _number(_required(fields, "t", "the visible time"), "t"),
        _number(engaged, "e") if engaged else None,
        path,
        _number(_required(fields, "d", "the client's moment"), "d"),
        cast(Why, why) if why in _WHY else None,
        _text(referrer, "r") if referrer else None,
        _number(words, "l") if words else None,
        fields.get("k") or None,
    )


def believe(claim: Claim, received_at: int, token_made_at: int | None) -> Times:
    """Cut what cannot be true; each beat by itself, so that nothing depends on their order.

    :param received_at: server's clock, milliseconds since 1970 UTC
    :param token_made_at: seconds since 1970 UTC, where the beat carries a valid token
    """
    began = int(claim.view_id[:12], 16)
    claimed_age = claim.moment - began
    most = MAX_AGE
    if token_made_at is not None and token_made_at * 1000 <= received_at:
        most = min(most, received_at - token_made_at * 1000 + _TOKEN_SLACK)
    age = min(max(claimed_age, 0), most)
    visible = min(claim.visible_ms, age + _SLACK)
    engaged = claim.engaged_ms if claim.engaged_ms is None else min(claim.engaged_ms, visible)
    # A wrong or forged clock must make no periods of its own.
    stray = abs(claim.moment - received_at) > _CLOCK_OFF or abs(claimed_age) > _NO_AGE
    return Times(
        view_id=STRAY + claim.view_id[12:] if stray else claim.view_id,
        age=age,
        visible_ms=visible,
        engaged_ms=engaged,
        capped=(age, visible, engaged) != (claimed_age, claim.visible_ms, claim.engaged_ms),
        client_started_at=None if stray else began,
    )


def new_view_id(now: int) -> str:
    """Return an id for a call that brings none: 12 digits of milliseconds, 20 random ones."""
    return f"{now:012x}{secrets.token_hex(10)}"


def checked(text: str, field: str) -> str:
    """Return a text without control characters and lone surrogates.

    :raises Refused: 400, if it has any
    """
    if not text.isprintable() and _CONTROL.search(text):
        raise Refused(400, f"{field}: control characters and lone surrogates are not taken")
    return text


def cut_path(path: str, query_parameters: tuple[str, ...], fragments: bool) -> str:
    """Return a path or address with as much of its query and fragment as is to be kept."""
    if "?" not in path and "#" not in path:
        return path[:MAX_TEXT]
    path, _, fragment = path.partition("#")
    path, _, query = path.partition("?")
    if "*" not in query_parameters:
        names = ((pair, pair.partition("=")[0]) for pair in query.split("&"))
        query = "&".join(pair for pair, name in names if name in query_parameters and name)
    path += f"?{query}" if query else ""
    path += f"#{fragment}" if fragments and fragment else ""
    return path[:MAX_TEXT]


def _read_form(body: bytes) -> dict[str, str]:
    """Return an urlencoded form's fields as they came, the last of each name.

    ``parse_qsl`` takes five times as long: a beat's names, numbers and token need no decoding.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is no UTF-8: {error}") from error
    fields = {}
    for field in text.split("&"):
        name, _, value = field.partition("=")
        fields[name] = value
    return fields


def _text(value: str, field: str) -> str:
    # The same few addresses come again and again; a long one is not worth its memory.
    decode = _decoded_before if len(value) <= MAX_TEXT else _decoded
    try:
        return checked(decode(value), field)
    except UnicodeDecodeError as error:
        raise Refused(400, f"{field}: this is not urlencoded UTF-8: {error}") from error


def _decoded(value: str) -> str:
    return unquote_to_bytes(value.replace("+", " ")).decode()


_decoded_before = lru_cache(1024)(_decoded)


def _required(fields: dict[str, str], name: str, what: str) -> str:
    value = fields.get(name)
    if not value:
        raise Refused(400, f"{name}: {what} is missing")
    return value


def _number(text: str, field: str) -> int:
    if len(text) <= 16 and text.isascii() and text.isdigit():
        number = int(text)
        if number <= _MAX_NUMBER:
            return number
    raise Refused(400, f"{field}: a whole number from 0 to 2^53 is needed")
