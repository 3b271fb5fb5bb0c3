"""A store that takes nothing at all: every beat waits, none is quarantined, health says why."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

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
        pytest.param(lambda file: read_only_disk(file.parent), id="mount"),
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
