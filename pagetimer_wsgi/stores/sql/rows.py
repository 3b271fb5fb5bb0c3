"""Page views and beats as rows of the tables, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Integer, String, Table, select

from ...events import KeptBeat, PageView
from ...pace import gently
from .bulk import Rows
from .schema import Hex, agent, beat, page, page_view, person, referrer, session


class Unfit(ValueError):
    """A page view or beat that the tables cannot hold."""


class Words(dict[str | None, int | None]):
    """Words, each with the number that stands for it in the tables."""

    def __missing__(self, word: str | None) -> int:
        """Refuse what has no number.

        :raises Unfit: always
        """
        raise Unfit(f"{word!r} is none of {', '.join(map(str, self))}")


KINDS = Words({"page": 0, "log": 1, "ping": 2})
ENDED = Words({"at least": 0, "exact": 1})
WHYS = Words({"start": 0, "beat": 1, "hide": 2, "leave": 3, "later": 4, "route": 5, None: None})

_KINDS = {number: word for word, number in KINDS.items()}
_ENDED = {number: word for word, number in ENDED.items()}
_WHYS = {number: word for word, number in WHYS.items()}

_FIELDS = PageView.__struct_fields__
_MEANINGS: list[tuple[int, Callable[[Any], object]]] = [
    (_FIELDS.index("kind"), _KINDS.__getitem__),
    (_FIELDS.index("ended"), _ENDED.__getitem__),
    (_FIELDS.index("capped"), bool),
    (_FIELDS.index("visitor"), bool),
]
_IF_KNOWN = [_FIELDS.index("site"), _FIELDS.index("route")]
"""Empty in the table of pages where unknown; their deciding seqs, which come after them, tell."""
VIEW_ID = Hex(page_view.c.view_id).label("view_id")
_OTHERWISE: dict[str, ColumnElement[Any]] = {
    "view_id": VIEW_ID,
    "path": page.c.path,
    "site": page.c.site,
    "route": page.c.route,
    "referrer": referrer.c.referrer,
    "agent": agent.c.agent,
    "username": person.c.username,
    "session_key": Hex(session.c.session_key).label("session_key"),
}

_COLUMNS: list[ColumnElement[Any]] = [
    _OTHERWISE[name] if name in _OTHERWISE else page_view.c[name] for name in _FIELDS
]
PAGE_VIEWS = (
    select(*_COLUMNS)
    .join_from(page_view, page, page.c.page_id == page_view.c.page_id)
    .outerjoin(person, person.c.person_id == page_view.c.person_id)
    .outerjoin(session, session.c.session_id == page_view.c.session_id)
    .outerjoin(agent, agent.c.agent_id == page_view.c.agent_id)
    .outerjoin(referrer, referrer.c.referrer_id == page_view.c.referrer_id)
)
"""Everything that :func:`page_view_of` needs, in the order of ``PageView``'s fields."""

BEATS = select(Hex(beat.c.view_id).label("view_id"), *list(beat.c)[1:])


_NUMBER = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_AT_ONCE = 500
"""Rows that are looked at in one go, while nobody else runs."""


def page_view_of(row: Sequence[Any]) -> PageView:
    """Return the page view that a row of :data:`PAGE_VIEWS` holds."""
    values = list(row)
    for place, meaning in _MEANINGS:
        values[place] = meaning(values[place])
    for place in _IF_KNOWN:
        if values[place + 1] is None:
            values[place] = None
    return PageView(*values)


def beat_of(row: Sequence[Any]) -> KeptBeat:
    """Return the beat that a row of :data:`BEATS` holds."""
    view_id, seq, received_at, why, visible_ms, engaged_ms = row
    word: Any = _WHYS[why]
    return KeptBeat(view_id, seq, received_at, word, visible_ms, engaged_ms)


def page_view_values(
    view: PageView,
    page_id: int | None,
    person_id: int | None,
    session_id: int | None,
    agent_id: int | None,
    referrer_id: int | None,
) -> tuple[object, ...]:
    """Return the page view's row, in the order of the table's columns."""
    return (
        view.view_id,
        KINDS[view.kind],
        page_id,
        view.first_seq,
        view.started_at,
        view.last_seen_at,
        view.visible_ms,
        view.engaged_ms,
        view.words,
        int(view.capped),
        ENDED[view.ended],
        view.last_seq,
        view.site_seq,
        view.route_seq,
        referrer_id,
        view.referrer_seq,
        agent_id,
        view.agent_seq,
        view.ip_address,
        view.ip_address_seq,
        view.client_started_at,
        view.client_started_at_seq,
        person_id,
        session_id,
        int(view.visitor),
        view.identity_seq,
    )


def beat_values(kept: KeptBeat) -> tuple[object, ...]:
    """Return the beat's row, in the order of the table's columns."""
    why = WHYS[kept.why]
    return (kept.view_id, kept.seq, kept.received_at, why, kept.visible_ms, kept.engaged_ms)


def identifier(digits: str) -> bytes:
    """Return the 16 bytes that 32 lower-case hex digits say.

    :raises Unfit: if they are anything else
    """
    return identifiers([digits])


def identifiers(digits: Sequence[str]) -> bytes:
    """Return the 16 bytes of each of these ids, one after the other.

    :raises Unfit: if one is not 32 lower-case hex digits
    """
    try:
        text = "".join(digits)
        found = bytes.fromhex(text)
    except (TypeError, ValueError) as error:
        raise Unfit("an id is not made of hex digits") from error
    if found.hex() != text or set(map(len, digits)) - {32}:
        raise Unfit("an id is not 32 lower-case hex digits")
    return found


def is_identifier(digits: str) -> bool:
    """Tell whether these are 32 lower-case hex digits."""
    try:
        identifier(digits)
    except Unfit:
        return False
    return True


def check(texts: Iterable[object]) -> None:
    """Look whether the tables can hold these texts exactly.

    :raises Unfit: at one that is none, or has a NUL or a lone surrogate
    """
    try:
        text = "".join(set(texts) - {None})  # type: ignore[arg-type]
    except TypeError as error:
        raise Unfit(f"what should be text is none: {error}") from error
    if "\0" in text or not (text.isascii() or _encodes(text)):
        raise Unfit("a text has a sign that no database keeps")


def check_rows(table: Table, rows: Rows) -> None:
    """Look whether a table can hold these rows exactly, apart from their ids.

    By msgspec: a loop of ours over the values of each beat took as long as to store it.

    :raises Unfit: at a number over 64 bits, a value of another type or what :func:`check` refuses
    """
    texts = [place for place, column in enumerate(table.c) if isinstance(column.type, String)]
    for first in gently(range(0, len(rows), _AT_ONCE), look=1):
        some = rows[first : first + _AT_ONCE]
        try:
            msgspec.convert(some, _type(table))
        except msgspec.ValidationError as error:
            raise Unfit(str(error)) from error
        for place in texts:
            check(row[place] for row in some)


@cache
def _type(table: Table) -> Any:
    """Return the type of a list of the table's rows."""
    types = [_NUMBER if isinstance(column.type, Integer) else str for column in table.c]
    maybe = [
        one | None if column.nullable else one for column, one in zip(table.c, types, strict=True)
    ]
    return list[tuple[tuple(maybe)]]  # type: ignore[misc]


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
