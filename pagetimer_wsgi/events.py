"""What is measured: the beat, the page view, and ``fold``, which turns the one into the other.

Times are whole milliseconds; points in time are milliseconds since 1970-01-01 UTC.
``None`` means unknown and is never counted as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
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
_seqs = attrgetter(*(its_seq for _, its_seq in _FIRST_KNOWN))

_GREATEST = ("visible_ms", "engaged_ms", "words")
_IDENTITY = ("username", "session_key", "visitor", "identity_seq")
_Identity = tuple[str | None, str | None, bool, int | None]


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

    # By the names of a page view's fields, what a beat says by itself.

    @property
    def first_seq(self) -> int:
        """The beat's own seq."""
        return self.seq

    last_seq = first_seq

    @property
    def started_at(self) -> int:
        """When the page view began, by the server's clock."""
        return self.received_at - self.age

    @property
    def last_seen_at(self) -> int:
        """When the beat was received."""
        return self.received_at

    @property
    def ended(self) -> Ended:
        """Whether the page view's times are known to its end."""
        return "exact" if self.why in _EXACT else "at least"


class KeptBeat(msgspec.Struct, frozen=True, gc=False):
    """What a store keeps of a beat, under the key (``view_id``, ``seq``)."""

    view_id: str
    seq: int
    received_at: int
    why: Why | None = None
    visible_ms: int | None = None
    engaged_ms: int | None = None


class PageView(msgspec.Struct, frozen=True, gc=False):
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
    last_seq: int
    ended: Ended = "at least"
    visible_ms: int | None = None
    engaged_ms: int | None = None
    words: int | None = None
    capped: bool = False
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
    # In the order of the fields: 30 keywords would take twice as long, for each beat.
    return PageView(
        beat.view_id,
        beat.kind,
        beat.path,
        seq,
        beat.started_at,
        beat.received_at,
        seq,
        beat.ended,
        beat.visible_ms,
        beat.engaged_ms,
        beat.words,
        beat.capped,
        beat.site,
        None if beat.site is None else seq,
        beat.route,
        None if beat.route is None else seq,
        beat.referrer,
        None if beat.referrer is None else seq,
        beat.agent,
        None if beat.agent is None else seq,
        beat.ip_address,
        None if beat.ip_address is None else seq,
        beat.client_started_at,
        None if beat.client_started_at is None else seq,
        *_identity(beat),
    )


def join(one: PageView, other: PageView | Beat) -> PageView:
    """Return what two page views of one id say together, in whichever order they come.

    :param other: or a beat, for the page view that it makes by itself
    """
    first_seq = other.first_seq
    if first_seq < one.first_seq:  # what came first has most of the last word
        one, other, first_seq = _view(other), one, one.first_seq
    fields = _totals(one, other)
    if first_seq == one.first_seq:
        fields["kind"] = min(one.kind, other.kind)
        fields["path"] = min(one.path, other.path)
    # The highest seq decides; of one seq "at least" comes before "exact".
    last_seq, ended = other.last_seq, other.ended
    if (last_seq, one.ended) > (one.last_seq, ended):
        fields["last_seq"], fields["ended"] = last_seq, ended
    # What was known before the other began is not asked again.
    for place, before in enumerate(_seqs(one)):
        if before is None or before >= first_seq:
            name, its_seq = _FIRST_KNOWN[place]
            value = getattr(other, name)
            if value is not None:
                seq = _seq(other, its_seq)
                if before is None or (seq, value) < (before, getattr(one, name)):
                    fields[name], fields[its_seq] = value, seq
    if one.identity_seq is None or one.visitor or one.identity_seq >= first_seq:
        identity = min(_identity(one), _identity(other), key=_rank)
        fields |= zip(_IDENTITY, identity, strict=True)
    return replace(one, **fields)


def _view(part: PageView | Beat) -> PageView:
    return page_view(part) if isinstance(part, Beat) else part


def _seq(part: PageView | Beat, its_seq: str) -> int | None:
    return part.seq if isinstance(part, Beat) else getattr(part, its_seq)


def _totals(one: PageView, other: PageView | Beat) -> dict[str, Any]:
    """Return those of the fields, of which the least or greatest counts, that ``other`` changes."""
    fields: dict[str, Any] = {}
    started_at, last_seen_at = other.started_at, other.last_seen_at
    if started_at < one.started_at:
        fields["started_at"] = started_at
    if last_seen_at > one.last_seen_at:
        fields["last_seen_at"] = last_seen_at
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
        before = views.get(part.view_id)
        views[part.view_id] = _view(part) if before is None else join(before, part)
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
        beat.view_id, beat.seq, beat.received_at, beat.why, beat.visible_ms, beat.engaged_ms
    )


def _greatest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _identity(part: PageView | Beat) -> _Identity:
    if isinstance(part, PageView):
        return part.username, part.session_key, part.visitor, part.identity_seq
    if part.username is not None or part.session_key is not None:
        return part.username, part.session_key, False, part.seq
    if part.visitor is not None:
        return None, part.visitor, True, part.seq
    return None, None, False, None


def _rank(identity: _Identity) -> tuple[Any, ...]:
    user, session, visitor, seq = identity
    if seq is None:
        return (1,)
    # A named pair before a visitor; then the seq; then what is known before what is not.
    return (0, visitor, seq, user is None, user or "", session or "~")
