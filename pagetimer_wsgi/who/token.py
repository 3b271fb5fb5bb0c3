"""The signed token in the tag: what a page request knew about its reader."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from .keys import Keys

_VERSION = "1"
_SIGNATURE = 16  # bytes of HMAC-SHA256; RFC 2104 section 5 asks for at least half


class Token(NamedTuple):
    """What a page's token says.

    :param session_key: the session's keyed hash, never the session
    :param route: the route's pattern, which counts for one path alone
    :param path_hash: short hash of that path
    :param made_at: seconds since 1970 UTC
    """

    user: str | None
    session_key: str | None
    route: str | None
    path_hash: str
    made_at: int

    def route_of(self, path: str) -> str | None:
        """Return the route, if it is this path's."""
        path = path.partition("?")[0].partition("#")[0]
        fits = self.route is not None and self.path_hash == hash_path(unquote_to_bytes(path))
        return self.route if fits else None


def hash_path(path: bytes) -> str:
    """Return a short hash of a path without its percent-encoding."""
    return hashlib.blake2b(path, digest_size=6).hexdigest()


def sign(keys: Keys, token: Token) -> str:
    """Return the token as text: version, payload and signature, parted by dots."""
    payload = _VERSION + "." + _text(msgspec.json.encode(tuple(token)))
    return payload + "." + _text(_signature(keys.signing[0], payload))


def verify(keys: Keys, text: str, max_age: int) -> Token | None:
    """Return what a token says; ``None`` for one that is not ours or too old.

    :param max_age: seconds
    """
    payload, _, signature = text.rpartition(".")
    try:
        given = _bytes(signature)
        if not any(hmac.compare_digest(_signature(key, payload), given) for key in keys.signing):
            return None
        version, _, body = payload.partition(".")
        if version != _VERSION:
            return None
        token = msgspec.json.decode(_bytes(body), type=Token)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        return None
    return token if time.time() - token.made_at <= max_age else None


def _signature(key: bytes, payload: str) -> bytes:
    return hmac.digest(key, payload.encode(), "sha256")[:_SIGNATURE]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
