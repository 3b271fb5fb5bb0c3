"""The SQL store, in a real database of each kind."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sql_stores import (
    EVERYTHING,
    FIREFOX,
    GOOGLEBOT,
    NOON,
    SESSION,
    VISITOR,
    Sqlite,
    a_beat,
    all_views,
    opened,
)
from sqlalchemy import Engine, event

from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.events import Beat, fold, keep
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import migrations, schema, shared

# Opening


def test_importing_the_entry_points_module_does_not_load_sqlalchemy():
    code = "import sys, pagetimer_wsgi.stores.sql; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Writing


WRITTEN = {
    "everything known": EVERYTHING,
    "nothing known": {},
    "empty texts": dict.fromkeys(("site", "route", "referrer", "agent", "username"), ""),
    "a visitor": {"visitor": VISITOR},
    "an older call": {"kind": "ping", "visible_ms": 60_000},
    "the largest numbers": {"seq": 2**63 - 1, "visible_ms": 2**63 - 1, "words": 2**53},
    "texts of every kind": {
        "path": "/%_*?['\"\\\\u0000é\U0001f600\n",
        "username": "123",
        "site": "null",
    },
}


@pytest.mark.parametrize("known", WRITTEN.values(), ids=WRITTEN)
def test_what_is_read_is_exactly_what_was_written(store, known):
    beats = [a_beat(**{"seq": 3, **known})]
    assert store.write(beats) == []
    assert all_views(store) == fold(beats)
    assert list(store.beats(Query(kinds=()))) == list(keep(beats).values())


small = st.integers(0, 3)
word = st.sampled_from(["", "a", "B", "é"])
beats = st.builds(
    a_beat,
    small,
    small,
    received_at=st.integers(NOON, NOON + 3),
    path=word,
    kind=st.sampled_from(["page", "log", "ping"]),
    age=small,
    visible_ms=st.none() | small,
    why=st.sampled_from([None, "start", "beat", "hide", "leave", "later", "route"]),
    site=st.none() | word,
    route=st.none() | word,
    agent=st.none() | word,
    capped=st.booleans(),
    username=st.none() | word,
    session_key=st.sampled_from([None, SESSION]),
    visitor=st.sampled_from([None, VISITOR]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(beats, max_size=5), max_size=4), st.randoms())
def test_any_batches_in_any_order_and_twice_make_what_fold_makes_of_all(places, batches, shuffle):
    with closing(opened(places())) as store:
        arriving = [*batches, *batches]
        shuffle.shuffle(arriving)
        for batch in arriving:
            assert store.write(batch) == []
        sent = [beat for batch in batches for beat in batch]
        assert all_views(store) == fold(sent)
        assert {(b.view_id, b.seq): b for b in store.beats(Query(kinds=()))} == keep(sent)


def test_page_views_of_another_store_are_joined_with_what_is_there(store):
    early, late = a_beat(seq=0, why="start", username="ada"), a_beat(seq=4, visible_ms=900)
    store.write([late])
    assert store.write([], list(fold([early]).values())) == []
    assert all_views(store) == fold([early, late])


def test_a_replay_changes_nothing_in_the_file(place, store):
    batch = [a_beat(number, seq, **EVERYTHING) for number in range(50) for seq in range(3)]
    store.write(batch)
    before = place.everything()
    assert store.write(batch) == store.write(batch[::-1]) == []
    assert place.everything() == before


def test_a_replay_writes_no_row(place, store):
    store.write([a_beat(1, **EVERYTHING), a_beat(2)])
    for table in ("pagetimer_page_view", "pagetimer_beat"):
        place.refuse(table, "1 = 1")
    assert store.write([a_beat(2), a_beat(1, **EVERYTHING)]) == []


def test_unknown_is_null_and_shared_values_stand_once(place, store):
    store.write([a_beat(1), a_beat(2, path="/1"), a_beat(3, path="/1", route="/<id>")])
    columns = "visible_ms, words, referrer_id, agent_id, person_id, session_id, site_seq"
    assert place.sql(f"SELECT DISTINCT {columns} FROM pagetimer_page_view") == [(None,) * 7]
    assert place.sql("SELECT count(*) FROM pagetimer_page") == [(2,)]


def test_a_session_is_kept_as_sixteen_bytes(place, store):
    store.write([a_beat(session_key=SESSION)])
    assert place.sql("SELECT session_key FROM pagetimer_session") == [(bytes.fromhex(SESSION),)]


def test_an_agent_is_parsed_once_when_it_is_new(store, monkeypatch):
    parsed = []
    told = shared.describe
    monkeypatch.setattr(shared, "describe", lambda text: parsed.append(text) or told(text))
    store.write([a_beat(1, agent=FIREFOX), a_beat(2, agent=FIREFOX)])
    store.write([a_beat(3, agent=FIREFOX)])
    assert parsed == [FIREFOX]


def test_a_batch_takes_as_many_statements_as_a_beat_and_never_rows_one_by_one(store):
    store.check()
    counts = []
    for batch in ([a_beat(1, **EVERYTHING)], [a_beat(n, **EVERYTHING) for n in range(2, 900)]):
        seen = []
        count = lambda *call, seen=seen: seen.append(call[5])  # noqa: E731
        event.listen(Engine, "before_cursor_execute", count)
        store.write(batch)
        event.remove(Engine, "before_cursor_execute", count)
        assert not any(seen)  # executemany
        counts.append(len(seen))
    assert counts[0] >= counts[1]


def test_several_threads_write_through_one_store(store):
    def work(first):
        for number in range(first, first + 50, 10):
            store.write([a_beat(n) for n in range(number, number + 10)])

    threads = [threading.Thread(target=work, args=(n * 50,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(all_views(store)) == 200


# Rows that are refused


UNFIT = {
    "a view id that is none": {"view_id": "x" * 32},
    "a view id that is too short": {"view_id": "00"},
    "a view id in capitals": {"view_id": "A" * 32},
    "a session that is no hash": {"session_key": "raw session"},
    "a session that reads like two": {"session_key": '00","\\\\x00'},
    "a number over 64 bits": {"visible_ms": 2**63},
    "a seq over 64 bits": {"seq": 2**64},
    "a path with a NUL": {"path": "/a\0b"},
    "a user with a lone surrogate": {"username": "a\ud800"},
    "an address with a lone surrogate": {"ip_address": "\udfff"},
    "a kind that there is not": {"kind": "video"},
    "a why that there is not": {"why": "because"},
    "no path": {"path": None},
    "a path that is bytes": {"path": b"/"},
}


@pytest.mark.parametrize("known", UNFIT.values(), ids=UNFIT)
def test_a_row_that_cannot_be_kept_is_refused_and_harms_no_other(store, known):
    good = [a_beat(number) for number in range(20)]
    bad = a_beat(**{"number": 99, **known})
    assert store.write([*good[:7], bad, *good[7:]]) == [bad]
    assert all_views(store) == fold(good)


LATER = {
    "a number over 64 bits": {"words": 2**63},
    "an address with a lone surrogate": {"ip_address": "\udfff"},
    "a route with a NUL": {"route": "/a\0b"},
}


@pytest.mark.parametrize("known", LATER.values(), ids=LATER)
def test_what_a_page_view_that_is_there_cannot_become_is_refused_and_it_stays(store, known):
    store.write([a_beat(1)])
    bad = a_beat(1, seq=1, **known)
    assert store.write([a_beat(2), bad]) == [bad]
    assert all_views(store) == fold([a_beat(1), a_beat(2)])


def test_rows_that_the_database_refuses_are_found_and_the_others_kept(place, store):
    store.check()
    place.refuse("pagetimer_page", "NEW.path IN ('/3', '/11')")
    batch = [a_beat(number, seq) for number in range(20) for seq in range(2)]
    refused = store.write(batch)
    assert {beat.path for beat in refused} == {"/3", "/11"}
    assert len(refused) == 4
    assert all_views(store) == fold(beat for beat in batch if beat not in refused)


def test_a_page_view_can_be_refused_like_a_beat(store):
    (good,) = fold([a_beat(1)]).values()
    bad = replace(good, view_id="f" * 32, words=2**70)
    assert store.write([], [bad, good]) == [bad]
    assert list(all_views(store)) == [good.view_id]


def test_nothing_is_refused_by_a_store_that_takes_nothing_else_either(place, store):
    store.check()
    place.refuse("pagetimer_page", "1 = 1")
    place.refuse("pagetimer_meta", "1 = 1", "UPDATE")
    place.refuse("pagetimer_meta", "1 = 1")
    with pytest.raises(StoreAway, match="not this one"):
        store.write([a_beat(1), a_beat(2)])
    assert all_views(store) == {}


# When the store is away


def test_a_table_that_is_missing_is_away(place, store):
    store.check()
    place.sql("DROP TABLE pagetimer_beat")
    with pytest.raises(StoreAway, match="lacks tables"):
        store.write([a_beat()])
    assert all_views(store) == {}


def test_the_identity_is_the_databases_own_and_stays_and_asking_makes_none(place, store):
    assert store.identity() is None
    store.write([a_beat()])
    first = store.identity()
    store.write([a_beat(1)])
    with closing(opened(place)) as other:
        assert other.identity() == store.identity() == first
    assert len(first) == 32


# Migrations


def test_the_migrations_make_the_tables_that_the_code_names(store):
    store.check()
    with store._database.writing() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": migrations.VERSION_TABLE, "compare_type": True},
        )
        assert compare_metadata(context, schema.metadata) == []


def test_the_newest_migration_is_the_one_that_the_code_works_with():
    assert ScriptDirectory(migrations.__path__[0]).get_heads() == [migrations.HEAD]


FIRST = """
import sys
from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.stores.sql import SqlStore
store = SqlStore.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
beat = Beat(view_id="%032x" % int(sys.argv[2]), seq=0, received_at=1_772_366_400_000, path="/")
print(store.write([beat]))
"""


def test_several_processes_may_all_be_the_first(place, store):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST, place.url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(5)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["[]\n"] * 5
    assert len(all_views(store)) == 5
    assert place.sql("SELECT count(*) FROM pagetimer_meta WHERE name = 'identity'") == [(1,)]


def test_stores_of_one_process_may_make_their_tables_at_the_same_time(places):
    went_wrong = []

    def make(place):
        store = opened(place)
        try:
            store.write([a_beat()])
        except Exception as error:
            went_wrong.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=make, args=(places(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not went_wrong


def test_tables_of_a_newer_version_are_away(place, store):
    store.write([a_beat()])
    place.sql("UPDATE pagetimer_alembic_version SET version_num = '9999'")
    before = place.everything()
    for call in (store.check, lambda: list(store.page_views(Query()))):
        with pytest.raises(StoreAway, match=r"tables of version 9999, .* works with 0001"):
            call()
    assert place.everything() == before


def test_the_hosts_logging_is_left_alone(store):
    theirs = logging.getLogger("somebody.elses")
    before = (logging.root.level, list(logging.root.handlers))
    store.check()
    assert (logging.root.level, list(logging.root.handlers)) == before
    assert not theirs.disabled


# Asking


ASKED = {
    "a": {"path": "/", "site": "shop"},
    "b": {"path": "/user/1/edit", "username": "ada", "session_key": SESSION, "agent": FIREFOX},
    "c": {"path": "/user/22/edit", "username": "Ada", "session_key": SESSION},
    "d": {"path": "/User/1/edit", "visitor": VISITOR, "agent": GOOGLEBOT},
    "e": {"path": "/a[b]?c", "kind": "log"},
    "f": {"path": "/a[b]xc", "kind": "ping", "site": "Shop"},
    "g": {"path": "/é%_", "site": ""},
}
NUMBERS = {name: number for number, name in enumerate(ASKED)}


@pytest.fixture(scope="module")
def asked(places):
    store = opened(places())
    store.write(
        [
            a_beat(NUMBERS[name], received_at=NOON + NUMBERS[name], **known)
            for name, known in ASKED.items()
        ]
    )
    yield store
    store.close()


def view_ids(names: str) -> list[str]:
    return [a_beat(NUMBERS[name]).view_id for name in names]


QUESTIONS = {
    "pages only, where nothing else is said": ({}, "abcdg"),
    "any kind": ({"kinds": ()}, "abcdefg"),
    "the older calls": ({"kinds": ("log", "ping")}, "ef"),
    "from is included": ({"started_from": NOON + 2}, "cdg"),
    "to is not": ({"started_to": NOON + 2}, "ab"),
    "numbers beyond 64 bits": ({"started_from": -(2**70), "started_to": 2**70}, "abcdg"),
    "a path, exactly": ({"path": "/user/1/edit"}, "b"),
    "a path by pattern": ({"path": "/user/*/edit"}, "bc"),
    "a pattern of many stars": ({"path": "*" * 60 + "edit"}, "bcd"),
    "any path": ({"path": "*"}, "abcdg"),
    "a question mark is itself": ({"path": "/a[b]?*", "kinds": ()}, "e"),
    "brackets are themselves": ({"path": "/a[b]*", "kinds": ()}, "ef"),
    "percent and underscore are themselves": ({"path": "*%_"}, "g"),
    "a user, by code point": ({"user": "ada"}, "b"),
    "a user that nobody is": ({"user": "nobody"}, ""),
    "a session": ({"session": SESSION}, "bc"),
    "a visitor": ({"session": VISITOR}, "d"),
    "a session that can be none": ({"session": "x"}, ""),
    "a site, by code point": ({"site": "shop", "kinds": ()}, "a"),
    "an empty site is not an unknown one": ({"site": ""}, "g"),
    "bots": ({"bots": True}, "d"),
    "people": ({"bots": False}, "abcg"),
    "these ids": ({"view_ids": [*view_ids("ac"), "f" * 32, "no id"]}, "ac"),
    "ids that are none": ({"view_ids": ["no id"]}, ""),
    "the newest first": ({"newest_first": True}, "gdcba"),
    "a limit": ({"limit": 2}, "ab"),
    "a limit of nothing": ({"limit": 0}, ""),
    "after one": ({"after": (NOON + 1, *view_ids("b"))}, "cdg"),
    "after one, backwards": ({"after": (NOON + 1, *view_ids("b")), "newest_first": True}, "a"),
    "a lone surrogate": ({"user": "\ud800"}, ""),
    "a NUL": ({"path": "/\0*"}, ""),
    "all at once": (
        {"user": "ada", "session": SESSION, "path": "/user*", "bots": False, "limit": 9},
        "b",
    ),
}


@pytest.mark.parametrize(("question", "names"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_query_means(asked, question, names):
    query = Query(**question)
    assert [view.view_id for view in asked.page_views(query)] == view_ids(names)
    assert [beat.view_id for beat in asked.beats(query)] == sorted(view_ids(names))


def test_totals_are_the_plain_fold_of_the_page_views(asked):
    rows = asked.totals(Query(), ("user",))
    assert {row.key["user"]: row.page_views for row in rows} == {None: 3, "ada": 1, "Ada": 1}


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
def test_many_page_views_come_in_order_and_can_be_resumed_anywhere(store, newest_first):
    # Five a millisecond: the view id decides among them.
    sent = [a_beat(number, received_at=NOON + number // 5, path="/") for number in range(2_500)]
    random.Random(4).shuffle(sent)
    store.write(sent)
    query = Query(newest_first=newest_first)
    found = [(view.started_at, view.view_id) for view in store.page_views(query)]
    assert found == sorted(((b.received_at, b.view_id) for b in sent), reverse=newest_first)
    rest = store.page_views(Query(newest_first=newest_first, after=found[1_203], limit=1_111))
    assert [view.view_id for view in rest] == [key[1] for key in found[1_204:2_315]]


def test_the_view_shows_plain_words_to_other_tools(place, store):
    store.write([a_beat(1, **EVERYTHING), a_beat(2, kind="log", visitor=VISITOR)])
    with store._database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM pagetimer_page_views ORDER BY path")
        known, unknown = map(dict, rows.mappings())
    assert known == {
        "view_id": a_beat(1).view_id,
        "kind": "page",
        "site": "shop",
        "path": "/1",
        "route": "/<id>",
        "username": "ada",
        "session_key": SESSION,
        "session_kind": "session",
        "ip_address": "203.0.113.0",
        "agent": FIREFOX,
        "browser": "Firefox",
        "system": "Windows",
        "device": None,
        "bot": "no",
        "referrer": "/before",
        "words": 120,
        "started_at": place.time("2026-03-01 11:59:59.961"),
        "last_seen_at": place.time("2026-03-01 12:00:00.001"),
        "client_started_at": place.time("2026-03-01 11:59:51.000"),
        "visible_ms": 30,
        "engaged_ms": 0,
        "capped": "yes",
        "ended": "exact",
    }
    told = {name: value for name, value in unknown.items() if value is not None}
    assert told == {
        "view_id": a_beat(2).view_id,
        "kind": "log",
        "path": "/2",
        "session_key": VISITOR,
        "session_kind": "visitor",
        "started_at": place.time("2026-03-01 12:00:00.002"),
        "last_seen_at": place.time("2026-03-01 12:00:00.002"),
        "capped": "no",
        "ended": "at least",
    }


def test_texts_sort_by_code_point_for_other_tools(place, store):
    paths = ["/Z", "/a", "/b", "/\u00e9", "/\uffee", "/\U0001f600"]
    store.write([a_beat(number, path=path) for number, path in enumerate(reversed(paths))])
    rows = place.sql("SELECT path FROM pagetimer_page_views ORDER BY path")
    assert [path for (path,) in rows] == paths


# Size


def realistic(count: int) -> list[Beat]:
    chance = random.Random(1)
    agents = [FIREFOX.replace("128", str(version)) for version in range(150)]
    paths = [f"/course/{course}/chapter-{chapter}" for course in range(40) for chapter in range(25)]
    started, sent = NOON, []
    for number in range(count):
        started += chance.randrange(3_000)
        visit = max(0, number // 6 + chance.randrange(-30, 30))
        known = {
            "view_id": f"{started:012x}{chance.getrandbits(80):020x}",
            "path": chance.choice(paths),
            "route": "/course/<course>/<chapter>",
            "referrer": chance.choice([None, "https://search.example/", *paths]),
            "agent": agents[visit % 150],
            "ip_address": f"203.0.{visit % 255}.0",
            "client_started_at": started - chance.randrange(2_000),
            "username": None if visit % 2 else f"user{visit % 2_000}",
            "session_key": f"{visit * 7919 + 1:032x}",
            "words": chance.randrange(2_000),
        }
        lasted = chance.randrange(600_000)
        times = {"age": lasted, "visible_ms": lasted, "engaged_ms": lasted * 2 // 3}
        sent.append(Beat(seq=5, received_at=started + lasted, why="leave", **known, **times))
    return sent


def test_a_page_view_takes_few_hundred_bytes_with_its_indexes(place, store):
    count = 20_000
    sent = realistic(count)
    # As the drainer finds them: page views that end, by the time of their end.
    sent.sort(key=lambda beat: beat.received_at)
    for first in range(0, count, 2_000):
        store.write(sent[first : first + 2_000])
    # PostgreSQL's numbers have a fixed width, and each row 28 bytes of its own.
    assert place.size_of_page_views() / count < (230 if isinstance(place, Sqlite) else 450)


def test_closing_takes_no_connection_from_a_thread_that_uses_it(store):
    store.write([a_beat(1)])
    asked = store._database.writing()
    with asked:
        store.close()
        assert store._database._engine().pool.checkedout() == 1
    store.close()
    assert store._database._engine().pool.checkedin() == 0
    assert store.write([a_beat(2)]) == []
