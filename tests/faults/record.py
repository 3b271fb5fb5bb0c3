"""The record of strange requests: what was answered, and what may be in the store for it."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.stores.base import open_store

from .ledger import ALL
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

    :param user: the only one whom a token may name
    """

    user: str = "ada"
    began: int = field(default_factory=now)
    answers: Counter[int | None] = field(default_factory=Counter)
    _accepted: list[Told] = field(default_factory=list)
    _unanswered: list[Told] = field(default_factory=list)
    _calls: int = 0
    _unanswered_calls: int = 0

    def note(self, request: Strange, status: int | None) -> None:
        """Note what was answered, and hold that nothing was accepted that is no beat."""
        self.answers[status] += 1
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

    def hold(self, url: str) -> None:
        """Hold that this store has what was accepted, and nothing that was never sent.

        :param url: the store's
        """
        with contextlib.closing(open_store(url, migrate=False)) as store:
            views = list(store.page_views(ALL))
            kept = {(beat.view_id, beat.seq): beat.visible_ms for beat in store.beats(ALL)}
        for view in views:
            self._hold_possible(view)
        calls = {view.view_id for view in views if view.kind != "page"}
        assert self._calls <= len(calls) <= self._calls + self._unanswered_calls
        beats = {key: total for key, total in kept.items() if key[0] not in calls}
        accepted = by_key(self._accepted, beats)
        possible = by_key(self._accepted + self._unanswered, beats)
        assert accepted.keys() <= beats.keys() <= possible.keys()
        for key, all_told in accepted.items():
            most = max(told.visible_ms for told in possible[key])
            exact = len(possible[key]) == len(all_told) and not any(t.token for t in all_told)
            # A token may tell of a page that is younger than the beat says.
            assert beats[key] == most if exact else beats[key] <= most, all_told

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
