"""The spool's disk fills up between two looks at it: no beat is accepted that could be lost."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from .disks import full_disk, small_disk
from .hosts import hosting
from .ledger import Ledger
from .load import Load
from .test_stores_away import locked

MEBIBYTES = 120
"""With less than 100 of them free nothing is accepted, once that is seen."""


@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "server", ["gunicorn-gthread", pytest.param("gunicorn-gevent", marks=pytest.mark.long)]
)
def test_what_finds_no_room_is_refused_and_takes_no_other_beat_with_it(
    server: str, times: int, ledger: Ledger, tmp_path: Path
) -> None:
    with (
        small_disk(tmp_path / "data", MEBIBYTES) as disk,
        hosting(server, tmp_path) as host,
    ):
        with Load(host.port, ledger, clients=8, most=20_000 * times) as load:
            for _ in range(times):
                load.wait_for(100)
                with full_disk(disk):
                    time.sleep(0.7)
            load.wait_for(100)
        ledger.hold(host.store, refusals=True)
        assert ledger.answers[503] > times
        host.recovers()
        assert host.health()["quarantined"] == 0


def test_what_waits_on_a_full_disk_is_stored_elsewhere_and_makes_room(
    ledger: Ledger, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/elsewhere.db"
    with (
        small_disk(tmp_path / "data", MEBIBYTES) as disk,
        hosting("gunicorn-gthread", tmp_path, store=store) as host,
        contextlib.ExitStack() as full,
    ):
        with Load(host.port, ledger) as load:
            load.wait_for(100)
        with locked(store):
            with Load(host.port, ledger) as load:
                load.wait_for(200)
                host.kill_a_worker(0)
                load.wait_for(200)
            assert segments_on(disk)
            full.enter_context(full_disk(disk))
        end = time.monotonic() + 60
        while left := segments_on(disk):
            assert time.monotonic() < end, f"{left} stay on a full disk"
            time.sleep(0.1)
        full.close()
        ledger.hold(host.store)
        host.recovers()


def segments_on(disk: Path) -> list[Path]:
    return list(disk.rglob("*.jsonl"))
