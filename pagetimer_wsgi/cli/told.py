"""How amounts, and what lies in quarantine, are told to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..spool.others import others
from ..spool.quarantine import Quarantine, Row
from ..spool.spool import Spool
from ..spool.waiting import Waiting

_REASONS = 3
_A_WHILE = 60
"""Seconds; another application's writer takes no such time."""
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


def counted(number: int, what: str) -> str:
    """Return a number of things: 1 beat, 1,200 beats."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def beats(waiting: Waiting) -> str:
    """Return how many beats wait, as well as that is known."""
    return f"{'' if waiting.is_exact else 'about '}{counted(waiting.beats, 'beat')}"


def age(seconds: float) -> str:
    """Return a length of time in the largest unit of which there are several, or exactly one."""
    for unit, name in _UNITS:
        if seconds >= 2 * unit or seconds == unit:
            return counted(int(seconds / unit), name)
    return f"{seconds:.0f} s"


def size(number: int) -> str:
    """Return bytes in their largest unit."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def in_quarantine(quarantine: Quarantine) -> Iterator[str]:
    """Yield what lies there, why, and what to do about it; nothing, if nothing does.

    :raises OSError: if it cannot be read
    """
    reasons = Counter(map(_reason, quarantine.rows()))
    if not reasons:
        return
    yield f"{counted(reasons.total(), 'line')} left in {quarantine.path}:"
    for reason, number in reasons.most_common(_REASONS):
        yield f"  {number:,} × {reason}"
    yield "mend the lines, or the store, and run `pagetimer drain --quarantine`"


def for_other_stores(spool: Spool) -> Iterator[str]:
    """Yield what has waited beside this spool for more than a minute, and what to do about it.

    :raises OSError: if it cannot be read
    """
    for other in others(spool.folder):
        waited = other.waiting.oldest_age or 0.0
        if waited > _A_WHILE:
            yield (
                f"{beats(other.waiting)} waiting for another store, the first for {age(waited)}: "
                f"{other.address or 'nobody has said which'}"
            )
            yield (
                "`pagetimer drain` with that store stores them there; if it was a mistake, end its "
                f"application and move the folders in {other.folder} to {spool.folder}"
            )


def _reason(row: Row | bytes) -> str:
    return row.reason if isinstance(row, Row) else "is no JSON object of `at`, `reason`, `beat`"
