"""What cannot be trusted: a beat's body, and what of it can be true."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from typing import Annotated, cast, get_args
from urllib.parse import unquote_to_bytes

import msgspec

from ..errors import Refused
from ..events import STRAY, Why

MAX_BODY = 16 * 2**10
MAX_TEXT = 512
MAX_AGE = 24 * 3600 * 1000
OPEN_PAGES = 10_000
"""Page views of which it is remembered what their beats have in common: some 15 MB if so many are
going on, 60 if somebody makes them up."""
SHORT = 640
"""Bytes; what a longer body says is not worth the memory."""
_SLACK = 5_000  # a total may be so much more than the age: clocks are read one after the other
_TOKEN_SLACK = 60_000
_CLOCK_OFF = 7 * 24 * 3600 * 1000
_NO_AGE = 400 * 24 * 3600 * 1000  # no page is open for so long: the id's clock was another one

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TEXTS = ("p", "r")
_NUMBERS = ("n", "t", "d", "e", "l")
_REQUIRED = {
    "v": "the view id",
    "n": "the beat's number",
    "t": "the visible time",
    "p": "the path",
    "d": "the client's moment",
}
_WHY = frozenset(get_args(Why))
# What all beats of a page view say alike comes last, after it only longer names than ours.
_AS_SENT = re.compile(
    r"v=([0-9a-f]{32})&n=([0-9]{1,15})&t=([0-9]{1,15})&e=([0-9]{1,15})&d=([0-9]{1,15})"
    rf"&w=({'|'.join(sorted(_WHY))})"
    r"&(p=(?:/|%2F)[^&]*&r=[^&]*&l=[0-9]{0,15}&k=[A-Za-z0-9._-]*)(?:&[^&=]{2,}=[^&%]*)*"
)
_MAX_NUMBER = 2**53
_A_NUMBER = "a whole number from 0 to 2^53 is needed"
_Number = Annotated[int, msgspec.Meta(ge=0, le=_MAX_NUMBER)]


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a beat's body says; well formed, and not yet believed. Times in milliseconds."""

    view_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")] = msgspec.field(name="v")
    seq: _Number = msgspec.field(name="n")
    visible_ms: _Number = msgspec.field(name="t")
    path: Annotated[str, msgspec.Meta(pattern="^/")] = msgspec.field(name="p")
    moment: _Number = msgspec.field(name="d")
    """The client's clock when the page view began plus its age, since 1970."""
    engaged_ms: _Number | None = msgspec.field(name="e", default=None)
    why: Why | None = msgspec.field(name="w", default=None)
    referrer: str | None = msgspec.field(name="r", default=None)
    words: _Number | None = msgspec.field(name="l", default=None)
    token: str | None = msgspec.field(name="k", default=None)


class Times(msgspec.Struct, frozen=True, gc=False):
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
    try:
        text = body.decode()
        return (is_short(body) and _claim_as_sent(text)) or _claim(text)
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not urlencoded UTF-8: {error}") from error


def is_short(body: bytes) -> bool:
    """Tell whether what a body says of its page may be remembered.

    Our client writes ASCII; one wide character would make four bytes of each other.
    """
    return len(body) <= SHORT and body.isascii()


def _claim_as_sent(text: str) -> Claim | None:
    """Return what :func:`_claim` does, five times as fast, of a beat as our client writes it."""
    found = _AS_SENT.fullmatch(text)
    if found is None:
        return None
    view_id, seq, visible, engaged, moment, why, page = found.groups()
    path, referrer, words, token = _page_as_sent(page)
    return Claim(
        view_id,
        int(seq),
        int(visible),
        path,
        int(moment),
        int(engaged),
        cast(Why, why),
        referrer,
        words,
        token,
    )


@lru_cache(OPEN_PAGES)
def _page_as_sent(text: str) -> tuple[str, str | None, int | None, str | None]:
    """Return path, referrer, words and token."""
    path, referrer, words, token = (pair[2:] for pair in text.split("&"))
    return (
        checked(_decode(path), "p"),
        checked(_decode(referrer), "r") or None,
        int(words) if words else None,
        token or None,
    )


def _claim(text: str) -> Claim:
    """Return what a form says whose fields stand in any order, encoded anywhere."""
    fields: dict[str, str | int] = {**_read_form(text)}
    for name in _TEXTS:
        checked(str(fields.get(name, "")), name)
    for name in _NUMBERS:
        if name in fields:
            fields[name] = _number(str(fields[name]), name)
    if fields.get("w") not in _WHY:
        fields.pop("w", None)
    try:
        return msgspec.convert(fields, Claim)
    except msgspec.ValidationError as error:
        raise Refused(400, _objection(fields)) from error


def believe(claim: Claim, received_at: int, token_made_at: int | None) -> Times:
    """Cut what cannot be true; each beat by itself, so that nothing depends on their order.

    :param received_at: server's clock, milliseconds since 1970 UTC
    :param token_made_at: seconds since 1970 UTC, where the beat carries a valid token
    """
    view_id, visible, engaged = claim.view_id, claim.visible_ms, claim.engaged_ms
    began = int(view_id[:12], 16)
    age = claimed_age = claim.moment - began
    most = MAX_AGE
    if token_made_at is not None and token_made_at * 1000 <= received_at:
        most = min(most, received_at - token_made_at * 1000 + _TOKEN_SLACK)
    capped = False
    if not 0 <= age <= most:
        age, capped = min(max(age, 0), most), True
    if visible > age + _SLACK:
        visible, capped = age + _SLACK, True
    if engaged is not None and engaged > visible:
        engaged, capped = visible, True
    # A wrong or forged clock must make no periods of its own.
    if abs(claim.moment - received_at) > _CLOCK_OFF or abs(claimed_age) > _NO_AGE:
        return Times(STRAY + view_id[12:], age, visible, engaged, capped, None)
    return Times(view_id, age, visible, engaged, capped, began)


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


def _read_form(text: str) -> dict[str, str]:
    """Return an urlencoded form's fields, the last of each name, without those that say nothing.

    ``parse_qsl`` takes five times as long. Names are read as they stand: ours need no encoding.
    """
    fields = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if "%" in value or "+" in value:
            value = _decode(value)
        if value:
            fields[name] = value
    return fields


def _number(text: str, field: str) -> int:
    if len(text) > 16 or not (text.isascii() and text.isdigit()):
        raise Refused(400, f"{field}: {_A_NUMBER}")
    return int(text)


def _objection(fields: dict[str, str | int]) -> str:
    """Return what is wrong with fields that make no claim."""
    for name, what in _REQUIRED.items():
        if name not in fields:
            return f"{name}: {what} is missing"
    for name in _NUMBERS:
        if int(fields.get(name, 0)) > _MAX_NUMBER:
            return f"{name}: {_A_NUMBER}"
    if not str(fields["p"]).startswith("/"):
        return "p: the path must begin with /"
    return "v: the view id must be 32 hex digits in lower case"


def _decode(value: str) -> str:
    return unquote_to_bytes(value.replace("+", " ")).decode()
