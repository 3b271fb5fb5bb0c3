"""What networks do to beats: twice, late, in any order, not at all. The store stays the same."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from pagetimer_wsgi.events import Beat, KeptBeat, PageView
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.drain import drain
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.stores.base import open_store

from .hosts import hosting
from .ledger import ALL, Ledger, SentBeat, beats_of_a_view
from .load import post, send

TRIES = 5
"""How often a client sends a beat whose answers are lost."""

Rows = tuple[list[PageView], list[KeptBeat]]


# --- one page view, in every order ----------------------------------------------------------

NOON = 1_760_000_000_000


def _beat(seq: int, at: int, **known: object) -> Beat:
    """Return a beat that came ``at`` seconds after the page view began."""
    times = {"age": at * 1000, "visible_ms": at * 900, "received_at": NOON + at * 1010}
    return Beat(view_id="0" * 32, seq=seq, **({"path": "/tides"} | times | known))


STORIES: dict[str, Sequence[Beat]] = {
    "an ordinary one": (
        _beat(0, 0, why="start", words=120, referrer="/", agent="a reader", site="harbour"),
        _beat(1, 30, why="beat", engaged_ms=20_000),
        _beat(2, 60, why="hide", engaged_ms=31_000, words=140),
        _beat(3, 95, why="beat", capped=True),
        _beat(4, 99, why="leave", route="/<place>"),
    ),
    "someone logs in, another one out": (
        _beat(0, 0, visitor="1" * 32, ip_address="192.0.2.0"),
        _beat(1, 30, username="ada", session_key="2" * 32),
        _beat(2, 60, username="eve", session_key="3" * 32, agent="another"),
        _beat(3, 90, visitor="4" * 32, ip_address="198.51.100.0"),
        _beat(4, 91, why="leave", path="/ebb"),
    ),
    "a seq that came with two values": (
        _beat(1, 30, why="beat", words=7),
        _beat(1, 31, why="hide", words=9, path="/ebb"),
        _beat(1, 29, username="ada", path="/flood"),
        _beat(2, 40, why="leave", client_started_at=NOON),
        _beat(2, 41, why="beat", client_started_at=NOON + 5),
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_page_view_is_the_same_in_whatever_order_and_batches_its_beats_come(
    story: Sequence[Beat], store_url: str, tmp_path: Path
) -> None:
    orders = list(itertools.permutations(story))
    histories = [(order, cuts) for order in orders for cuts in ((), (1, 2, 3, 4), (2,), (3, 4))]
    with contextlib.closing(open_store(store_url)) as store:
        for turn in range(len(story)):  # what every history writes in its turn-th batch
            store.write(list(_batch(histories, turn)))
        assert not store.write(list(_batch(histories, 0))), "a replay is refused"
    told = _told_by_id(store_url)
    assert len(told) == len(histories)
    assert len(set(told.values())) == 1, Counter(told.values())


def _batch(histories: Sequence[tuple[Sequence[Beat], Sequence[int]]], turn: int) -> Iterator[Beat]:
    for number, (order, cuts) in enumerate(histories):
        ends = (0, *cuts, len(order))
        if turn < len(ends) - 1:
            for beat in order[ends[turn] : ends[turn + 1]]:
                yield msgspec.structs.replace(beat, view_id=f"{number:032x}")


def _told_by_id(url: str) -> dict[str, str]:
    """Return what the store says of each page view and its beats, their ids aside."""
    views, beats = rows(url)
    told = {view.view_id: [repr(msgspec.structs.replace(view, view_id=""))] for view in views}
    for beat in beats:
        told[beat.view_id].append(repr(msgspec.structs.replace(beat, view_id="")))
    return {view_id: "\n".join(parts) for view_id, parts in told.items()}


# --- many, by several processes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("views", "processes"), [(300, 3), pytest.param(20_000, 8, marks=pytest.mark.long)]
)
def test_losses_doubles_and_any_order_over_batches_and_processes_change_no_row(
    views: int, processes: int, store_url: str, another_store_url: str, tmp_path: Path
) -> None:
    choice = random.Random(views)
    arrived = [
        msgspec.structs.replace(beat, view_id=f"{NOON + number:012x}{number:020x}")
        for number in range(views)
        for beat in choice.choice(list(STORIES.values()))
        if choice.random() > 0.2
    ]
    with contextlib.closing(open_store(another_store_url)) as in_order:
        assert not in_order.write(arrived)
    spool = Spool(tmp_path / "spool", store_url, 2**40)
    doubled = [beat for beat in arrived for _ in range(choice.choice((1, 1, 2, TRIES)))]
    choice.shuffle(doubled)
    children = [_append_apart(spool, doubled[part::processes]) for part in range(processes)]
    with contextlib.closing(open_store(store_url)) as store:
        while children:
            drain(spool, store, Quarantine(tmp_path / "quarantine.jsonl"))
            children = [pid for pid in children if os.waitpid(pid, os.WNOHANG) == (0, 0)]
        drain(spool, store, Quarantine(tmp_path / "quarantine.jsonl"))
    assert rows(store_url) == rows(another_store_url)
    assert not (tmp_path / "quarantine.jsonl").exists()


def _append_apart(spool: Spool, beats: Sequence[Beat]) -> int:
    """Append beats in a process of their own, and return its id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            for beat in beats:
                spool.append(encode(beat))
            status = 0
        os._exit(status)
    return pid


