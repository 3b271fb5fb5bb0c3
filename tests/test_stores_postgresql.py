"""What PostgreSQL's store has of its own: a server, which may be away in many ways."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from sql_stores import EVERYTHING, Postgresql, a_beat, all_views, opened

from pagetimer_wsgi.errors import SettingsError, StoreAway
from pagetimer_wsgi.events import fold
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.writer import Writer
from pagetimer_wsgi.stores.base import open_store, without_password
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore
from pagetimer_wsgi.stores.sql.postgresql import connection as bounds
from pagetimer_wsgi.stores.sql.postgresql import database as module


@pytest.fixture
def place(postgresql):
    return Postgresql(postgresql)


@pytest.fixture
def away(own_postgresql):
    """A store with one page view in a server that may be treated badly."""
    with closing(SqlStore.open(own_postgresql.url)) as store:
        store.write([a_beat(1)])
        yield store


# URLs


REFUSED_URLS = {
    "another driver": ("postgresql+psycopg2://ada:secret@host/x", "the driver for PostgreSQL is"),
    "no database": ("postgresql://ada:secret@host", "it names no database"),
    "a port that is none": ("postgresql://ada:secret@host:x/x", "is one"),
    "a parameter that there is not": ("postgresql://h/x?password=secret&no=1", 'option "no"'),
}


@pytest.mark.parametrize(("url", "why"), REFUSED_URLS.values(), ids=REFUSED_URLS)
def test_a_url_is_refused_with_the_reason_and_without_its_password(url, why):
    with pytest.raises(SettingsError, match=why) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


SHOWN = {
    "as the user's": ("postgresql://ada:p/w@host/x", "postgresql://ada@host/x"),
    "as a parameter": ("postgresql://h/x?password=pw&port=1", "postgresql://h/x?password=&port=1"),
    "none": ("postgresql://host:5432/x", "postgresql://host:5432/x"),
}


@pytest.mark.parametrize(("url", "shown"), SHOWN.values(), ids=SHOWN)
def test_a_url_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown


def test_a_missing_driver_is_an_error_that_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(module.__package__)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'pagetimer-wsgi\[postgresql\]'"):
        open_store("postgresql://host/x")


def test_opening_asks_no_server():
    open_store("postgresql+psycopg://ada:secret@127.0.0.1:1/x").close()


def test_a_server_is_found_by_its_socket(postgresql):
    folder, port = postgresql.folder, postgresql.port
    url = f"postgresql://pagetimer:{postgresql.password}@/pagetimer_1?host={folder}&port={port}"
    with closing(SqlStore.open(url)) as store:
        assert list(store.page_views(Query(site="none"))) == []


# Writing


@pytest.mark.parametrize(
    "known",
    [{"path": "/" * 513}, {"username": "u" * 256}, {"agent": "a" * 513}],
    ids=["a path", "a user", "an agent"],
)
def test_a_text_that_is_too_long_is_refused_and_not_cut(store, known):
    bad = a_beat(9, **known)
    assert store.write([a_beat(1), bad, a_beat(2)]) == [bad]
    assert all_views(store) == fold([a_beat(1), a_beat(2)])


def test_the_longest_texts_of_any_script_fit_into_the_indexes(store):
    long = "".join(map(chr, range(0x1F300, 0x1F300 + 512)))
    beat = a_beat(path=long, referrer=long, agent=long, username=long[:255], site="shop")
    assert store.write([beat]) == []
    assert all_views(store) == fold([beat])


WRITER = """
import sys
import time
from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.stores.sql import SqlStore
store = SqlStore.open(sys.argv[1])
for seq in range(int(sys.argv[2]), 80, 4):
    known = {"seq": seq, "received_at": 1_772_366_400_000 + seq, "path": f"/{seq}"}
    assert store.write([Beat(view_id="0" * 31 + "1", visible_ms=seq, **known)]) == []
