"""Those who look on while the store is away are told so, and get no failure of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from .hosts import hosting
from .ledger import Ledger
from .load import Load
from .watch import watching


@contextlib.contextmanager
def a_file_in_the_way(database: Path) -> Iterator[None]:
    database.parent.touch()
    yield
    database.parent.unlink()


@contextlib.contextmanager
def no_database(database: Path) -> Iterator[None]:
    database.parent.mkdir()
    database.write_bytes(b"no database at all, but a text of some length" * 100)
    yield
    database.unlink()


@contextlib.contextmanager
def a_folder_in_its_place(database: Path) -> Iterator[None]:
    database.mkdir(parents=True)
    yield
    database.rmdir()


@pytest.mark.parametrize(
    "away",
    [
        a_file_in_the_way,
        pytest.param(no_database, marks=pytest.mark.long),
        pytest.param(a_folder_in_its_place, marks=pytest.mark.long),
    ],
)
def test_whoever_looks_on_is_answered_while_the_store_is_away(
    away: Callable[[Path], AbstractContextManager[None]], ledger: Ledger, tmp_path: Path
) -> None:
    database = tmp_path / "store" / "pagetimer.db"
    with hosting("gunicorn-gthread", tmp_path, store=f"sqlite:///{database}") as host:
        with away(database), watching(host, ledger, away=True):
            with Load(host.port, ledger, pause=0.01) as load:
                load.wait_for(200)
            host.says("store", "pagetimer.db")
            assert host.health()["waiting"] == ledger.accepted
        ledger.hold(host.store)
        host.recovers()
        assert host.health()["waiting"] == 0
