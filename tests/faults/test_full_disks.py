"""The spool's disk fills up between two looks at it: no beat is accepted that could be lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .disks import full_disk, small_disk
from .hosts import hosting
from .ledger import Ledger
from .load import Load

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
        with Load(host.port, ledger, clients=8, most=200_000) as load:
            for _ in range(times):
                load.wait_for(100)
                with full_disk(disk):
                    time.sleep(0.7)
            load.wait_for(100)
        ledger.hold(host.store, refusals=True)
        assert ledger.answers[503] > times
        host.recovers()
        assert host.health()["quarantined"] == 0
