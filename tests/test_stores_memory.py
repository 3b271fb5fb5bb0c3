"""A purge stays done, whatever was received before it and comes to be written afterwards."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from sql_stores import NOON, SESSION, VISITOR, Place, a_beat, all_views, opened

from pagetimer_wsgi.errors import PageTimerError, StoreAway
from pagetimer_wsgi.events import fold
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

MINUTE = 60_000
DAYS_30 = 30 * 86_400


def keyed(place: Place, key: bytes = b"the same on all hosts") -> SqlStore:
    return opened(place, key=lambda: key)


@pytest.fixture
def store(place):
    with closing(keyed(place)) as store:
        yield store


def now() -> int:
    return time.time_ns() // 1_000_000


def numbers(store):
    return sorted(int(view_id[12:], 16) for view_id in all_views(store))


QUERIES = {
    "a user's": Query(kinds=(), user="ada"),
    "a user's of one kind": Query(user="ada"),
    "a user's in a period": Query(kinds=(), user="ada", started_from=NOON, started_to=NOON + 5),
    "a session's": Query(kinds=(), session=SESSION),
    "a visitor's": Query(kinds=(), session=VISITOR),
    "a path's": Query(kinds=(), path="/1"),
    "a pattern's": Query(kinds=(), path="/?*[x"),
    "a site's": Query(kinds=(), site="shop"),
    "what is old": Query(kinds=(), started_to=NOON + MINUTE),
    "all": Query(kinds=()),
}
KNOWN = [
    {"username": "ada"},
    {"username": "ada", "kind": "log"},
    {"username": "bob"},
    {"username": "ada", "received_at": NOON + 10},
    {"session_key": SESSION},
    {"visitor": VISITOR},
    {"path": "/1"},
    {"path": "/11"},
    {"path": "/?a[x"},
    {"path": "/ba[x"},
    {"site": "shop"},
    {"received_at": NOON + MINUTE - 1},
    {"received_at": NOON + MINUTE},
    {"received_at": NOON + MINUTE + 1, "age": 2},
    {},
]
SENT = [a_beat(number, **{"received_at": NOON, **known}) for number, known in enumerate(KNOWN, 1)]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_what_comes_late_is_dropped_exactly_where_it_would_have_been_purged(place, query):
    with closing(keyed(place)) as store:
        store.write(SENT)
        assert store.purge(query) > 0
        left = all_views(store)
        assert len(left) < len(SENT)
        sum(store.purge_by_steps(Query(kinds=())))  # so that all that is there comes late
    with closing(keyed(place)) as another:  # another host, with a spool of its own
        assert another.write(SENT) == []
        assert all_views(another) == left
        assert {kept.view_id for kept in another.beats(Query(kinds=()))} == set(left)
        assert another.write([], list(fold(SENT).values())) == []  # and as whole page views
        assert all_views(another) == left


def test_what_was_never_stored_is_dropped_as_well(store):
    store.write([a_beat(1, username="bob")])
    assert store.purge(Query(user="ada")) == 0
    store.write([a_beat(2, username="ada"), a_beat(3, username="bob")])
    assert numbers(store) == [1, 3]


def test_of_a_page_view_that_a_beat_names_no_beat_is_kept_whichever_comes_first(store):
    store.write([a_beat(1, username="bob")])
    store.purge(Query(user="ada"))
    store.write([a_beat(2), a_beat(2, 1, username="ada"), a_beat(3)])
    assert numbers(store) == [1, 3]
    store.write([a_beat(2, 2)])  # it names nobody, and another batch did
    assert numbers(store) == [1, 3]


def test_what_is_received_afterwards_is_kept(store, place):
    store.write([a_beat(1, username="ada", received_at=now())])
    time.sleep(0.002)
    assert store.purge(Query(user="ada")) == 1
    store.write([a_beat(1, 1, username="ada", received_at=now() + 1, visible_ms=5)])
    store.write([a_beat(1, 0, username="ada", received_at=now() - 1000)])
    (view,) = all_views(store).values()
    assert (view.visible_ms, view.first_seq) == (5, 1)
    store.write([a_beat(2, username="ada", received_at=now())])
    assert numbers(store) == [1, 2]
    remembered = place.sql("SELECT kept_to FROM pagetimer_purged_view")
    assert len(remembered) == 1  # only of what was there before


def test_the_ids_of_what_a_beat_cannot_tell_are_remembered_for_their_time(store, place):
    """Whether it was a bot, or among the oldest, is not to be seen from a beat."""
    lately = now() - 1000
    store.write([a_beat(number, received_at=lately + number) for number in (1, 2, 3)])
    store.write([a_beat(9, received_at=lately - DAYS_30 * 1000)])
    assert store.purge(Query(limit=3)) == 3
    store.write([a_beat(1, received_at=lately), a_beat(4, received_at=lately)])
    assert numbers(store) == [3, 4]
    store.write([a_beat(9, received_at=lately - DAYS_30 * 1000)])  # its time is over
    assert numbers(store) == [3, 4, 9]
    assert place.sql("SELECT count(*) FROM pagetimer_purge") == [(0,)]
    assert place.sql("SELECT count(*) FROM pagetimer_purged_view") == [(2,)]
    store.upkeep(60)
    assert place.sql("SELECT count(*) FROM pagetimer_purged_view") == [(2,)]
    place.sql("UPDATE pagetimer_purged_view SET kept_to = 1")
    store.upkeep(60)
    assert place.sql("SELECT count(*) FROM pagetimer_purged_view") == [(0,)]


def test_nothing_is_remembered_of_a_purge_of_beats_or_of_one_that_was_only_counted(store, place):
    store.write([a_beat(1, username="ada", received_at=now())])
    assert store.purge(Query(user="ada"), dry=True) == 1
    assert store.purge(Query(user="ada"), of="beats") == 1
    for table in ("purge", "purged_view"):
        assert place.sql(f"SELECT count(*) FROM pagetimer_{table}") == [(0,)]


def test_a_users_name_is_nowhere_in_the_database_afterwards(store, place):
    store.write([a_beat(1, username="ada lovelace", received_at=now())])
    assert "ada lovelace" in str(place.everything())
    store.purge(Query(user="ada lovelace"))
    store.upkeep(60)
    store.write([a_beat(2, username="ada lovelace", received_at=now() - 5000)])
    assert "ada lovelace" not in str(place.everything())


def without_key() -> bytes:
    raise PageTimerError("no secret: it cannot be read")


@pytest.mark.parametrize("key", [None, without_key], ids=["none given", "none to be had"])
def test_without_the_key_nobody_is_purged_by_user_and_what_comes_waits(store, place, key):
    store.write([a_beat(1, username="ada"), a_beat(2)])
    with closing(opened(place, key=key)) as keyless:
        with pytest.raises(StoreAway, match="secret"):
            keyless.purge(Query(user="ada"))
        assert numbers(keyless) == [1, 2]
        assert keyless.purge(Query(kinds=(), path="/nowhere")) == 0
        assert keyless.write([a_beat(3)]) == []
        store.purge(Query(user="ada"))
        with pytest.raises(StoreAway, match="secret"):
            keyless.write([a_beat(1, username="ada")])
    assert numbers(store) == [2, 3]


def test_purges_by_user_with_another_key_are_counted_and_do_not_hold(store, place):
    store.write([a_beat(1, username="ada")])
    store.purge(Query(user="ada"))
    store.purge(Query(path="/7"))
    assert store.strange_purges() == 0
    with closing(keyed(place, b"another secret")) as stranger:
        assert stranger.strange_purges() == 1
        stranger.write([a_beat(1, username="ada"), a_beat(7)])
        assert numbers(stranger) == [1]


def test_ids_that_are_none_are_refused_as_ever(store):
    store.write([a_beat(1, username="ada", received_at=now())])
    store.purge(Query(user="ada"))
    bad = a_beat(2, view_id="none")
    assert store.write([bad, a_beat(3)]) == [bad]
    assert numbers(store) == [3]
