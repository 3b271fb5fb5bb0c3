"""What a beat is: a second reading of the rules of the wire, which shares no line with the first.

Times in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

HEX = "0123456789abcdef"
MOST = 2**53
DAY = 86_400_000
REASONS = ("start", "beat", "hide", "leave", "later", "route")


@dataclass(frozen=True)
class Told:
    """What a body that is a beat says.

    :param view_ids: under which it may be kept: its own, or a stray's; both within a minute of
        where the one ends and the other begins
    :param visible_ms: the most that may be believed without a token; and engaged time
    """

    view_ids: frozenset[str]
    seq: int
    visible_ms: int
    engaged_ms: int | None
    why: str | None
    path: str
    token: str | None


def read_beat(body: bytes, now: int) -> Told | None:
    """Return what a body says; ``None`` if it is no beat."""
    fields = read_form(body)
    if fields is None or len(body) > 16 * 1024:
        return None
    view_id, path, referrer = (fields.get(name, "") for name in "vpr")
    numbers = {name: number(fields.get(name, "")) for name in "ntdel"}
    known = all(numbers[name] is not None for name in "ntd")
    right = all(numbers[name] is not None for name in "el" if fields.get(name))
    if not known or not right or not path.startswith("/"):
        return None
    if len(view_id) != 32 or any(digit not in HEX for digit in view_id):
        return None
    if any(is_strange(sign) for sign in path + referrer):
        return None
    return _told(view_id, path, fields, numbers, now)


def _told(
    view_id: str, path: str, fields: dict[str, str], numbers: dict[str, int | None], now: int
) -> Told:
    moment, visible, engaged = (numbers[name] for name in "dte")
    began = int(view_id[:12], 16)
    age = sorted((0, moment - began, DAY))[1]
    visible = min(visible, age + 5_000)
    return Told(
        view_ids=_kept_as(view_id, began, moment, now),
        seq=numbers["n"],
        visible_ms=visible,
        engaged_ms=None if engaged is None else min(engaged, visible),
        why=fields["w"] if fields.get("w") in REASONS else None,
        path=path.split("#")[0].split("?")[0][:512],
        token=fields.get("k"),
    )


def _kept_as(view_id: str, began: int, moment: int, now: int) -> frozenset[str]:
    off = max(abs(moment - now) / (7 * DAY), abs(moment - began) / (400 * DAY))
    own, stray = view_id, "f" * 12 + view_id[12:]
    if abs(off - 1) * 7 * DAY < 60_000:
        return frozenset((own, stray))
    return frozenset((own,) if off < 1 else (stray,))


def read_form(body: bytes) -> dict[str, str] | None:
    """Return the fields of a form (WHATWG URL, 5.1), names as they stand; ``None``: no UTF-8.

    An empty value says nothing; of a name that stands twice the last value counts.
    """
    pairs = [pair.partition(b"=") for pair in body.split(b"&")]
    try:
        body.decode()
        return {name.decode(): _plain(value) for name, _, value in pairs if value}
    except UnicodeDecodeError:
        return None


def _plain(text: bytes) -> str:
    first, *rest = text.replace(b"+", b" ").split(b"%")
    parts = [first]
    for part in rest:
        digits = part[:2].lower().decode("latin-1")
        is_byte = len(digits) == 2 and all(digit in HEX for digit in digits)
        parts.append(bytes([int(digits, 16)]) + part[2:] if is_byte else b"%" + part)
    return b"".join(parts).decode()


def number(text: str) -> int | None:
    """Return a whole number from 0 to 2^53; ``None`` for anything else."""
    if not 1 <= len(text) <= 16 or any(digit not in "0123456789" for digit in text):
        return None
    return int(text) if int(text) <= MOST else None


def is_strange(sign: str) -> bool:
    """Tell whether a sign is a control character or half a surrogate pair."""
    return ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 or 0xD800 <= ord(sign) < 0xE000
