"""What all pages of one mount have in common: their tag, and what decides over it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

from ..page.address import base_address
from ..page.tag import Tag
from ..who.keys import KeyRing, Keys, NoSecret
from ..who.sources import Environ, Pair


@dataclass(frozen=True)
class TagMaker:
    """What all pages of one mount have in common."""

    prefix: str
    url: str | None
    trusted_proxies: int
    version: str
    options: str
    inject: bool
    exclude_users: Collection[str]
    read_pair: Callable[[Environ], Pair]
    measures: Callable[[str], bool] | None
    """plain path -> whether ``include`` and ``exclude`` let it be measured; None for all."""
    key_ring: KeyRing
    say: Callable[[str, str], None]
    """tells of an error of ours: part, message."""

    def base(self, environ: Environ) -> str:
        """Return the address of ``prefix`` for the request as it stands in environ."""
        return self.tag(environ.get("SCRIPT_NAME", ""), environ).address

    def tag(self, script_name: str, environ: Environ) -> Tag:
        """Return the tag of a mount.

        :param script_name: SCRIPT_NAME as it was before the application ran
        """
        outer = self.outer(environ)
        return _tag(script_name, self.prefix, self.url, outer, self.version, self.options)

    def outer(self, environ: Environ) -> str:
        """Return X-Forwarded-Prefix, if a proxy is trusted to say it."""
        said: str = environ.get("HTTP_X_FORWARDED_PREFIX", "") if self.trusted_proxies else ""
        return said

    def keys(self) -> Keys | None:
        """Return the keys; None without a secret, and then it is said."""
        try:
            return self.key_ring.get()
        except NoSecret as error:
            self.say("secret", str(error))
            return None


@lru_cache(maxsize=256)
def _tag(
    script_name: str, prefix: str, url: str | None, outer: str, version: str, options: str
) -> Tag:
    return Tag(base_address(script_name, prefix, url, outer), version, options)
