"""If-None-Match and If-Match: our marks taken off for the application, and put back after it."""

from __future__ import annotations

from collections.abc import Callable

from ..page import Headers
from ..page.begin import settled
from ..page.headers.caches import make_private, may_carry_token, with_token
from ..page.headers.fields import Fields
from ..page.headers.validators import mark_again, turn_back
from ..who.sources import Environ

NAMES = frozenset(("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"))


class Conditions:
    """What a client asks about ETags that we marked.

    Making it changes environ; the application knows no marks.

    :param is_current: tells of a mark's version whether the page would get it now
    """

    def __init__(self, environ: Environ, is_current: Callable[[str], bool]) -> None:
        self._environ = environ
        self._came = {name: environ[name] for name in NAMES & environ.keys()}
        self._marked: dict[str, str] = {}
        for name, condition in self._came.items():
            environ[name], marked = turn_back(condition, is_current)
            self._marked |= marked

    def restore(self) -> None:
        """Put back what came, for whatever stands outside of us."""
        self._environ.update(self._came)

    def not_modified(self, headers: Headers, personal: str | None) -> Headers:
        """Return the headers of a 304 as those of the page that it speaks of were.

        :param personal: the version of a page with a token, for who asks
        """
        if not self._marked:
            return headers
        fields = Fields(headers)
        if personal and any(etag.endswith(f'{personal}"') for etag in self._marked.values()):
            headers = with_token(fields) if may_carry_token(fields) else make_private(fields)
        return mark_again(settled(headers, None), self._marked)
