"""Retention: what has been kept long enough goes, a little at a time, and nothing else."""

import os
import subprocess
import sys
import time

import pytest

from pagetimer_wsgi import Beat
from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.drain import drain
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.retention import Limits, Retention
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.writer import Writer
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore, purge
from pagetimer_wsgi.stores.sql.purge import Purging

DAY = 86_400
NOW = time.time_ns() // 1_000_000
LONG = 60.0
ROUNDS = ("page-views-rolled", "beats-rolled")


def a_beat(number, days_ago, seq=0, hours_old=0):
    return Beat(
        view_id=f"{number:032x}",
        seq=seq,
        received_at=NOW - int(days_ago * DAY * 1000),
        age=hours_old * 3_600_000,
        path=f"/{number}",
        username=f"user {number}",
    )


@pytest.fixture
def store(tmp_path):
    store = SqlStore.open(f"sqlite:///{tmp_path}/x.db")
    yield store
    store.close()


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def numbers(store):
    return sorted(int(view.view_id, 16) for view in store.page_views(Query(kinds=())))


def beats(store):
    return sorted((int(kept.view_id, 16), kept.seq) for kept in store.beats(Query(kinds=())))


def make_due(spool, *names):
    """Let an hour, or a day, be over."""
    for name in names or ROUNDS:
        os.utime(spool / name, (NOW / 1000 - 2 * DAY,) * 2)


def test_page_views_go_by_when_they_began_with_their_beats_and_whose_they_were(store, spool):
    # The second began before the limit and was seen after it.
    store.write([a_beat(1, 31), a_beat(2, 29.9, hours_old=20), a_beat(3, 29)])
    assert Retention(store, spool, Limits(page_views=30 * DAY)).turn(LONG) == 2
    assert numbers(store) == [3]
    assert beats(store) == [(3, 0)]
    assert [total.key["user"] for total in store.totals(Query(), ["user"])] == ["user 3"]


def test_beats_go_by_when_their_page_view_was_last_seen_and_its_totals_stay(store, spool):
    store.write([a_beat(1, 31), a_beat(1, 30.5, seq=1)])
    store.write([a_beat(2, 31), a_beat(2, 29, seq=1, hours_old=24)])  # it was still open
    before = list(store.page_views(Query()))
    assert Retention(store, spool, Limits(beats=30 * DAY)).turn(LONG) == 2
    assert beats(store) == [(2, 0), (2, 1)]
    assert list(store.page_views(Query())) == before


def test_over_the_limit_of_rows_the_oldest_page_views_go(store, spool):
    store.write([a_beat(number, days_ago=10 - number) for number in range(1, 8)])
    retention = Retention(store, spool, Limits(rows=3))
    assert retention.turn(LONG) == 4
    assert numbers(store) == [5, 6, 7]
    make_due(spool)
    assert retention.turn(LONG) == 0


def test_without_limits_nothing_goes(store, spool):
    store.write([a_beat(1, 5000)])
    assert Retention(store, spool, Limits()).turn(LONG) == 0
    assert numbers(store) == [1]


def test_a_round_is_not_due_again_before_its_time_for_any_process(store, spool):
    limits = Limits(beats=30 * DAY, page_views=30 * DAY)
    Retention(store, spool, limits).turn(LONG)
    store.write([a_beat(1, 31)])
    assert Retention(store, spool, limits).turn(LONG) == 0
    make_due(spool, ROUNDS[0])
    assert Retention(store, spool, limits).turn(LONG) == 1


@pytest.mark.parametrize("days", [-1, 400], ids=["set back", "set on"])
def test_a_clock_that_was_set_makes_no_round_wait_for_ever(store, spool, days):
    limits = Limits(page_views=30 * DAY)
    Retention(store, spool, limits).turn(LONG)
    store.write([a_beat(1, 31)])
    os.utime(spool / ROUNDS[0], (time.time() - days * DAY,) * 2)
    assert Retention(store, spool, limits).turn(LONG) == 1


