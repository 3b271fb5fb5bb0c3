"""The lines that the drain benchmark stores: many people who read, each at a pace of their own."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator

from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.lines import encode

USERS = 10_000
PATHS = 500
SECONDS = 20.0
"""Mean time on a page; four beats each, so that two thousand beats a second arrive."""
_NOON = 1_772_366_400_000
AGENTS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    for version in range(60, 160)
]


def lines(count: int) -> Iterator[bytes]:
    """Yield so many lines as they arrive: of different page views, turn by turn.

    A page view's last two beats (hide, leave) come together; the first two stand alone, up to
    a minute before, thousands of other beats between them.
    """
    chance = random.Random(1)
    queue: list[tuple[float, int, Beat]] = []
    for user in range(USERS):
        _view(queue, chance, user, chance.uniform(0, SECONDS))
    for _ in range(count):
        now, user, beat = heapq.heappop(queue)
        yield encode(beat)
        if beat.why == "leave":
            _view(queue, chance, user, now)


def _view(
    queue: list[tuple[float, int, Beat]], chance: random.Random, user: int, now: float
) -> None:
    """Queue the beats of one page view that begins now."""
    lasts = chance.expovariate(1 / SECONDS) + 0.2
    shared = _shared(chance, user, now)
    ages = (0.1, lasts * chance.uniform(0.2, 0.8), lasts - 0.05, lasts)
    whys = ("start", "beat", "hide", "leave")
    for seq, (age, why) in enumerate(zip(ages, whys, strict=True)):
        ms = int(age * 1000)
        times = {"age": ms, "visible_ms": ms, "engaged_ms": ms * 2 // 3}
        received_at = _NOON + int((now + age) * 1000)
        beat = Beat(seq=seq, why=why, received_at=received_at, **times, **shared)
        heapq.heappush(queue, (now + age, user, beat))


def _shared(chance: random.Random, user: int, now: float) -> dict[str, object]:
    started = _NOON + int(now * 1000)
    path, before = chance.randrange(PATHS), chance.randrange(PATHS)
    return {
        "view_id": f"{started:012x}{chance.getrandbits(80):020x}",
        "path": f"/course/{path // 25}/chapter-{path % 25}",
        "route": "/course/<course>/<chapter>",
        "referrer": f"https://www.example.com/course/{before // 25}/chapter-{before % 25}",
        "agent": AGENTS[user % len(AGENTS)],
        "words": 400 + path,
        "ip_address": f"203.0.{user % 250}.0",
        "client_started_at": started - 30,
        "username": f"user{user}" if user % 2 else None,
        "session_key": f"{user * 7919 + 1:032x}",
    }
