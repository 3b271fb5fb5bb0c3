"""The signed token in the tag: what a page request knew about its reader."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from .keys import Keys

_VERSION = "1."
_ENCODER = msgspec.json.Encoder()
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_BASE64 = bytes.maketrans(b"-_", b"+/")
_SIGNATURE = 16  # bytes of keyed BLAKE2b (RFC 7693)
_PURPOSE = b"pagetimer 1."  # with the version
_LONGEST_ROUTE = 512  # characters that are kept


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
        if self.route is None or self.path_hash != _hash_of_plain(path):
            return None
        return self.route[:_LONGEST_ROUTE]

    def is_older(self, max_age: int, now: int) -> bool:
        """Tell whether it was made longer ago than that.

        :param max_age: seconds
        :param now: milliseconds since 1970 UTC
        """
        return now - self.made_at * 1000 > max_age * 1000


_DECODER = msgspec.json.Decoder(Token)


def hash_path(path: bytes) -> str:
    """Return a short hash of a path without its percent-encoding."""
    return hashlib.blake2b(path, digest_size=6).hexdigest()


def _hash_of_plain(path: str) -> str:
    return hash_path(unquote_to_bytes(path.partition("?")[0].partition("#")[0]))


def sign(keys: Keys, token: Token) -> str:
    """Return the token as text: its version, a dot, and payload and signature together."""
    payload = _ENCODER.encode(token)
    data = binascii.b2a_base64(payload + _signature(keys.signing[0], payload), newline=False)
    return _VERSION + data.translate(_URL_SAFE, b"=").decode()


def verify(keys: Keys, text: str) -> Token | None:
    """Return what a token says, however old it is; ``None`` for one that is not ours."""
    try:
        return _open(keys, text)
    except (ValueError, msgspec.DecodeError):
        return None


def _open(keys: Keys, text: str) -> Token:
    """Return what a token says.

    :raises ValueError: if it is not ours
    :raises msgspec.DecodeError: likewise
    """
    if not text.startswith(_VERSION):
        raise ValueError(text)
    data = text[len(_VERSION) :].encode("ascii").translate(_BASE64)
    signed = binascii.a2b_base64(data + b"==")  # more padding than is needed does no harm
    payload, given = signed[:-_SIGNATURE], signed[-_SIGNATURE:]
    for key in keys.signing:
        if hmac.compare_digest(_signature(key, payload), given):
            return _DECODER.decode(payload)
    raise ValueError(text)


def _signature(key: bytes, payload: bytes) -> bytes:
    return hashlib.blake2b(payload, key=key, person=_PURPOSE, digest_size=_SIGNATURE).digest()
