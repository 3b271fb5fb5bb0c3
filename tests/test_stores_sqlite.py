"""What SQLite's store has of its own: a file, which may be anything and anywhere."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sql_stores import Sqlite, a_beat, all_views

from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore
from pagetimer_wsgi.stores.sql.sqlite import database


@pytest.fixture
def place(tmp_path):
    return Sqlite(tmp_path)


@pytest.fixture
def file(place):
    return place.file


def opened_file(file: Path, **options: bool) -> SqlStore:
    return SqlStore.open(f"sqlite:///{file}", **options)


REFUSED_URLS = {
    "nothing": ("", "no database URL that begins with"),
    "no URL": ("pagetimer.db", "no database URL"),
    "in memory": ("sqlite://", "in memory"),
    "in memory, said so": ("sqlite:///:memory:", "in memory"),
    "in memory, by parameter": ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
    "two slashes": ("sqlite://pagetimer.db", "three slashes"),
    "parameters": ("sqlite:///x.db?timeout=3", "path of a file"),
    "another database": ("oracle://ada:secret@host/x", "begins with sqlite:// or postgresql://"),
    "another driver": ("sqlite+aiosqlite:///x.db", "driver of SQLite is Python's own"),
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
    opened_file(file).check()
    assert file.exists()


def test_opening_and_asking_touch_no_disk(file, tmp_path):
    store = opened_file(file)
    assert (
        list(store.page_views(Query())) == list(store.beats(Query())) == store.totals(Query()) == []
    )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made_for_the_owner_alone_at_the_first_write(file, store):
    store.check()
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_new_file_is_in_wal_mode_and_gives_space_back(place, file, store):
    store.check()
    assert place.sql("PRAGMA journal_mode") == [("wal",)]
    assert place.sql("PRAGMA auto_vacuum") == [(2,)]


@pytest.mark.parametrize(("fsync", "level"), [(False, 1), (True, 2)], ids=["normal", "fsync"])
def test_the_disk_is_waited_for_where_that_was_asked(file, fsync, level):
    with opened_file(file, fsync=fsync)._database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


def test_a_locked_database_is_away_and_can_still_be_read(file, store, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    store.write([a_beat(1)])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAway, match="is locked by another program"):
            store.write([a_beat(2)])
        assert len(all_views(store)) == 1
    assert store.write([a_beat(2)]) == []


def test_a_full_disk_is_away_and_nothing_of_the_batch_is_written(store, monkeypatch):
    store.write([a_beat(1)])
    store.close()
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
        opened_file(file).check()
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


def test_several_threads_may_all_turn_wal_on_at_once(tmp_path):
    # Now and then SQLite refuses one of them without waiting.
    failed = []

    def first(file, start):
        start.wait()
        try:
            opened_file(file)._database._open_to_write().close()
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


KILLED = """
import os, signal, sys
from alembic.operations import Operations
from pagetimer_wsgi.stores.sql import SqlStore
SqlStore.open("sqlite:///" + sys.argv[1])._database._open_to_write().close()
Operations.create_index = lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL)
SqlStore.open("sqlite:///" + sys.argv[1]).check()
"""


def test_a_migration_that_was_killed_is_begun_again(place, file, store):
    file.parent.mkdir()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert place.sql("SELECT name FROM sqlite_master") == []
    assert all_views(store) == {}
    assert store.write([a_beat()]) == []


def test_with_migrate_off_nothing_is_made_and_the_error_says_what_to_run(place, file, tmp_path):
    store = opened_file(file, migrate=False)
    with pytest.raises(StoreAway, match=r"is not there; .* run `pagetimer check`"):
        store.check()
    assert list(tmp_path.iterdir()) == []
    file.parent.mkdir()
    place.sql("CREATE TABLE theirs (x)")
    with pytest.raises(StoreAway, match=r"has no tables yet; .* run `pagetimer check`"):
        store.write([a_beat()])
    opened_file(file).check()
    assert store.write([a_beat()]) == []


def test_no_transaction_is_open_while_the_caller_works(place, file, store):
    store.write([a_beat(number) for number in range(1_500)])
    views, kept = store.page_views(Query()), store.beats(Query())
    assert next(views)
    assert next(kept)
    store.write([a_beat(3_000)])
    assert place.sql("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0
    assert len(list(views)) == 1_500


FORK = """
import os, sys, threading
from pagetimer_wsgi import Beat
from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

store = SqlStore.open(f"sqlite:///{sys.argv[1]}")
other = SqlStore.open(f"sqlite:///{sys.argv[1]}.other")
store.check()
store.close()
begun, go_on = threading.Event(), threading.Event()

def write():
    with store._database.writing():
        begun.set()
        go_on.wait()

def in_a_child(act):
    pid = os.fork()
    if pid == 0:
        try:
            act()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def away():
    for ask in (store.check, store.identity, lambda: list(store.page_views(Query()))):
        try:
            ask()
        except StoreAway as error:
            assert "left to this host's other processes" in str(error), error
        else:
            raise AssertionError("a child uses what its parent had open")
    other.check()

thread = threading.Thread(target=write)
thread.start()
begun.wait()
in_a_child(away)
go_on.set()
thread.join()
store.close()  # as the writer does after each turn
in_a_child(store.check)
store.check()
"""


def test_a_child_that_was_forked_while_the_file_was_open_leaves_it_to_others(file):
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(file)]
    subprocess.run(command, timeout=60, check=True)
