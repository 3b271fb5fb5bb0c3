"""The ledger of a fault: every beat that was sent, what was answered, and what the store has."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pagetimer_wsgi.events import KeptBeat, PageView
from pagetimer_wsgi.stores.base import Store, open_store
from pagetimer_wsgi.stores.query import Query

ALL = Query(kinds=("page", "log", "ping"))
BEFORE = 120_000  # a page view began so long ago, in milliseconds: its beats' totals are believed


@dataclass(frozen=True)
class SentBeat:
    """One beat as it goes over the wire."""

    view_id: str
    seq: int
    visible_ms: int

    def body(self, path: str = "/reading") -> bytes:
        """Return what the client posts."""
        fields = {
            "v": self.view_id,
            "n": self.seq,
            "t": self.visible_ms,
            "e": self.visible_ms // 2,
            "p": path,
            "d": int(self.view_id[:12], 16) + self.visible_ms,
            "w": "start" if self.seq == 0 else "beat",
        }
        return urllib.parse.urlencode(fields).encode()


def beats_of_a_view(number: int, began: int | None = None) -> list[SentBeat]:
    """Return the beats of one new page view; each tells of a second more.

    :param began: the client's clock when it began, milliseconds since 1970
    """
    began = int(time.time() * 1000) - BEFORE if began is None else began
    view_id = f"{began:012x}{secrets.token_hex(10)}"
    return [SentBeat(view_id, seq, seq * 1000) for seq in range(number)]


@dataclass(frozen=True)
class Counts:
    """What became of the beats. ``wrong``: page views whose total nobody can have told."""

    sent: int
    accepted: int
    stored: int
    twice: int
    missing: int
    strange: int
    wrong: int


@dataclass
class Ledger:
    """Every beat that was sent, with its answer; ``None`` where none came."""

    name: str
    answers: Counter[int | None] = field(default_factory=Counter)
    counts: Counts | None = None
    notes: list[str] = field(default_factory=list)
    _sent: set[SentBeat] = field(default_factory=set)
    _accepted: set[SentBeat] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, beat: SentBeat) -> None:
        """Note that a beat is on its way. Before it goes: its answer may never come."""
        with self._lock:
            self._sent.add(beat)

    def answer(self, beat: SentBeat, status: int | None) -> None:
        """Note what was answered; ``None``: nothing."""
        with self._lock:
            self.answers[status] += 1
            if status == 204:
                self._accepted.add(beat)

    @property
    def accepted(self) -> int:
        """How many beats were accepted so far."""
        return len(self._accepted)

    def compare(self, url: str, *more: str, timeout: float = 60.0) -> Counts:
        """Wait until all that was accepted is in the store, and count what became of each beat.

        :param url: the store's
        :param more: of stores that were in its place before: what lies in one lies in it
        :param timeout: seconds
        """
        end = time.monotonic() + timeout
        with contextlib.ExitStack() as stack:
            stores = [
                stack.enter_context(contextlib.closing(open_store(each, migrate=False)))
                for each in (url, *more)
            ]
            while True:
                counts = self._count([_kept(store) for store in stores])
                if (counts.missing == 0 and counts.wrong == 0) or time.monotonic() > end:
                    self.counts = counts
                    return counts
                time.sleep(0.3)

    def hold(self, url: str, *more: str, timeout: float = 60.0, refusals: bool = False) -> None:
        """Hold that what was accepted is stored, once, and nothing else that was never sent.

        :param refusals: whether 503 and 429 are answers that this fault may get
        """
        counts = self.compare(url, *more, timeout=timeout)
        assert (counts.missing, counts.twice, counts.strange, counts.wrong) == (0, 0, 0, 0), counts
        assert counts.accepted > 0, "a fault that nothing was accepted under shows nothing"
        assert set(self.answers) <= {204, None, *((429, 503) if refusals else ())}, self.answers

    def _count(self, stores: list[tuple[list[KeptBeat], list[PageView]]]) -> Counts:
        with self._lock:
            sent, accepted = set(self._sent), set(self._accepted)
        told = {(beat.view_id, beat.seq): beat.visible_ms for beat in sent}
        keys = [Counter((beat.view_id, beat.seq) for beat in kept) for kept, _ in stores]
        ids = [Counter(view.view_id for view in views) for _, views in stores]
        kept = [row for rows, _ in stores for row in rows]
        views = [view for _, rows in stores for view in rows]
        stored = set().union(*keys)
        return Counts(
            sent=len(sent),
            accepted=len(accepted),
            stored=len(stored),
            twice=sum(counter.total() - len(counter) for counter in (*keys, *ids)),
            missing=sum((beat.view_id, beat.seq) not in stored for beat in accepted),
            strange=sum(told.get((row.view_id, row.seq), -1) != row.visible_ms for row in kept),
            wrong=sum(1 for _ in self._wrong(sent, accepted, views)),
        )

    def _wrong(
        self, sent: set[SentBeat], accepted: set[SentBeat], views: list[PageView]
    ) -> Iterator[str]:
        """Yield each page view whose total is not between the largest accepted and sent."""
        most, least = greatest(sent), greatest(accepted)
        there = greatest(views)
        for view_id in most.keys() | there.keys():
            total = there.get(view_id)
            if total is None:
                if view_id in least:
                    yield view_id
            elif not least.get(view_id, 0) <= total <= most.get(view_id, -1):
                yield view_id


def greatest(rows: Iterable[SentBeat | PageView]) -> dict[str, int]:
    """Return the greatest total that these tell of each page view."""
    totals: dict[str, int] = defaultdict(int)
    for row in rows:
        totals[row.view_id] = max(totals[row.view_id], row.visible_ms or 0)
    return totals


def _kept(store: Store) -> tuple[list[KeptBeat], list[PageView]]:
    return list(store.beats(ALL)), list(store.page_views(ALL))
