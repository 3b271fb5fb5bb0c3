"""``POST prefix/beat``, and the client's script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from webob import Request, Response

from ..errors import PageTimerError, Refused, SpoolAway
from ..events import Beat
from ..lines import encode
from ..page.tag import Script
from ..spool.spool import Spool
from ..who.address import Address
from ..who.keys import KeyRing, Keys, NoSecret
from ..who.token import Token, verify
from .parse import MAX_BODY, OPEN_PAGES, believe, cut_path, is_short, parse_beat
from .rate import Rates
from .sender import Environ, Senders, name_pair

StartResponse = Callable[..., Any]
_REASONS = {
    204: "204 No Content",
    400: "400 Bad Request",
    403: "403 Forbidden",
    405: "405 Method Not Allowed",
    413: "413 Content Too Large",
    429: "429 Too Many Requests",
    503: "503 Service Unavailable",
}
_NEVER_KEPT = ("Cache-Control", "no-store")
_MORE_HEADERS = {405: [("Allow", "POST")], 503: [("Retry-After", "10")]}


@dataclass(frozen=True)
class Door:
    """What every call on our addresses passes: who may call, how it is kept, where it goes."""

    spool: Spool
    senders: Senders
    rates: Rates
    key_ring: KeyRing
    site: str | None
    query_parameters: tuple[str, ...]
    fragments: bool
    token_max_age: int

    def let_in(self, environ: Environ) -> Address | None:
        """Return whose address a call comes from that may come in.

        :raises Refused: with the status that answers it
        """
        self.senders.check_origin(environ)
        address = self.senders.address(environ)
        if not self.rates.allows(address):
            raise Refused(429, "too many calls from this address")
        return address

    def keys(self) -> Keys:
        """Return the keys.

        :raises NoSecret: if there is no secret; the caller answers 503
        """
        keys = self.key_ring.loaded
        return keys if keys is not None else self._load_keys()

    def cut(self, path: str) -> str:
        """Return as much of a path or referrer as is kept."""
        return cut_path(path, self.query_parameters, self.fragments)

    def keep(self, beat: Beat) -> None:
        """Make a beat durable.

        :raises SpoolAway: if it could not be
        """
        process = self.spool.process
        try:
            process.append(encode(beat))
        except SpoolAway as error:
            process.health.fails("spool", str(error))
            raise
        process.health.works("spool")

    def _load_keys(self) -> Keys:
        try:
            keys = self.key_ring.get()
        except NoSecret as error:
            self.spool.health.fails("secret", str(error))
            raise
        self.spool.health.works("secret")
        return keys

    def asked_for_trouble(self, error: PageTimerError) -> tuple[int, str]:
        """Return status and reason for a call that is not taken, and count it."""
        self.spool.health.count("refused")
        if isinstance(error, Refused):
            return error.status, error.reason
        return 503, "it cannot be kept now; try again later"


def read_body(environ: Environ) -> bytes:
    """Return the request's body.

    :raises Refused: 413 if it is over 16 KiB, 400 if its length is no number or too large
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if length or not environ.get("wsgi.input_terminated"):
        if not (length.isascii() and length.isdigit()):
            raise Refused(400, "the length of the body is missing")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise Refused(413, f"at most {MAX_BODY} bytes are taken")
    try:
        body: bytes = environ["wsgi.input"].read(int(length) if length else MAX_BODY + 1)
    except Exception as error:  # whoever sent it has gone; each server has errors of its own
        raise Refused(400, "the body ended early") from error
    if len(body) > MAX_BODY:
        raise Refused(413, f"at most {MAX_BODY} bytes are taken")
    if length and len(body) < int(length):
        raise Refused(400, "the body is shorter than its length says")
    return body


class BeatEndpoint:
    """``POST prefix/beat``: parse, check, append, 204.

    It reads environ and answers by itself: this is the one call that comes for every page
    view several times, and ``webob.Request`` takes longer than all the rest of it.

    :param after: gives what is to be done when an answer has gone out, if anything is
    """

    def __init__(
        self, door: Door, after: Callable[[], Callable[[], object] | None] = lambda: None
    ) -> None:
        self._door = door
        self._after = after
        self._known = lru_cache(OPEN_PAGES)(self._know)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            if environ["REQUEST_METHOD"] != "POST":
                raise Refused(405, "beats come by POST")
            headers = self._take(environ)
        except (Refused, SpoolAway, NoSecret) as error:
            chunks = self._refuse(error, start_response)
        else:
            # No cache keeps what answers a POST and names no lifetime (RFC 9110, 9.3.3).
            start_response(_REASONS[204], headers)
            chunks = []
        after = self._after()
        return chunks if after is None else _Closing(chunks, after)

    def _refuse(self, error: PageTimerError, start_response: StartResponse) -> list[bytes]:
        status, reason = self._door.asked_for_trouble(error)
        body = f"{reason}\n".encode()
        headers = [
            _NEVER_KEPT,
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *_MORE_HEADERS.get(status, ()),
        ]
        start_response(_REASONS[status], headers)
        return [body]

    def _take(self, environ: Environ) -> list[tuple[str, str]]:
        """Accept a beat, or leave it out by choice; return the headers that the answer needs."""
        door = self._door
        address = door.let_in(environ)
        body = read_body(environ)
        claim = parse_beat(body)
        now = time.time_ns() // 1_000_000
        keys = door.keys()
        known = self._known if is_short(body) else self._know
        path, referrer, token, route = known(keys, claim.path, claim.referrer, claim.token)
        if token and token.is_older(door.token_max_age, now):
            token = route = None
        times = believe(claim, now, token.made_at if token else None)
        named = name_pair(claim.seq, keys, door.senders.read_pair(environ), token)
        if not door.senders.measures(path, named.user, address):
            return []
        if door.senders.privacy_signals == "drop" and door.senders.wants_privacy(environ):
            return []
        sender, headers = door.senders.name(environ, keys, named, address)
        door.keep(
            Beat(
                seq=claim.seq,
                received_at=now,
                path=path,
                why=claim.why,
                site=door.site,
                route=route,
                referrer=referrer,
                words=claim.words,
                view_id=times.view_id,
                age=times.age,
                visible_ms=times.visible_ms,
                engaged_ms=times.engaged_ms,
                capped=times.capped,
                client_started_at=times.client_started_at,
                username=sender.username,
                session_key=sender.session_key,
                visitor=sender.visitor,
                ip_address=sender.ip_address,
                agent=sender.agent,
            )
        )
        return headers

    def _know(
        self, keys: Keys, path: str, referrer: str | None, text: str | None
    ) -> tuple[str, str | None, Token | None, str | None]:
        """Return what all beats of a page view have in common.

        :return: path and referrer as they are kept, the token however old it is, its route
        """
        cut = self._door.cut
        token = verify(keys, text) if text else None
        route = token.route_of(path) if token else None
        return cut(path), cut(referrer) if referrer else None, token, route


class _Closing:
    """An answer after which something is done, once the server has sent it (PEP 3333)."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], object]) -> None:
        self._chunks = chunks
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


class ScriptEndpoint:
    """``GET prefix/pagetimer.js``: immutable under its own hash, else always asked for anew."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __call__(self, request: Request) -> Response:
        request.range = None  # it is short, and goes out whole; WebOb fails on `bytes=-`
        response = Response(body=self._script.body, content_type="text/javascript", charset="utf-8")
        response.etag = self._script.version
        response.conditional_response = True
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Read as it stands: a query need not be UTF-8.
        own = f"v={self._script.version}" in request.query_string.split("&")
        response.cache_control = "public, max-age=31536000, immutable" if own else "no-cache"
        return response
