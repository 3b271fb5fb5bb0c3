"""What is measured: the beat, the page view, and ``fold``, which turns the one into the other.

Times are whole milliseconds; points in time are milliseconds since 1970-01-01 UTC.
``None`` means unknown and is never counted as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

Kind = Literal["page", "log", "ping"]
Why = Literal["start", "beat", "hide", "leave", "later", "route"]
Ended = Literal["at least", "exact"]

STRAY = "ffffffffffff"
"""Stands for the first 12 digits of a view id whose clock cannot be believed."""

_EXACT = frozenset({"hide", "leave", "route", "later"})
# Of these the page view keeps what the lowest seq that knows it says.
_FIRST_KNOWN = tuple(
    (name, f"{name}_seq")
    for name in ("site", "route", "referrer", "agent", "ip_address", "client_started_at")
)

_GREATEST = ("visible_ms", "engaged_ms", "words")
_IDENTITY = ("username", "session_key", "visitor", "identity_seq")


class Beat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message about one page view, as it was accepted: checked, cut, with its sender known.

    It carries running totals and stands alone: any one makes the whole page view.
    """

    view_id: str
    """32 hex digits."""
    seq: int
    received_at: int
    """By the server's clock."""
    path: str
    kind: Kind = "page"
    age: int = 0
    """Since the page view began, by the client's monotonic clock."""
    visible_ms: int | None = None
    engaged_ms: int | None = None
    capped: bool = False
    """Whether a total was more than could be true, and was cut."""
    why: Why | None = None
    site: str | None = None
    route: str | None = None
    referrer: str | None = None
    agent: str | None = None
    words: int | None = None
    ip_address: str | None = None
    client_started_at: int | None = None
    """By the client's clock."""
    username: str | None = None
    session_key: str | None = None
    """32 hex digits: a keyed hash of the session, never the session."""
    visitor: str | None = None
    """32 hex digits that stand for the session where neither user nor session is known."""


