"""The SQL store, on real SQLite files."""

from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Engine, event

from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.events import Beat, PageView, fold, keep
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore, connect, migrations, schema, shared

NOON = 1_772_366_400_000  # 2026-03-01 12:00 UTC
SESSION = "5" * 32
VISITOR = "7" * 32
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def a_beat(number: int = 1, seq: int = 0, **known: object) -> Beat:
    values = {
        "view_id": f"{NOON:012x}{number:020x}",
        "seq": seq,
        "received_at": NOON + number,
        "path": f"/{number}",
        **known,
    }
    return Beat(**values)


EVERYTHING = {
    "age": 40,
    "visible_ms": 30,
    "engaged_ms": 0,
    "capped": True,
    "why": "leave",
    "site": "shop",
    "route": "/<id>",
    "referrer": "/before",
    "agent": FIREFOX,
    "words": 120,
    "ip_address": "203.0.113.0",
    "client_started_at": NOON - 9_000,
    "username": "ada",
    "session_key": SESSION,
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "pagetimer.db"


@pytest.fixture
def store(file):
    with closing(opened(file)) as store:
        yield store


def opened(file: Path, **options: bool) -> SqlStore:
    return SqlStore.open(f"sqlite:///{file}", **options)


def sql(file: Path, statement: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def everything(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def all_views(store: SqlStore) -> dict[str, PageView]:
    return {view.view_id: view for view in store.page_views(Query(kinds=()))}


# Opening


REFUSED_URLS = {
    "nothing": ("", "no database URL"),
    "no URL": ("pagetimer.db", "no database URL"),
    "in memory": ("sqlite://", "in memory"),
    "in memory, said so": ("sqlite:///:memory:", "in memory"),
    "in memory, by parameter": ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
    "two slashes": ("sqlite://pagetimer.db", "three slashes"),
    "parameters": ("sqlite:///x.db?timeout=3", "path of a file"),
    "another database": ("oracle://ada:secret@host/x", "there is sqlite:///"),
    "another driver": ("sqlite+aiosqlite:///x.db", "there is sqlite:///"),
}


@pytest.mark.parametrize(("url", "why"), REFUSED_URLS.values(), ids=REFUSED_URLS)
def test_a_url_is_refused_with_the_reason_and_without_its_password(url, why):
    with pytest.raises(ValueError, match=why) as caught:
        SqlStore.open(url)
    assert "secret" not in str(caught.value)


def test_a_relative_path_counts_from_where_the_store_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SqlStore.open("sqlite:///here.db")
    monkeypatch.chdir("/")
    store.check()
    assert (tmp_path / "here.db").exists()


def test_a_path_may_have_signs_that_urls_and_ini_files_use(tmp_path):
    file = tmp_path / "50%41 #1 é" / "x.db"
    opened(file).check()
    assert file.exists()


def test_opening_and_asking_touch_no_disk(file, tmp_path):
    store = opened(file)
    assert (
        list(store.page_views(Query())) == list(store.beats(Query())) == store.totals(Query()) == []
    )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made_for_the_owner_alone_at_the_first_write(file, store):
    store.check()
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_importing_the_entry_points_module_does_not_load_sqlalchemy():
    code = "import sys, pagetimer_wsgi.stores.sql; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_new_file_is_in_wal_mode_and_gives_space_back(file, store):
    store.check()
    assert sql(file, "PRAGMA journal_mode") == [("wal",)]
    assert sql(file, "PRAGMA auto_vacuum") == [(2,)]


@pytest.mark.parametrize(("fsync", "level"), [(False, 1), (True, 2)], ids=["normal", "fsync"])
def test_the_disk_is_waited_for_where_that_was_asked(file, fsync, level):
    with opened(file, fsync=fsync)._database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


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
def test_any_batches_in_any_order_and_twice_make_what_fold_makes_of_all(batches, shuffle):
    with tempfile.TemporaryDirectory() as folder, closing(opened(Path(folder, "x.db"))) as store:
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


def test_a_replay_changes_nothing_in_the_file(file, store):
    batch = [a_beat(number, seq, **EVERYTHING) for number in range(50) for seq in range(3)]
    store.write(batch)
    before = everything(file)
    assert store.write(batch) == store.write(batch[::-1]) == []
    assert everything(file) == before


def test_a_replay_writes_no_row(file, store):
    store.write([a_beat(1, **EVERYTHING), a_beat(2)])
    for table in ("pagetimer_page_view", "pagetimer_beat"):
        refuse(file, table, "1")
    assert store.write([a_beat(2), a_beat(1, **EVERYTHING)]) == []


def test_unknown_is_null_and_shared_values_stand_once(file, store):
    store.write([a_beat(1), a_beat(2, path="/1"), a_beat(3, path="/1", route="/<id>")])
    columns = "visible_ms, words, referrer_id, agent_id, person_id, session_id, site_seq"
    assert sql(file, f"SELECT DISTINCT {columns} FROM pagetimer_page_view") == [(None,) * 7]
    assert sql(file, "SELECT count(*) FROM pagetimer_page") == [(2,)]


def test_a_session_is_kept_as_sixteen_bytes(file, store):
    store.write([a_beat(session_key=SESSION)])
    assert sql(file, "SELECT session_key FROM pagetimer_session") == [(bytes.fromhex(SESSION),)]


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


def refuse(file: Path, table: str, condition: str) -> None:
    sql(
        file,
        f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} WHEN {condition}"
        " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    )


def test_rows_that_the_database_refuses_are_found_and_the_others_kept(file, store):
    store.check()
    refuse(file, "pagetimer_page", "NEW.path IN ('/3', '/11')")
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


def test_nothing_is_refused_by_a_store_that_takes_nothing_else_either(file, store):
    store.check()
    refuse(file, "pagetimer_page", "1")
    sql(
        file,
        "CREATE TRIGGER no_more BEFORE UPDATE ON pagetimer_meta"
        " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    )
    refuse(file, "pagetimer_meta", "1")
    with pytest.raises(StoreAway, match="SQLite says: not this one"):
        store.write([a_beat(1), a_beat(2)])
    assert all_views(store) == {}


# When the store is away


def test_a_locked_database_is_away_and_can_still_be_read(file, store, monkeypatch):
    monkeypatch.setattr(connect, "BUSY_SECONDS", 0.1)
    store.write([a_beat(1)])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAway, match="is locked by another program"):
            store.write([a_beat(2)])
        assert len(all_views(store)) == 1
    assert store.write([a_beat(2)]) == []


def test_a_full_disk_is_away_and_nothing_of_the_batch_is_written(store, monkeypatch):
    store.write([a_beat(1)])
    opens = sqlite3.connect

    def small(*args, **options):
        connection = opens(*args, **options)
        connection.execute("PRAGMA max_page_count=60")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    batch = [a_beat(number, path="/long" * 90 + str(number)) for number in range(2, 900)]
    with pytest.raises(StoreAway, match="the disk is full; make room"):
        store.write(batch)
    assert len(all_views(store)) == 1


def test_a_file_that_is_no_database_is_away(file, store):
    file.parent.mkdir()
    file.write_bytes(b"something else\n" * 300)
    for call in (store.check, store.identity, lambda: list(store.page_views(Query()))):
        with pytest.raises(StoreAway, match="is no SQLite database; move that file away"):
            call()


def test_a_folder_where_the_file_should_be_is_away(file, store):
    file.mkdir(parents=True)
    with pytest.raises(StoreAway, match="cannot be opened by this user"):
        store.check()


def test_a_file_where_the_folder_should_be_is_away(file, store):
    file.parent.write_text("")
    with pytest.raises(StoreAway, match="cannot be reached"):
        store.check()


def test_a_table_that_is_missing_is_away(file, store):
    store.check()
    sql(file, "DROP TABLE pagetimer_beat")
    with pytest.raises(StoreAway, match="lacks tables"):
        store.write([a_beat()])
    assert all_views(store) == {}


AS_NOBODY = """
import os, sys
from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.stores.sql import SqlStore
from pagetimer_wsgi.stores.query import Query
store = SqlStore.open("sqlite:///" + sys.argv[1])
list(store.page_views(Query()))
if os.geteuid() == 0:
    os.setuid(65534)
try:
    store.check()
except StoreAway as error:
    print(error)
"""


def test_a_file_that_this_user_may_not_write_is_away():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.db")
        opened(file).check()
        file.chmod(0o444)
        os.chmod(folder, 0o555)
        said = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(file)], capture_output=True, text=True, check=True
        )
        os.chmod(folder, 0o755)
    assert "cannot be written by this user" in said.stdout


def test_a_file_that_was_removed_is_made_anew_at_the_next_write(file, store):
    store.write([a_beat(1)])
    first = store.identity()
    file.unlink()
    assert store.write([a_beat(2)]) == []
    assert [view.path for view in all_views(store).values()] == ["/2"]
    assert store.identity() != first


def test_the_identity_is_the_databases_own_and_stays(file, store):
    first = store.identity()
    store.write([a_beat()])
    assert opened(file).identity() == store.identity() == first
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


def test_several_threads_may_all_turn_wal_on_at_once(tmp_path):
    # Now and then SQLite refuses one of them without waiting.
    failed = []

    def first(file, start):
        start.wait()
        try:
            opened(file)._database._open_to_write().close()
        except sqlite3.Error as error:
            failed.append(error)

    for number in range(20):
        start = threading.Barrier(6)
        file = tmp_path / f"{number}.db"
        threads = [threading.Thread(target=first, args=(file, start)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


FIRST = """
import sys
from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.stores.sql import SqlStore
store = SqlStore.open("sqlite:///" + sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
beat = Beat(view_id="%032x" % int(sys.argv[2]), seq=0, received_at=1_772_366_400_000, path="/")
print(store.write([beat]))
"""


def test_several_processes_may_all_be_the_first(file, store):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST, str(file), str(number)],
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
    assert sql(file, "SELECT count(*) FROM pagetimer_meta WHERE name = 'identity'") == [(1,)]


KILLED = """
import os, signal, sys
from alembic.operations import Operations
from pagetimer_wsgi.stores.sql import SqlStore
SqlStore.open("sqlite:///" + sys.argv[1])._database._open_to_write().close()
Operations.create_index = lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL)
SqlStore.open("sqlite:///" + sys.argv[1]).check()
"""


def test_a_migration_that_was_killed_is_begun_again(file, store):
    file.parent.mkdir()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sql(file, "SELECT name FROM sqlite_master") == []
    assert all_views(store) == {}
    assert store.write([a_beat()]) == []


def test_stores_of_one_process_may_make_their_tables_at_the_same_time(tmp_path):
    went_wrong = []

    def make(number):
        store = SqlStore.open(f"sqlite:///{tmp_path}/{number}.db")
        try:
            store.write([a_beat()])
        except Exception as error:
            went_wrong.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not went_wrong


def test_tables_of_a_newer_version_are_away(file, store):
    store.write([a_beat()])
    sql(file, "UPDATE pagetimer_alembic_version SET version_num = '9999'")
    before = everything(file)
    for call in (store.check, lambda: list(store.page_views(Query()))):
        with pytest.raises(StoreAway, match=r"tables of version 9999, .* works with 0001"):
            call()
    assert everything(file) == before


def test_with_migrate_off_nothing_is_made_and_the_error_says_what_to_run(file, tmp_path):
    store = opened(file, migrate=False)
    with pytest.raises(StoreAway, match=r"is not there; .* run `pagetimer check`"):
        store.check()
    assert list(tmp_path.iterdir()) == []
    file.parent.mkdir()
    sql(file, "CREATE TABLE theirs (x)")
    with pytest.raises(StoreAway, match=r"has no tables yet; .* run `pagetimer check`"):
        store.write([a_beat()])
    opened(file).check()
    assert store.write([a_beat()]) == []


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
def asked(tmp_path_factory):
    store = opened(tmp_path_factory.mktemp("asked") / "x.db")
    store.write(
        [
            a_beat(NUMBERS[name], received_at=NOON + NUMBERS[name], **known)
            for name, known in ASKED.items()
        ]
    )
    return store


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


def test_no_transaction_is_open_while_the_caller_works(file, store):
    store.write([a_beat(number) for number in range(1_500)])
    views, kept = store.page_views(Query()), store.beats(Query())
    assert next(views)
    assert next(kept)
    store.write([a_beat(3_000)])
    assert sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0
    assert len(list(views)) == 1_500


def test_the_view_shows_plain_words_to_other_tools(file, store):
    store.write([a_beat(1, **EVERYTHING), a_beat(2, kind="log", visitor=VISITOR)])
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM pagetimer_page_views ORDER BY path").fetchall()
    known, unknown = map(dict, rows)
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
        "started_at": "2026-03-01 11:59:59.961",
        "last_seen_at": "2026-03-01 12:00:00.001",
        "client_started_at": "2026-03-01 11:59:51.000",
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
        "started_at": "2026-03-01 12:00:00.002",
        "last_seen_at": "2026-03-01 12:00:00.002",
        "capped": "no",
        "ended": "at least",
    }


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


def test_a_page_view_takes_about_two_hundred_bytes_with_its_indexes(file, store):
    count = 20_000
    sent = realistic(count)
    # As the drainer finds them: page views that end, by the time of their end.
    sent.sort(key=lambda beat: beat.received_at)
    for first in range(0, count, 2_000):
        store.write(sent[first : first + 2_000])
    sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")
    with_beats = file.stat().st_size
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE pagetimer_beat")
        connection.commit()
        connection.executescript("PRAGMA incremental_vacuum")  # execute() stops after one page
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
    assert size < with_beats
    assert size / count < 230