"""


def test_several_hosts_may_write_about_one_page_view_at_once(place, store):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, place.url, str(number)])
        for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    (view,) = all_views(store).values()
    assert (view.first_seq, view.path, view.last_seq, view.visible_ms) == (0, "/0", 79, 79)
    assert len(list(store.beats(Query()))) == 80


def test_what_is_there_is_found_by_its_key_and_by_statements_that_a_pooler_bears(store):
    store.check()
    for _ in range(12):  # psycopg would prepare from the fifth time on
        store.write([a_beat(1, **EVERYTHING)])
    with store._database.writing() as connection:
        assert connection.exec_driver_sql("SHOW enable_seqscan").scalar() == "off"
        prepared = connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements")
        assert prepared.scalar() == 0


@pytest.mark.parametrize(("fsync", "waits"), [(False, "off"), (True, "on")], ids=["no", "yes"])
def test_the_servers_disk_is_waited_for_where_that_was_asked(place, fsync, waits):
    place.sql("ALTER ROLE pagetimer SET synchronous_commit = off")
    with closing(opened(place, fsync=fsync)) as store, store._database.writing() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == waits
    place.sql("ALTER ROLE pagetimer RESET synchronous_commit")


def test_a_time_that_no_calendar_holds_does_not_break_the_view(place, store):
    store.write([a_beat(1), a_beat(2, client_started_at=2**60)])
    rows = place.sql("SELECT client_started_at FROM pagetimer_page_views")
    assert rows == [(None,), (None,)]


# When the server is away


AWAY = {
    "no more connections": ("ALTER ROLE pagetimer CONNECTION LIMIT 0", "no connection left"),
    "no leave to log in": ("ALTER ROLE pagetimer NOLOGIN", "refuses this user"),
    "another password": ("ALTER ROLE pagetimer PASSWORD 'other'", "refuses this user"),
    "another name": ("ALTER DATABASE pagetimer_1 RENAME TO other", "is not there; make the"),
    "read-only": (
        "ALTER DATABASE pagetimer_1 SET default_transaction_read_only = on",
        "takes no writes",
    ),
    "no such schema": ("ALTER ROLE pagetimer SET search_path = nowhere", "has no schema for our"),
    "another encoding": (
        "UPDATE pg_database SET encoding = 8 WHERE datname = 'pagetimer_1'",
        "is encoded in LATIN1; make it anew in UTF8",
    ),
}


@pytest.mark.parametrize(("change", "said"), AWAY.values(), ids=AWAY)
def test_a_server_that_does_not_take_us_is_away_and_says_why(own_postgresql, change, said):
    own_postgresql.psql(change)
    with closing(SqlStore.open(own_postgresql.url)) as store:
        with pytest.raises(StoreAway, match=said) as caught:
            store.write([a_beat()])
        assert "secret" not in str(caught.value)


def test_a_schema_in_which_we_may_make_nothing_is_away(place, store):
    name = place.url.rpartition("%3D")[2]
    place.sql(f"ALTER SCHEMA {name} OWNER TO postgres")
    place.sql(f"GRANT USAGE ON SCHEMA {name} TO pagetimer")
    with pytest.raises(StoreAway, match="grant CREATE on the schema"):
        store.check()


def test_tables_of_another_owner_are_away(place, store):
    store.check()
    place.sql("ALTER TABLE pagetimer_beat OWNER TO postgres")
    with pytest.raises(StoreAway, match="does not give this user leave"):
        store.write([a_beat()])
    assert all_views(store) == {}


def test_a_database_that_another_host_writes_to_is_away_until_it_is_done(place, store, monkeypatch):
    store.write([a_beat(1)])
    with closing(opened(place)) as other, other._database.writing():
        monkeypatch.setitem(module._LIMITS, "lock_timeout", 100)
        with closing(opened(place)) as waiting, pytest.raises(StoreAway, match="is locked by"):
            waiting.write([a_beat(2)])
        assert len(all_views(store)) == 1
    assert store.write([a_beat(2)]) == []


def test_a_statement_that_takes_too_long_is_away(place, monkeypatch):
    monkeypatch.setitem(module._LIMITS, "statement_timeout", 100)
    with closing(opened(place)) as store:
        with pytest.raises(StoreAway, match="takes too long"), store._database.writing() as c:
            c.exec_driver_sql("SELECT pg_sleep(10)")
        assert store.write([a_beat()]) == []


def test_a_server_that_was_stopped_is_away_until_it_is_started(own_postgresql, away):
    own_postgresql.stop()
    with pytest.raises(StoreAway, match="does not answer; see that it runs"):
        away.write([a_beat(2)])
    own_postgresql.start()
    assert away.write([a_beat(2)]) == []


def test_a_restart_between_two_writes_is_not_noticed(own_postgresql, away, caplog):
    own_postgresql.restart()
    assert away.write([a_beat(2)]) == []
    assert len(all_views(away)) == 2
    assert not caplog.records


def test_a_server_that_crashes_in_the_middle_is_away_and_nothing_is_half_written(
    own_postgresql, away, caplog
):
    def crash():
        with away._database.writing() as connection:
            away._writing.write(connection, [a_beat(2)])
            own_postgresql.stop(signal.SIGQUIT)

    with pytest.raises(StoreAway):
        crash()
    own_postgresql.start()
    assert list(all_views(away)) == [a_beat(1).view_id]
    assert not caplog.records


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not yet"])
def test_a_frozen_server_is_away_and_does_not_hang_us(own_postgresql, monkeypatch, connected):
    monkeypatch.setattr(bounds, "ANSWER_SECONDS", 0.5)
    with closing(SqlStore.open(f"{own_postgresql.url}?connect_timeout=2")) as store:
        if connected:
            store.check()
        own_postgresql.freeze()
        with pytest.raises(StoreAway, match="does not answer"):
            store.write([a_beat(2)])
        own_postgresql.thaw()
        assert store.write([a_beat(2)]) == []


def test_a_server_that_freezes_during_a_write_is_away(own_postgresql, away, monkeypatch):
    monkeypatch.setattr(bounds, "ANSWER_SECONDS", 0.5)

    def freeze():
        with away._database.writing() as connection:
            own_postgresql.freeze()
            away._writing.write(connection, [a_beat(number) for number in range(900)])

    with pytest.raises(StoreAway, match="does not answer"):
        freeze()
    own_postgresql.thaw()
    assert len(all_views(away)) == 1
    assert away.write([a_beat(2)]) == []


# Connections


def test_a_closed_store_does_not_keep_the_server_from_shutting_down(own_postgresql, away):
    away.close()
    own_postgresql.stop(signal.SIGTERM)  # waits for all connections


def test_the_writer_does_not_keep_the_server_from_shutting_down(own_postgresql, tmp_path):
    url = own_postgresql.url
    spool, quarantine = Spool(tmp_path / "spool", url, 2**30), Quarantine(tmp_path / "bad")
    writer = Writer(spool, SqlStore.open(url), quarantine)
    spool.append(encode(a_beat(1)))
    writer.start()
    while spool.figures().stored == 0:
        time.sleep(0.02)
    own_postgresql.stop(signal.SIGTERM)  # waits for all connections
    writer.close(0)


def test_one_connection_serves_many_transactions(place, store):
    backends = set()
    for number in range(5):
        store.write([a_beat(number)])
        with store._database.reading() as connection:
            backends.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())
    assert len(backends) == 1


def test_a_forked_child_has_a_connection_of_its_own(store):
    store.write([a_beat(1)])
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(len(store.write([a_beat(2)])))
        except BaseException:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.write([a_beat(3)]) == []
    assert len(all_views(store)) == 3


KILLED = """
import os, signal, sys
from alembic.operations import Operations
from pagetimer_wsgi.stores.sql import SqlStore
Operations.create_index = lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL)
SqlStore.open(sys.argv[1]).check()
"""


def test_a_migration_that_was_killed_is_begun_again(place, store):
    killed = subprocess.run([sys.executable, "-c", KILLED, place.url], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert all_views(store) == {}
    assert store.write([a_beat()]) == []


def test_with_migrate_off_nothing_is_made_and_the_error_says_what_to_run(place):
    with closing(opened(place, migrate=False)) as store:
        with pytest.raises(StoreAway, match=r"has no tables yet; .* run `pagetimer check`"):
            store.check()
        with closing(opened(place)) as other:
            other.check()
        assert store.write([a_beat()]) == []
