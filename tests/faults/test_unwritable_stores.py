"""A store that takes nothing at all: every beat waits, none is quarantined, health says why."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from databases import PostgreSQL

from .disks import full_disk, read_only_disk, read_only_modes, small_disk
from .hosts import Host, hosting
from .ledger import Ledger
from .load import Load


@pytest.mark.parametrize(
    "unwritable",
    [
        pytest.param(lambda file: read_only_modes(file), id="file"),
        pytest.param(
            lambda file: read_only_modes(file.parent), id="folder", marks=pytest.mark.long
        ),
        pytest.param(lambda file: read_only_disk(file.parent), id="mount", marks=pytest.mark.long),
    ],
)
def test_a_read_only_database_lets_all_beats_wait(
    unwritable: Callable[[Path], AbstractContextManager[None]], ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "store" / "pagetimer.db"
    with hosting("gunicorn-sync", tmp_path, store=f"sqlite:///{file}", unprivileged=True) as host:
        all_wait(lambda: unwritable(file), "give it leave to write", host, ledger)


def test_a_full_disk_under_the_database_lets_all_beats_wait(ledger: Ledger, tmp_path: Path) -> None:
    with small_disk(tmp_path / "store", 2) as disk:
        url = f"sqlite:///{disk}/pagetimer.db"
        with hosting("gunicorn-sync", tmp_path, store=url) as host:
            all_wait(lambda: full_disk(disk), "full", host, ledger)


@pytest.mark.parametrize(
    ("how", "says"),
    [("read-only", "takes no writes"), ("password", "refuses this user")],
)
def test_a_server_that_refuses_our_writes_or_our_password_lets_all_beats_wait(
    how: str, says: str, ledger: Ledger, tmp_path: Path, own_postgresql: PostgreSQL
) -> None:
    unwritable = {"read-only": read_only_server, "password": other_password}[how]
    with hosting("gunicorn-sync", tmp_path, store=own_postgresql.url) as host:
        all_wait(lambda: unwritable(own_postgresql), says, host, ledger)


def test_a_full_disk_under_the_server_lets_all_beats_wait(
    ledger: Ledger, tmp_path: Path, own_postgresql: PostgreSQL
) -> None:
    with small_disk(own_postgresql.folder / "disk", 32) as disk:
        shutil.chown(disk, "postgres")
        own_postgresql.psql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        database = own_postgresql.url.rpartition("/")[2]
        own_postgresql.psql(f"ALTER DATABASE {database} SET TABLESPACE small")
        with hosting("gunicorn-sync", tmp_path, store=own_postgresql.url) as host:
            all_wait(lambda: full_disk(disk), "disk is full", host, ledger)
        own_postgresql.stop()


@contextmanager
def read_only_server(server: PostgreSQL) -> Iterator[None]:
    """Let the server take no writes, as a standby does."""
    server.psql("ALTER SYSTEM SET default_transaction_read_only = on")
    server.psql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.psql("ALTER SYSTEM RESET default_transaction_read_only")
        server.psql("SELECT pg_reload_conf()")


@contextmanager
def other_password(server: PostgreSQL) -> Iterator[None]:
    """Change the password, and end all connections that were made with the old one."""
    old = server.password
    server.change_password("another")
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename='pagetimer'")
    try:
        yield
    finally:
        server.change_password(old)


def all_wait(
    unwritable: Callable[[], AbstractContextManager[None]], says: str, host: Host, ledger: Ledger
) -> None:
    """Hold that a store which takes nothing for a while gets all afterwards."""
    with Load(host.port, ledger, pause=0.02) as load:
        load.wait_for(100)
        host.until(lambda said: said["stored"])
        with unwritable():
            host.says("store", says)
            load.wait_for(200)
        mended = time.monotonic()
    ledger.hold(host.store)
    host.recovers()
    ledger.notes.append(f"stored after {time.monotonic() - mended:.1f} s")
    assert host.health()["quarantined"] == 0
