"""What is measured: the beat, the page view, and ``fold``, which turns the one into the other.

Times are whole milliseconds; points in time are milliseconds since 1970-01-01 UTC.
``None`` means unknown and is never counted as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Kind = Literal["page", "log", "ping"]
Why = Literal["start", "beat", "hide", "leave", "later", "route"]
Ended = Literal["at least", "exact"]

STRAY = "ffffffffffff"
"""Stands for the first 12 digits of a view id whose clock cannot be believed."""

_EXACT = frozenset({"hide", "leave", "route", "later"})
# Of these the page view keeps what the lowest seq that knows it says.
_FIRST_KNOWN = ("site", "route", "referrer", "agent", "ip_address", "client_started_at")


class Beat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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


class KeptBeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a store keeps of a beat, under the key (``view_id``, ``seq``)."""

    view_id: str
    seq: int
    received_at: int
    why: Why | None = None
    visible_ms: int | None = None
    engaged_ms: int | None = None


class PageView(msgspec.Struct, frozen=True, kw_only=True):
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
    known: dict[str, Any] = {}
    for name in _FIRST_KNOWN:
        value = getattr(beat, name)
        if value is not None:
            known[name] = value
            known[name + "_seq"] = beat.seq
    if beat.username is not None or beat.session_key is not None:
        known |= {"username": beat.username, "session_key": beat.session_key}
        known["identity_seq"] = beat.seq
    elif beat.visitor is not None:
        known |= {"session_key": beat.visitor, "visitor": True, "identity_seq": beat.seq}
    return PageView(
        view_id=beat.view_id,
        kind=beat.kind,
        path=beat.path,
        first_seq=beat.seq,
        started_at=beat.received_at - beat.age,
        last_seen_at=beat.received_at,
        visible_ms=beat.visible_ms,
        engaged_ms=beat.engaged_ms,
        words=beat.words,
        capped=beat.capped,
        ended="exact" if beat.why in _EXACT else "at least",
        last_seq=beat.seq,
        **known,
    )


def join(one: PageView, other: PageView) -> PageView:
    """Return what two page views of one id say together, in whichever order they come."""
    if one == other:
        return one
    fields: dict[str, Any] = {
        "view_id": one.view_id,
        "first_seq": min(one.first_seq, other.first_seq),
        "started_at": min(one.started_at, other.started_at),
        "last_seen_at": max(one.last_seen_at, other.last_seen_at),
        "visible_ms": _greatest(one.visible_ms, other.visible_ms),
        "engaged_ms": _greatest(one.engaged_ms, other.engaged_ms),
        "words": _greatest(one.words, other.words),
        "capped": one.capped or other.capped,
    }
    fields["kind"] = min((one.first_seq, one.kind), (other.first_seq, other.kind))[1]
    fields["path"] = min((one.first_seq, one.path), (other.first_seq, other.path))[1]
    # The highest seq decides; of one seq "at least" comes before "exact".
    last, fields["ended"] = min((-one.last_seq, one.ended), (-other.last_seq, other.ended))
    fields["last_seq"] = -last
    for name in _FIRST_KNOWN:
        first = one if _rank(one, name) <= _rank(other, name) else other
        fields[name] = getattr(first, name)
        fields[name + "_seq"] = getattr(first, name + "_seq")
    named = min(one, other, key=_identity_rank)
    for name in ("username", "session_key", "visitor", "identity_seq"):
        fields[name] = getattr(named, name)
    return PageView(**fields)


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
        row = part
        if isinstance(row, Beat):
            row = KeptBeat(
                view_id=row.view_id,
                seq=row.seq,
                received_at=row.received_at,
                why=row.why,
                visible_ms=row.visible_ms,
                engaged_ms=row.engaged_ms,
            )
        key = (row.view_id, row.seq)
        before = rows.get(key)
        if before is not None:
            known = [why for why in (before.why, row.why) if why is not None]
            row = KeptBeat(
                view_id=row.view_id,
                seq=row.seq,
                received_at=min(before.received_at, row.received_at),
                why=min(known) if known else None,
                visible_ms=_greatest(before.visible_ms, row.visible_ms),
                engaged_ms=_greatest(before.engaged_ms, row.engaged_ms),
            )
        rows[key] = row
    return rows


def _greatest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _rank(view: PageView, name: str) -> tuple[Any, ...]:
    seq = getattr(view, name + "_seq")
    return (1,) if seq is None else (0, seq, getattr(view, name))


def _identity_rank(view: PageView) -> tuple[Any, ...]:
    if view.identity_seq is None:
        return (1,)
    user, session = view.username, view.session_key
    # A named pair before a visitor; then the seq; then what is known before what is not.
    return (0, view.visitor, view.identity_seq, user is None, user or "", session or "~")
