"""What a store remembers of a purge, so that it stays done whatever comes in afterwards.

What was received before it may still lie in some host's spool or quarantine. Of a user's name
only a keyed hash is remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ..errors import PageTimerError, StoreAway
from ..events import Beat, PageView, page_view
from .query import Query

_TOLD = ("user", "session", "path", "site", "started_from", "started_to")

Key = Callable[[], bytes]
"""Gives the key that hashes users: the same on all hosts of a store. May raise a PageTimerError."""


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """A purge, as it is told of beats by themselves; what is ``None``, or empty, means all.

    :param at: when it was, in milliseconds since 1970 UTC: what came later is another matter
    :param user: keyed hash of the name
    :param key: which key that was
    :param kinds: words with a space between them
    """

    at: int
    user: str | None = None
    key: str | None = None
    session: str | None = None
    path: str | None = None
    site: str | None = None
    kinds: str = ""
    started_from: int | None = None
    started_to: int | None = None

    def takes(self, item: Beat | PageView, hashed: Callable[[str], str]) -> bool:
        """Tell whether a beat, or a whole page view, is among what was purged.

        :param hashed: hashes a name with the key of this purge
        """
        if received_at(item) >= self.at:
            return False
        view = page_view(item) if isinstance(item, Beat) else item
        return (
            (self.started_from is None or view.started_at >= self.started_from)
            and (self.started_to is None or view.started_at < self.started_to)
            and (not self.kinds or view.kind in self.kinds.split())
            and self.site in (None, view.site)
            and self.session in (None, view.session_key)
            and (self.path is None or _pattern(self.path).fullmatch(view.path) is not None)
            and self.user in (None, view.username and hashed(view.username))
        )


def purge_of(query: Query, at: int, hasher: Hasher) -> Purge | None:
    """Return what is remembered of a purge; ``None`` if a beat by itself cannot tell.

    :raises StoreAway: if a user is meant and there is no key
    """
    known: dict[str, Any] = {name: getattr(query, name) for name in _TOLD}
    if query != Query(**known, kinds=query.kinds, time_zone=query.time_zone):
        return None
    if query.user is not None:
        known |= {"user": hasher(query.user), "key": hasher.name}
    return Purge(at=at, kinds=" ".join(query.kinds), **known)


class Hasher:
    """Hashes users with the key of a store's hosts.

    :param key: ``None``: there is none
    """

    def __init__(self, key: Key | None) -> None:
        self._key = key

    def __call__(self, user: str) -> str:
        """Return what stands for a user.

        :raises StoreAway: if the key cannot be had
        """
        return self._hash(user.encode("utf-8", "surrogatepass"), 16)

    @property
    def name(self) -> str:
        """What tells this key from others, and does not tell the key.

        :raises StoreAway: if it cannot be had
        """
        return self._hash(b"", 8)

    def _hash(self, data: bytes, size: int) -> str:
        try:
            key = self._key and self._key()
        except PageTimerError as error:
            raise StoreAway(f"what was purged by user is told by the secret; {error}") from error
        if not key:
            raise StoreAway("what was purged by user is told by the secret, which was not given")
        return hashlib.blake2b(data, key=key, digest_size=size).hexdigest()


def received_at(item: Beat | PageView) -> int:
    """Return when a beat, or a page view's last one, was received."""
    return item.received_at if isinstance(item, Beat) else item.last_seen_at


@lru_cache(maxsize=64)
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL)
