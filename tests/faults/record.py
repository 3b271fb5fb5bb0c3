"""The record of strange requests: what was answered, and what may be in the store for it."""

from __future__ import annotations

import contextlib
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field

from pagetimer_wsgi.events import KeptBeat, PageView
from pagetimer_wsgi.stores.base import open_store

from .ledger import ALL, Counts, Ledger
from .rules import DAY, Told, is_strange, read_beat
from .strange import Strange

TAKEN = {"/beat": 204, "/log/": 204, "/log": 204, "/logs/": 201, "/track/": 201, "/endpoint/": 200}
"""What is answered to a beat or call that is accepted."""


def now() -> int:
    """Return the milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass
class Record:
    """What was answered. A request without an answer may have been accepted or not.

    :param ledger: where the figures stand in the end
    :param user: the only one whom a token may name
    """

    ledger: Ledger
    user: str = "ada"
    began: int = field(default_factory=now)
    _accepted: list[Told] = field(default_factory=list)
    _unanswered: list[Told] = field(default_factory=list)
    _calls: int = 0
    _unanswered_calls: int = 0

    def note(self, request: Strange, status: int | None) -> None:
        """Note what was answered, and hold that nothing was accepted that is no beat."""
        self.ledger.answers[status] += 1
        assert status is None or status < 500, request
        told = read_beat(request.arrives(), now())
        if request.whole and status is not None:
            expected = 413 if len(request.body) > 16_384 else 204 if told else 400
            assert status == expected, (status, request)
        if request.method != "POST" or request.path not in TAKEN:
            return
        if request.path != "/beat":
            self._calls += status == TAKEN[request.path]
            self._unanswered_calls += status is None
        elif status == 204:
            assert told, f"accepted, though it is no beat: {request}"
            self._accepted.append(told)
        elif status is None and told:
            self._unanswered.append(told)

    def hold(self, url: str, timeout: float = 60.0) -> None:
        """Hold that this store gets what was accepted, and nothing that was never sent.

        :param url: the store's
        :param timeout: seconds
        """
        end = time.monotonic() + timeout
        with contextlib.closing(open_store(url, migrate=False)) as store:
            while self._count(list(store.beats(ALL))).missing and time.monotonic() < end:
                time.sleep(0.3)
            beats, views = list(store.beats(ALL)), list(store.page_views(ALL))
        for view in views:
            self._hold_possible(view)
        calls = {view.view_id for view in views if view.kind != "page"}
        assert self._calls <= len(calls) <= self._calls + self._unanswered_calls
        self._hold_told([beat for beat in beats if beat.view_id not in calls])
        self.ledger.counts = self._count(beats)
        assert self.ledger.counts.twice == 0, self.ledger.counts

    def _hold_told(self, beats: list[KeptBeat]) -> None:
        kept = {(beat.view_id, beat.seq): beat.visible_ms for beat in beats}
        accepted = by_key(self._accepted, kept)
        possible = by_key(self._accepted + self._unanswered, kept)
        assert accepted.keys() <= kept.keys() <= possible.keys()
        for key, all_told in accepted.items():
            most = max(told.visible_ms for told in possible[key])
            exact = len(possible[key]) == len(all_told) and not any(t.token for t in all_told)
            # A token may tell of a page that is younger than the beat says.
            assert kept[key] == most if exact else kept[key] <= most, all_told

    def _count(self, beats: list[KeptBeat]) -> Counts:
        keys = {(beat.view_id, beat.seq): beat.visible_ms for beat in beats}
        accepted = by_key(self._accepted, keys)
        return Counts(
            sent=self.ledger.answers.total(),
            accepted=len(accepted) + self._calls,
            stored=len(keys),
            twice=len(beats) - len(keys),
            missing=len(accepted.keys() - keys.keys()),
            strange=0,
            wrong=0,
        )

    def _hold_possible(self, view: PageView) -> None:
        assert re.fullmatch("[0-9a-f]{32}", view.view_id)
        assert self.began <= view.last_seen_at <= now(), view
        assert self.began - DAY <= view.started_at <= view.last_seen_at, view
        assert 0 <= (view.engaged_ms or 0) <= (view.visible_ms or 0) <= DAY + 5_000, view
        assert view.username in (None, self.user), view
        for text in (view.path, view.referrer or "", view.agent or ""):
            assert len(text) <= 512, view
            assert not any(map(is_strange, text)), view
        assert view.kind != "page" or view.path.startswith("/"), view


def by_key(
    told: list[Told], beats: dict[tuple[str, int], int | None]
) -> dict[tuple[str, int], list[Told]]:
    """Return what was told of each beat, by the key under which the store has it."""
    found: dict[tuple[str, int], list[Told]] = defaultdict(list)
    for each in told:
        keys = [(view_id, each.seq) for view_id in sorted(each.view_ids)]
        found[next((key for key in keys if key in beats), keys[0])].append(each)
    return found