class KeptBeat(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a store keeps of a beat, under the key (``view_id``, ``seq``)."""

    view_id: str
    seq: int
    received_at: int
    why: Why | None = None
    visible_ms: int | None = None
    engaged_ms: int | None = None


class PageView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One showing of one page to one person, folded from its beats.

    Each field that the beats may disagree on has beside it the seq that decided it
    (``…_seq``), so that two page views of one id can be joined at any time.
    """

    view_id: str
    kind: Kind
    path: str
    first_seq: int
    started_at: int
    last_seen_at: int
    visible_ms: int | None = None
    engaged_ms: int | None = None
    words: int | None = None
    capped: bool = False
    ended: Ended = "at least"
    last_seq: int
    site: str | None = None
    site_seq: int | None = None
    route: str | None = None
    route_seq: int | None = None
    referrer: str | None = None
    referrer_seq: int | None = None
    agent: str | None = None
    agent_seq: int | None = None
    ip_address: str | None = None
    ip_address_seq: int | None = None
    client_started_at: int | None = None
    client_started_at_seq: int | None = None
    username: str | None = None
    session_key: str | None = None
    visitor: bool = False
    """Whether ``session_key`` is a visitor's, since no beat named a user or a session."""
    identity_seq: int | None = None


def page_view(beat: Beat) -> PageView:
    """Return the page view that this beat makes by itself."""
    seq = beat.seq
    named = beat.username is not None or beat.session_key is not None
    visitor = beat.visitor is not None and not named
    return PageView(
        view_id=beat.view_id,
        kind=beat.kind,
        path=beat.path,
        first_seq=seq,
        started_at=beat.received_at - beat.age,
        last_seen_at=beat.received_at,
        visible_ms=beat.visible_ms,
        engaged_ms=beat.engaged_ms,
        words=beat.words,
        capped=beat.capped,
        ended="exact" if beat.why in _EXACT else "at least",
        last_seq=seq,
        site=beat.site,
        site_seq=None if beat.site is None else seq,
        route=beat.route,
        route_seq=None if beat.route is None else seq,
        referrer=beat.referrer,
        referrer_seq=None if beat.referrer is None else seq,
        agent=beat.agent,
        agent_seq=None if beat.agent is None else seq,
        ip_address=beat.ip_address,
        ip_address_seq=None if beat.ip_address is None else seq,
        client_started_at=beat.client_started_at,
        client_started_at_seq=None if beat.client_started_at is None else seq,
        username=beat.username,
        session_key=beat.visitor if visitor else beat.session_key,
        visitor=visitor,
        identity_seq=seq if named or visitor else None,
    )


def join(one: PageView, other: PageView) -> PageView:
    """Return what two page views of one id say together, in whichever order they come."""
    if one == other:
        return one
    if other.first_seq < one.first_seq:  # what came first has most of the last word
        one, other = other, one
    fields = _totals(one, other)
    if one.first_seq == other.first_seq:
        fields["kind"] = min(one.kind, other.kind)
        fields["path"] = min(one.path, other.path)
    # The highest seq decides; of one seq "at least" comes before "exact".
    if (other.last_seq, one.ended) > (one.last_seq, other.ended):
        fields["last_seq"], fields["ended"] = other.last_seq, other.ended
    for name, its_seq in _FIRST_KNOWN:
        seq = getattr(other, its_seq)
        if seq is not None:
            before = getattr(one, its_seq)
            if before is None or (seq, getattr(other, name)) < (before, getattr(one, name)):
                fields[name], fields[its_seq] = getattr(other, name), seq
    if other.identity_seq is not None and _identity_rank(other) < _identity_rank(one):
        for name in _IDENTITY:
            fields[name] = getattr(other, name)
    return replace(one, **fields)


def _totals(one: PageView, other: PageView) -> dict[str, Any]:
    """Return those of the fields, of which the least or greatest counts, that ``other`` changes."""
    fields: dict[str, Any] = {}
    if other.started_at < one.started_at:
        fields["started_at"] = other.started_at
    if other.last_seen_at > one.last_seen_at:
        fields["last_seen_at"] = other.last_seen_at
    if other.capped:
        fields["capped"] = True
    for name in _GREATEST:
        value = getattr(other, name)
        if value is not None:
            before = getattr(one, name)
            if before is None or value > before:
                fields[name] = value
    return fields


def fold(parts: Iterable[Beat | PageView]) -> dict[str, PageView]:
    """Fold beats and page views into one page view for each view id.

    Commutative, associative and idempotent: replays, lost beats and any order of arrival
    change nothing that the beats that did arrive can tell.
    """
    views: dict[str, PageView] = {}
    for part in parts:
        view = page_view(part) if isinstance(part, Beat) else part
        before = views.get(view.view_id)
        views[view.view_id] = view if before is None else join(before, view)
    return views


def keep(parts: Iterable[Beat | KeptBeat]) -> dict[tuple[str, int], KeptBeat]:
    """Return the beats' own rows, one for each key, by the rules of :func:`fold`."""
    rows: dict[tuple[str, int], KeptBeat] = {}
    for part in parts:
        row = _kept(part) if isinstance(part, Beat) else part
        key = (row.view_id, row.seq)
        before = rows.get(key)
        rows[key] = row if before is None else join_beats(before, row)
    return rows


def join_beats(one: KeptBeat, other: KeptBeat) -> KeptBeat:
    """Return what two rows of one beat say together."""
    known = [why for why in (one.why, other.why) if why is not None]
    return KeptBeat(
        view_id=one.view_id,
        seq=one.seq,
        received_at=min(one.received_at, other.received_at),
        why=min(known) if known else None,
        visible_ms=_greatest(one.visible_ms, other.visible_ms),
        engaged_ms=_greatest(one.engaged_ms, other.engaged_ms),
    )


def _kept(beat: Beat) -> KeptBeat:
    return KeptBeat(
        view_id=beat.view_id,
        seq=beat.seq,
        received_at=beat.received_at,
        why=beat.why,
        visible_ms=beat.visible_ms,
        engaged_ms=beat.engaged_ms,
    )


def _greatest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _identity_rank(view: PageView) -> tuple[Any, ...]:
    if view.identity_seq is None:
        return (1,)
    user, session = view.username, view.session_key
    # A named pair before a visitor; then the seq; then what is known before what is not.
    return (0, view.visitor, view.identity_seq, user is None, user or "", session or "~")
