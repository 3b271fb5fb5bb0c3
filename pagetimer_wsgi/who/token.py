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

_VERSION = "1."
_ENCODER = msgspec.json.Encoder()
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNATURE = 16  # bytes of keyed BLAKE2b (RFC 7693)
_PURPOSE = b"pagetimer 1."  # with the version


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
    """Return the token as text: its version, a dot, and payload and signature together."""
    payload = _ENCODER.encode(token)
    data = binascii.b2a_base64(payload + _signature(keys.signing[0], payload), newline=False)
    return _VERSION + data.translate(_URL_SAFE, b"=").decode()


def verify(keys: Keys, text: str, max_age: int) -> Token | None:
    """Return what a token says; ``None`` for one that is not ours or too old.

    :param max_age: seconds
    """
    version, data = text[: len(_VERSION)], text[len(_VERSION) :]
    try:
        signed = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        payload, given = signed[:-_SIGNATURE], signed[-_SIGNATURE:]
        if version != _VERSION or not any(
            hmac.compare_digest(_signature(key, payload), given) for key in keys.signing
        ):
            return None
        token = msgspec.json.decode(payload, type=Token)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        return None
    return token if time.time() - token.made_at <= max_age else None


def _signature(key: bytes, payload: bytes) -> bytes:
    return hashlib.blake2b(payload, key=key, person=_PURPOSE, digest_size=_SIGNATURE).digest()