def test_a_turn_takes_its_time_and_the_next_goes_on_from_there(store, spool, monkeypatch):
    monkeypatch.setattr(purge, "STEP", 1)
    store.write([a_beat(number, 31) for number in range(1, 6)])
    retention = Retention(store, spool, Limits(page_views=30 * DAY))
    assert [retention.turn(0) for _ in range(5)] == [1, 1, 1, 1, 1]
    assert not (spool / ROUNDS[0]).exists()
    retention.turn(LONG)
    assert all((spool / name).exists() for name in ROUNDS)
    assert numbers(store) == []


def test_what_comes_late_is_stored_and_goes_at_a_later_round(tmp_path, store, spool):
    waiting = Spool(tmp_path / "waiting", f"sqlite:///{tmp_path}/x.db", 2**30)
    waiting.append(encode(a_beat(1, 31)))
    retention = Retention(store, waiting.folder, Limits(beats=30 * DAY, page_views=30 * DAY))
    assert retention.turn(LONG) == 0
    assert drain(waiting, store, Quarantine(tmp_path / "quarantine.jsonl")) == 1
    assert numbers(store) == [1]
    assert retention.turn(LONG) == 0
    make_due(waiting.folder)
    assert retention.turn(LONG) == 1
    assert (numbers(store), beats(store)) == ([], [])
    waiting.process.close()


def test_beats_that_a_replay_brings_back_go_again(store, spool):
    store.write([a_beat(1, 31)])
    retention = Retention(store, spool, Limits(beats=30 * DAY))
    assert retention.turn(LONG) == 1
    store.write([a_beat(1, 31)])
    make_due(spool)
    assert retention.turn(LONG) == 1
    assert beats(store) == []


def test_a_store_that_is_away_stops_a_round_and_the_next_turn_begins_it_anew(
    store, spool, monkeypatch
):
    monkeypatch.setattr(purge, "STEP", 1)
    store.write([a_beat(number, 31) for number in range(1, 4)])
    retention = Retention(store, spool, Limits(page_views=30 * DAY))
    assert retention.turn(0) == 1
    monkeypatch.setattr(Purging, "_remove", away)
    with pytest.raises(StoreAway):
        retention.turn(LONG)
    assert not (spool / ROUNDS[0]).exists()
    monkeypatch.undo()
    assert retention.turn(LONG) == 2
    assert numbers(store) == []


def away(*arguments):
    raise StoreAway("it is away")


KILLED = """
import sys
from pathlib import Path
from pagetimer_wsgi.spool.retention import Limits, Retention
from pagetimer_wsgi.stores.sql import SqlStore, purge
purge.STEP = 3
retention = Retention(SqlStore.open(sys.argv[1]), Path(sys.argv[2]), Limits(page_views=86_400))
while True:
    retention.turn(0)
    print(flush=True)
"""


def test_killed_in_the_middle_of_a_round_the_next_start_goes_on(tmp_path, store, spool):
    store.write([a_beat(number, 31) for number in range(1, 101)])
    url = f"sqlite:///{tmp_path}/x.db"
    arguments = [sys.executable, "-c", KILLED, url, str(spool)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        process.stdout.read(5)
        process.kill()
    assert 0 < len(numbers(store)) <= 85
    assert beats(store) == [(number, 0) for number in numbers(store)]
    left = len(numbers(store))
    assert Retention(store, spool, Limits(page_views=DAY)).turn(LONG) == left
    assert numbers(store) == []


@pytest.mark.parametrize("switched_on", [True, False])
def test_the_writers_thread_rolls_off_where_it_drains_and_no_request_does(
    tmp_path, store, switched_on
):
    url = f"sqlite:///{tmp_path}/x.db"
    spool = Spool(tmp_path / "spool", url, 2**30)
    store.write([a_beat(1, 31), a_beat(2, 1)])
    retention = Retention(store, spool.folder, Limits(page_views=30 * DAY))
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    writer = Writer(spool, SqlStore.open(url), quarantine, switched_on, retention)
    spool.append(encode(a_beat(3, 31)))
    writer.flush(5)
    assert numbers(store) == [1, 2, 3]
    writer.start()
    end = time.monotonic() + (10 if switched_on else 3)
    while numbers(store) != [2] and time.monotonic() < end:
        time.sleep(0.05)
    assert numbers(store) == ([2] if switched_on else [1, 2, 3])
    writer.close()
