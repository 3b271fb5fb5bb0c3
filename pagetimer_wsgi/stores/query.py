"""``Query``: which page views a question is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..events import Kind

BY = ("path", "route", "user", "session", "site", "day")
"""What totals can be asked by."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which page views are meant, in which order, and how many.

    Whatever is ``None`` (or empty) leaves nothing out. Points in time are milliseconds since
    1970 UTC; ``…_from`` is included, ``…_to`` is not.

    :param seen_from: the earliest ``last_seen_at``
    :param path: a path as it is kept; ``*`` stands for any number of characters
    :param kinds: ``page`` (measured), ``log`` and ``ping`` (the two older packages' calls)
    :param bots: only bots (true), only people (false)
    :param time_zone: IANA name of the zone in which days begin
    :param newest_first: by ``started_at``; the other way round if false
    :param limit: at most so many page views
    :param after: the last page view already seen, as (``started_at``, ``view_id``)
    """

    started_from: int | None = None
    started_to: int | None = None
    seen_from: int | None = None
    seen_to: int | None = None
    view_ids: Sequence[str] = ()
    site: str | None = None
    path: str | None = None
    user: str | None = None
    session: str | None = None
    kinds: Sequence[Kind] = ("page",)
    bots: bool | None = None
    time_zone: str = "UTC"
    newest_first: bool = False
    limit: int | None = None
    after: tuple[int, str] | None = None