# --- over the network -----------------------------------------------------------------------


class _Lossy(BaseHTTPRequestHandler):
    """Passes a beat on, and swallows the answers to all tries but the last."""

    server: _Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = post(self.server.behind, body)
        self.server.passed[body] += 1
        if self.server.passed[body] < TRIES:
            return  # the connection ends without an answer
        self.send_response(status)
        self.end_headers()

    def log_message(self, *said: object) -> None:
        """Say nothing."""


class _Proxy(ThreadingHTTPServer):
    """Stands before a host.

    :param behind: the host's port
    """

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), _Lossy)
        self.behind = behind
        self.passed: Counter[bytes] = Counter()


@contextlib.contextmanager
def _swallowing_answers(port: int) -> Iterator[int]:
    with _Proxy(port) as proxy:
        thread = Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy.server_address[1]
        finally:
            proxy.shutdown()
            thread.join()


def test_a_beat_that_is_sent_five_times_since_its_answers_are_lost_changes_no_row(
    ledger: Ledger, store_url: str, another_store_url: str, tmp_path: Path
) -> None:
    beats = [beat for _ in range(12) for beat in beats_of_a_view(6)]
    with hosting("gunicorn-gthread", tmp_path, store=store_url) as host:
        with _swallowing_answers(host.port) as port:
            for beat in beats:
                assert [send(port, ledger, beat) for _ in range(TRIES)] == [None] * 4 + [204]
        ledger.hold(host.store)
    _send_in_order(beats, another_store_url, tmp_path)
    assert clockless(rows(store_url)) == clockless(rows(another_store_url))


def test_first_beats_that_are_lost_take_no_time_away_and_no_order_changes_a_row(
    ledger: Ledger, store_url: str, another_store_url: str, tmp_path: Path
) -> None:
    choice = random.Random(0)
    views = [beats_of_a_view(6) for _ in range(30)]
    arrived = [beat for beats in views for beat in beats[choice.randrange(6) :]]
    shuffled = choice.sample(arrived, len(arrived))
    with hosting("gunicorn-sync", tmp_path, store=store_url) as host:
        for beat in shuffled:
            assert send(host.port, ledger, beat) == 204
        ledger.hold(host.store)
    _send_in_order(arrived, another_store_url, tmp_path)
    assert clockless(rows(store_url)) == clockless(rows(another_store_url))
    totals = {view.view_id: view.visible_ms for view in rows(store_url)[0]}
    assert totals == {beats[-1].view_id: beats[-1].visible_ms for beats in views}


def _send_in_order(beats: Sequence[SentBeat], url: str, folder: Path) -> None:
    """Send beats once each to a host of their own, and return when they are stored."""
    apart = folder / "in order"
    apart.mkdir()
    once = Ledger("in order")
    with hosting("gunicorn-sync", apart, store=url) as host:
        for beat in beats:
            assert send(host.port, once, beat) == 204
        once.hold(url)


def rows(url: str) -> Rows:
    """Return every row of a store."""
    with contextlib.closing(open_store(url, migrate=False)) as store:
        return list(store.page_views(ALL)), list(store.beats(ALL))


def clockless(found: Rows) -> Rows:
    """Return rows without what the server's clock said when they came."""
    views, beats = found
    blank = {"started_at": 0, "last_seen_at": 0}
    return (
        [msgspec.structs.replace(view, **blank) for view in sorted(views, key=lambda v: v.view_id)],
        [msgspec.structs.replace(beat, received_at=0) for beat in beats],
    )
