"""A sample month: page views of people who do not exist, under a site name that says so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

from ..events import Beat, Why
from ..stores.base import Store
from .site import PATHS, route

SITE = "sample"
DAYS = 29
"""A sample month reaches so many days back, to stay within a report's 30."""

_BATCH = 500
_DAY = 24 * 3600

When = Literal["morning", "noon", "evening", "night"]
_HOURS: dict[When, tuple[float, float]] = {  # mean and spread, in hours UTC
    "morning": (8.2, 0.9),
    "noon": (12.6, 0.7),
    "evening": (19.8, 1.3),
    "night": (22.6, 0.8),
}


class Reader(NamedTuple):
    """How somebody reads.

    :param name: ``None``: not logged in
    :param visits: a day, on average
    :param pace: 1 is usual, more is slower
    :param attention: which part of the visible time is engaged
    """

    name: str | None
    visits: float
    pages: int
    pace: float
    attention: float
    when: tuple[When, ...]
    at_weekends: float


_READERS = (
    Reader("amelie", 1.5, 6, 1.25, 0.86, ("evening", "evening", "noon"), 0.6),
    Reader("bashir", 1.2, 5, 0.80, 0.74, ("morning", "noon"), 0.2),
    Reader("chiara", 1.3, 7, 1.05, 0.90, ("evening", "night"), 1.3),
    Reader("dmitri", 0.9, 4, 1.60, 0.55, ("night",), 1.0),
    Reader("esperanza", 1.4, 6, 0.95, 0.82, ("noon", "evening"), 0.7),
    Reader("folake", 1.0, 8, 1.10, 0.88, ("morning", "evening"), 1.5),
    Reader("gustav", 0.7, 3, 2.10, 0.48, ("morning",), 0.4),
    Reader("hana", 1.1, 5, 0.70, 0.79, ("noon", "night"), 0.9),
    Reader(None, 2.2, 2, 0.60, 0.66, ("morning", "noon", "evening"), 1.0),
)

_SECONDS = {"/": 22.0, "/glossary": 48.0, "/search": 14.0}
_CHAPTER_SECONDS = (150.0, 165.0, 172.0, 190.0, 158.0)


def fill(store: Store, now: int, seed: int = 1) -> int:
    """Write a sample month into a store; return how many page views it has.

    :param now: milliseconds since 1970; the month ends here
    :param seed: the same one gives the same month
    :raises StoreAway: if the store cannot be written to
    """
    beats = list(month(now, seed))
    for first in range(0, len(beats), _BATCH):
        store.write(beats[first : first + _BATCH])
    return len(beats)


def month(now: int, seed: int = 1) -> Iterator[Beat]:
    """Yield one beat for each page view of the month before ``now``."""
    chance = random.Random(seed)
    today = datetime.fromtimestamp(now / 1000, timezone.utc).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    for back in range(DAYS, -1, -1):
        day = today - timedelta(days=back)
        for reader in _READERS:
            for start in _visits(chance, reader, day):
                visit = _visit(chance, reader, start)
                yield from (beat for beat in visit if beat.received_at <= now)


def _visits(chance: random.Random, reader: Reader, day: datetime) -> Iterator[int]:
    """Yield when visits begin that day, in milliseconds since 1970."""
    rate = reader.visits * (reader.at_weekends if day.weekday() >= 5 else 1.0)
    number = int(rate) + (chance.random() < rate % 1)
    for _ in range(number):
        mean, spread = _HOURS[chance.choice(reader.when)]
        second = min(max(chance.gauss(mean, spread) * 3600, 0), _DAY - 1)
        yield int((day.timestamp() + second) * 1000)


def _visit(chance: random.Random, reader: Reader, start: int) -> Iterator[Beat]:
    """Yield the page views of one visit, each beginning when the one before is left."""
    session = f"{chance.getrandbits(128):032x}"
    number = max(1, round(chance.gauss(reader.pages, reader.pages / 3)))
    chapter = chance.choice([0, 0, 0, 1, 1, 2, 3])
    path, before = chance.choice(["/", "/", f"/chapter-{chapter + 1}"]), None
    for _ in range(number):
        visible = _visible(chance, reader, path)
        # Now and then the window is hidden for a while: the page view ages, and is not seen.
        age = visible + (round(chance.expovariate(1 / 240_000)) if chance.random() < 0.12 else 0)
        yield _beat(chance, reader, session, start, path, before, visible, age)
        start += age + chance.randrange(200, 900)
        if path.startswith("/chapter-") and chance.random() < 0.7:
            chapter = (chapter + 1) % 5
        before, path = path, _next(chance, path, chapter)


def _beat(
    chance: random.Random,
    reader: Reader,
    session: str,
    start: int,
    path: str,
    before: str | None,
    visible: int,
    age: int,
) -> Beat:
    """Return the last beat of a page view. Some browsers die without a last word, or say little."""
    luck = chance.random()
    why: Why = "leave" if luck > 0.06 else "beat"
    knows = luck > 0.02
    engaged = round(visible * min(1.0, max(0.05, chance.gauss(reader.attention, 0.12))))
    return Beat(
        view_id=f"{start:012x}{chance.getrandbits(80):020x}",
        seq=1 + visible // 15_000,
        received_at=start + age,
        path=path,
        age=age,
        visible_ms=visible if knows else None,
        engaged_ms=engaged if knows else None,
        why=why,
        site=SITE,
        route=route(path),
        referrer=before,
        client_started_at=start,
        username=reader.name,
        session_key=session if reader.name else None,
        visitor=None if reader.name else session,
    )


def _visible(chance: random.Random, reader: Reader, path: str) -> int:
    """Return for how long a page is looked at, in milliseconds; most leave early, some stay."""
    usual = _SECONDS.get(path) or _CHAPTER_SECONDS[int(path[-1]) - 1]
    if chance.random() < 0.18:  # not what they were looking for
        usual = 6.0
    return round(1000 * min(usual * reader.pace * chance.lognormvariate(0, 0.55), 1500))


def _next(chance: random.Random, path: str, chapter: int) -> str:
    others = [other for other in PATHS if other != path and not other.startswith("/chapter-")]
    here = f"/chapter-{chapter + 1}"
    return here if here != path and chance.random() < 0.78 else chance.choice(others)
