"""Page views and beats as rows of the tables, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, select

from ...events import KeptBeat, PageView
from .schema import agent, beat, page, page_view, person, referrer, session

KINDS = {"page": 0, "log": 1, "ping": 2}
ENDED = {"at least": 0, "exact": 1}
WHYS = {"start": 0, "beat": 1, "hide": 2, "leave": 3, "later": 4, "route": 5}

_KINDS = {number: word for word, number in KINDS.items()}
_ENDED = {number: word for word, number in ENDED.items()}
_WHYS = {number: word for word, number in WHYS.items()}

_FIELDS = PageView.__struct_fields__
_ELSEWHERE = {
    "path": page.c.path,
    "site": page.c.site,
    "route": page.c.route,
    "referrer": referrer.c.referrer,
    "agent": agent.c.agent,
    "username": person.c.username,
    "session_key": session.c.session_key,
}

PAGE_VIEWS = select(
    *(_ELSEWHERE[name] if name in _ELSEWHERE else page_view.c[name] for name in _FIELDS)
).select_from(
    page_view.join(page).outerjoin(person).outerjoin(session).outerjoin(agent).outerjoin(referrer)
)
"""Everything that :func:`page_view_of` needs, in the order of ``PageView``'s fields."""

BEATS = select(beat)

PAGE_VIEW_VALUES = [column.name for column in page_view.c if column.name != "view_id"]
BEAT_VALUES = [column.name for column in beat.c if column.name != "view_id"]


class Unfit(ValueError):
    """A page view or beat that the tables cannot hold."""


def page_view_of(row: Row[Any]) -> PageView:
    """Return the page view that a row of :data:`PAGE_VIEWS` holds."""
    known = dict(zip(_FIELDS, row, strict=True))
    known["view_id"] = known["view_id"].hex()
    known["kind"] = _KINDS[known["kind"]]
    known["ended"] = _ENDED[known["ended"]]
    known["capped"] = bool(known["capped"])
    known["visitor"] = bool(known["visitor"])
    if known["session_key"] is not None:
        known["session_key"] = known["session_key"].hex()
    for name in ("site", "route"):
        if known[name + "_seq"] is None:
            known[name] = None
    return PageView(**known)


def beat_of(row: Row[Any]) -> KeptBeat:
    """Return the beat that a row of :data:`BEATS` holds."""
    view_id, seq, received_at, why, visible_ms, engaged_ms = tuple(row)
    return KeptBeat(
        view_id=view_id.hex(),
        seq=seq,
        received_at=received_at,
        why=None if why is None else _WHYS[why],  # type: ignore[arg-type]
        visible_ms=visible_ms,
        engaged_ms=engaged_ms,
    )


def page_view_values(view: PageView, ids: Mapping[str, int | None]) -> list[object]:
    """Return the page view's row without its key, in the order of the table's columns.

    :param ids: the numbers of its page, person, session, agent and referrer, by column
    """
    values: dict[str, object] = {
        **ids,
        "kind": _number(KINDS, view.kind),
        "ended": _number(ENDED, view.ended),
        "capped": int(view.capped),
        "visitor": int(view.visitor),
    }
    return [values[name] if name in values else getattr(view, name) for name in PAGE_VIEW_VALUES]


def beat_values(kept: KeptBeat) -> list[object]:
    """Return the beat's row without its view id, in the order of the table's columns."""
    why = None if kept.why is None else _number(WHYS, kept.why)
    return [kept.seq, kept.received_at, why, kept.visible_ms, kept.engaged_ms]


def _number(numbers: Mapping[str, int], word: str) -> int:
    if word not in numbers:
        raise Unfit(f"{word!r} is none of {', '.join(numbers)}")
    return numbers[word]


def identifier(digits: str) -> bytes:
    """Return the 16 bytes that 32 lower-case hex digits say.

    :raises Unfit: if they are anything else
    """
    try:
        found = bytes.fromhex(digits)
    except ValueError as error:
        raise Unfit(f"{digits!r} is not 32 hex digits") from error
    if len(found) != 16 or found.hex() != digits:
        raise Unfit(f"{digits!r} is not 32 lower-case hex digits")
    return found


def check(values: Iterable[object]) -> None:
    """Look whether the tables can hold these values exactly.

    :raises Unfit: at a number over 64 bits or a text with a NUL or a lone surrogate
    """
    for value in values:
        if type(value) is int:
            if not -(2**63) <= value < 2**63:
                raise Unfit(f"{value} does not fit into 64 bits")
        elif type(value) is str:
            if "\0" in value or not (value.isascii() or _encodes(value)):
                raise Unfit(f"{value!r} is no text that a database keeps")
        elif value is not None and type(value) is not bool:
            raise Unfit(f"{value!r} is no value of a page view or beat")


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
