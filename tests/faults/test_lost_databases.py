"""The database's file is moved, removed or replaced under a running host: its beats wait."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from databases import PostgreSQL

from pagetimer_wsgi.stores.base import open_store
from pagetimer_wsgi.stores.query import Query

from .hosts import hosting
from .ledger import Ledger
from .load import Load

_MOVING_SITE = Path(__file__).with_name("moving_site.py")
LOST = "not the database that was here"


def test_a_database_that_was_moved_gets_all_once_it_is_put_back(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-sync", tmp_path) as host:
        with Load(host.port, ledger, pause=0.01) as load:
            host.until(lambda said: said["stored"])
            move(host.data, tmp_path / "elsewhere")
            host.says("store", LOST)
            load.wait_for(200)
            assert not (host.data / "pagetimer.db").exists()
            move(tmp_path / "elsewhere", host.data)
            load.wait_for(200)
        ledger.hold(host.store)
        host.recovers()


def test_a_database_in_the_place_of_another_gets_nothing_before_a_restart(
    ledger: Ledger, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path}/other/pagetimer.db"
    with hosting("gunicorn-sync", tmp_path) as host:
        with Load(host.port, ledger, pause=0.01) as load:
            host.until(lambda said: said["stored"])
            make_database(other)
            move(host.data, tmp_path / "elsewhere")
            move(tmp_path / "other", host.data)
            host.says("store", LOST)
            load.wait_for(200)
            assert beats_in(host.store) == 0
            move(host.data, tmp_path / "other")
            move(tmp_path / "elsewhere", host.data)
        ledger.hold(host.store)
    assert beats_in(other) == 0


def test_another_database_of_a_server_gets_nothing_before_a_restart(
    ledger: Ledger, tmp_path: Path, own_postgresql: PostgreSQL
) -> None:
    name = own_postgresql.url.rpartition("/")[2]
    with hosting("gunicorn-sync", tmp_path, store=own_postgresql.url) as host:
        with Load(host.port, ledger, pause=0.01) as load:
            host.until(lambda said: said["stored"])
            rename(own_postgresql, name, "elsewhere")
            own_postgresql.psql(f"CREATE DATABASE {name} OWNER pagetimer")
            host.says("store", LOST)
            load.wait_for(100)
            assert beats_in(own_postgresql.url) == 0
            rename(own_postgresql, name, "other")
            rename(own_postgresql, "elsewhere", name)
        ledger.hold(host.store)
        host.recovers()


def test_a_segment_stays_if_its_database_is_lost_right_after_the_commit(
    ledger: Ledger, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    moving = {"ELSEWHERE": str(elsewhere)}
    with hosting("gunicorn-sync", tmp_path, site=_MOVING_SITE, environment=moving) as host:
        with Load(host.port, ledger, pause=0.01) as load:
            load.wait_for(200)
            host.says("store", LOST)
        shutil.rmtree(elsewhere)
    with hosting("gunicorn-sync", tmp_path) as host:
        ledger.hold(host.store)


@pytest.mark.parametrize(
    "replaced",
    [
        pytest.param(False, id="removed"),
        pytest.param(True, id="replaced", marks=pytest.mark.long),
    ],
)
def test_after_a_restart_it_goes_on_with_the_database_that_is_there(
    replaced: bool, ledger: Ledger, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    with hosting("gunicorn-sync", tmp_path) as host, Load(host.port, ledger, pause=0.01) as load:
        host.until(lambda said: said["stored"])
        move(host.data, elsewhere)
        if replaced:
            make_database(host.store)
        host.says("store", LOST)
        load.wait_for(200)
    with hosting("gunicorn-sync", tmp_path) as host:
        with Load(host.port, ledger) as load:
            load.wait_for(100)
        ledger.hold(host.store, f"sqlite:///{elsewhere}/pagetimer.db")


def move(source: Path, target: Path) -> None:
    """Move a database with what SQLite keeps beside it, the file itself first."""
    target.mkdir(exist_ok=True)
    for name in ("pagetimer.db", "pagetimer.db-wal", "pagetimer.db-shm"):
        with contextlib.suppress(FileNotFoundError):
            shutil.move(source / name, target / name)


def rename(server: PostgreSQL, name: str, other: str) -> None:
    """Rename a database, which nobody may be connected with meanwhile."""
    server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='{name}'")
    server.psql(f"ALTER DATABASE {name} RENAME TO {other}")
    server.psql(f"ALTER DATABASE {other} ALLOW_CONNECTIONS true")


def make_database(url: str) -> None:
    """Make a database of ours, with an identity of its own."""
    Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    with contextlib.closing(open_store(url)) as store:
        store.check()


def beats_in(url: str) -> int:
    """Return how many beats a database holds."""
    with contextlib.closing(open_store(url, migrate=False)) as store:
        return sum(1 for _ in store.beats(Query()))
