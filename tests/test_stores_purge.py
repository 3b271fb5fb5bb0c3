"""Purging and upkeep, on each kind of SQL database."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from sql_stores import NOON, SESSION, Sqlite, a_beat, all_views, opened

from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import purge as module
from pagetimer_wsgi.stores.sql import upkeep
from pagetimer_wsgi.stores.sql.sqlite import database

EVERY_KIND = Query(kinds=())


def numbers(store):
    """The numbers of the page views that are there."""
    return sorted(int(view_id[12:], 16) for view_id in all_views(store))


def beats_of(store):
    return sorted((int(kept.view_id[12:], 16), kept.seq) for kept in store.beats(Query(kinds=())))


@pytest.fixture
def store(place):
    with closing(opened(place, key=lambda: b"the same on all hosts")) as store:
        yield store


@pytest.fixture
def asked(store):
    """Nine page views, one a minute, of two beats each, the second an hour after the first."""
    for number in range(1, 10):
        known = {
            "path": f"/{number % 3}",
            "kind": ("page", "log", "ping")[number % 3],
            "username": "ada" if number < 5 else "bob",
            "session_key": SESSION if number == 2 else None,
            "agent": "a bot" if number == 3 else "a browser",
            "received_at": NOON + number * 60_000,
        }
        later = {**known, "received_at": NOON + number * 60_000 + 3_600_000, "age": 3_600_000}
        store.write([a_beat(number, **known), a_beat(number, 1, **later)])
    return store


MINUTE = 60_000
QUERIES = {
    "all": (Query(kinds=()), range(1, 10)),
    "those that began before": (Query(kinds=(), started_to=NOON + 4 * MINUTE), [1, 2, 3]),
    "those that began after": (Query(kinds=(), started_from=NOON + 8 * MINUTE), [8, 9]),
    "those last seen before": (Query(kinds=(), seen_to=NOON + 64 * MINUTE), [1, 2, 3]),
    "those last seen after": (Query(kinds=(), seen_from=NOON + 68 * MINUTE), [8, 9]),
    "a user's": (Query(kinds=(), user="bob"), [5, 6, 7, 8, 9]),
    "a session's": (Query(kinds=(), session=SESSION), [2]),
    "a path's": (Query(kinds=(), path="/1"), [1, 4, 7]),
    "paths by a pattern": (Query(kinds=(), path="*"), range(1, 10)),
    "of one kind": (Query(), [3, 6, 9]),
    "the oldest": (Query(kinds=(), limit=4), [1, 2, 3, 4]),
    "a user's oldest": (Query(kinds=(), user="bob", limit=2), [5, 6]),
    "by ids": (Query(kinds=(), view_ids=[f"{NOON:012x}{2:020x}", "no id"]), [2]),
    "after another": (Query(kinds=(), after=(NOON + 7 * MINUTE, "f" * 32)), [8, 9]),
    "none": (Query(kinds=(), limit=0), []),
    "a text that nothing has": (Query(kinds=(), user="\0"), []),
}


@pytest.mark.parametrize(("query", "meant"), QUERIES.values(), ids=QUERIES)
def test_what_a_query_means_goes_beats_and_all_and_nothing_else(asked, monkeypatch, query, meant):
    monkeypatch.setattr(module, "STEP", 2)
    before = beats_of(asked)
    assert asked.purge(query, dry=True) == len(meant)
    assert asked.purge(query, of="beats", dry=True) == 2 * len(meant)
    assert numbers(asked) == [*range(1, 10)]
    assert asked.purge(query) == len(meant)
    left = [number for number in range(1, 10) if number not in meant]
    assert numbers(asked) == left
    assert beats_of(asked) == [key for key in before if key[0] in left]
    if not query.limit:
        assert asked.purge(query) == asked.purge(query, dry=True) == 0


@pytest.mark.parametrize("name", ["all", "those last seen before", "a user's oldest", "none"])
def test_beats_go_by_themselves_and_the_totals_stay(asked, monkeypatch, name):
    monkeypatch.setattr(module, "STEP", 2)
    query, meant = QUERIES[name]
    before = all_views(asked)
    kept = [key for key in beats_of(asked) if key[0] not in meant]
    assert asked.purge(query, of="beats") == 2 * len(meant)
    assert all_views(asked) == before
    assert beats_of(asked) == kept


def test_a_purge_that_is_left_off_keeps_the_rest_and_the_next_goes_on(asked, monkeypatch):
    monkeypatch.setattr(module, "STEP", 2)
    steps = asked.purge_by_steps(EVERY_KIND)
    assert [next(steps), next(steps)] == [2, 2]
    steps.close()
    assert numbers(asked) == [5, 6, 7, 8, 9]
    assert sum(asked.purge_by_steps(EVERY_KIND)) == 5


def test_what_is_written_between_two_steps_is_neither_hindered_nor_skipped(asked, monkeypatch):
    monkeypatch.setattr(module, "STEP", 2)
    steps = asked.purge_by_steps(Query(kinds=(), started_to=NOON + 9 * MINUTE))
    next(steps)
    assert asked.write([a_beat(20, received_at=NOON + 3 * MINUTE + 5)]) == []
    assert sum(steps) == 7
    assert numbers(asked) == [9]


def test_nothing_is_made_for_the_sake_of_a_purge(store, place):
    assert store.purge(EVERY_KIND, dry=True) == store.purge(EVERY_KIND) == 0
    assert store.upkeep(1)
    assert not isinstance(place, Sqlite) or not place.file.parent.exists()


def test_at_most_five_hundred_page_views_go_in_one_transaction(asked):
    asked.write([a_beat(number) for number in range(100, 700)])
    assert list(asked.purge_by_steps(EVERY_KIND)) == [500, 109]


SHARED = ("page", "person", "session", "agent", "referrer")


def shared(place):
    return {
        name: [row[0] for row in place.sql(f"SELECT count(*) FROM pagetimer_{name}")]
        for name in SHARED
    }


@pytest.mark.parametrize("slice_", [1, 1000])
def test_shared_values_that_nothing_has_any_more_go(store, place, monkeypatch, slice_):
    monkeypatch.setattr(upkeep, "_SLICE", slice_)
    for number in range(1, 7):
        name = "even" if number % 2 == 0 else "odd"
        known = {"username": name, "agent": name, "referrer": f"/{name}", "path": f"/{number}"}
        store.write([a_beat(number, session_key=f"{number:032x}", **known)])
    store.write([a_beat(7)])  # of nobody
    assert shared(place) == {
        "page": [7],
        "person": [2],
        "session": [6],
        "agent": [2],
        "referrer": [2],
    }
    before = all_views(store)
    assert store.upkeep(60)
    assert all_views(store) == before
    sum(store.purge_by_steps(Query(user="odd")))
    assert store.upkeep(60)
    assert shared(place) == {
        "page": [4],
        "person": [1],
        "session": [3],
        "agent": [1],
        "referrer": [1],
    }
    left = all_views(store)
    assert left == {view_id: view for view_id, view in before.items() if view.username != "odd"}
    store.write([a_beat(1, username="odd", agent="odd")])
    assert all_views(store)[f"{NOON:012x}{1:020x}"].agent == "odd"


def test_upkeep_stops_when_its_time_is_up_and_goes_on_from_there(store, place, monkeypatch):
    monkeypatch.setattr(upkeep, "_SLICE", 1)
    store.write([a_beat(number) for number in range(1, 9)])
    store.purge(EVERY_KIND)
    turns = 1
    while not store.upkeep(0):
        turns += 1
    assert turns > 8
    assert shared(place)["page"] == [0]


def test_what_sqlite_needs_no_more_goes_back_to_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_SPARE_PAGES", 10)
    place = Sqlite(tmp_path)
    with closing(opened(place)) as store:
        for first in range(0, 6000, 2000):
            store.write(
                [a_beat(n, path=f"/{n}", agent="x" * 400) for n in range(first, first + 2000)]
            )
        place.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        before = place.file.stat().st_size
        store.purge(EVERY_KIND)
        while not store.upkeep(0):
            pass
        place.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        assert place.file.stat().st_size < before / 4
        assert place.sql("PRAGMA freelist_count") == [(10,)]
        assert place.sql("PRAGMA integrity_check") == [("ok",)]


KILLED = """
import os, sys
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore, purge, upkeep
purge.STEP = upkeep._SLICE = 5
store = SqlStore.open(sys.argv[1])
for _ in store.purge_by_steps(Query(kinds=())):
    os.write(1, b".")
while not store.upkeep(0):
    os.write(1, b".")
"""


@pytest.mark.parametrize("after", [1, 25, 60])
def test_killed_in_the_middle_of_it_the_next_goes_on(store, place, after):
    store.write([a_beat(n, username=f"u{n}", agent=f"a{n}") for n in range(200)])
    process = subprocess.Popen([sys.executable, "-c", KILLED, place.url], stdout=subprocess.PIPE)
    with process:
        assert process.stdout.read(after) == b"." * after
        process.send_signal(signal.SIGKILL)
    left = numbers(store)
    assert beats_of(store) == [(number, 0) for number in left]
    end = time.monotonic() + 10  # PostgreSQL takes a moment to notice
    while sum(store.purge_by_steps(EVERY_KIND)) and time.monotonic() < end:
        pass
    assert store.upkeep(60)
    assert (numbers(store), beats_of(store)) == ([], [])
    assert set(map(tuple, shared(place).values())) == {(0,)}


def test_what_goes_by_steps_alone_is_not_remembered(asked):
    sum(asked.purge_by_steps(EVERY_KIND))
    asked.write([a_beat(1)])
    assert numbers(asked) == [1]
