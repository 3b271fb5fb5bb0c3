"""Numbers of open files that the host closes, reuses or uses up."""

from __future__ import annotations

from pathlib import Path

import pytest

from .hosts import hosting
from .ledger import Ledger
from .load import Load, Pulse, ask

_CARELESS_SITE = Path(__file__).with_name("careless_site.py")
TIMES = pytest.mark.parametrize("times", [20, pytest.param(1_000, marks=pytest.mark.long)])


@TIMES
@pytest.mark.parametrize(
    "server", ["gunicorn-gthread", pytest.param("gunicorn-sync", marks=pytest.mark.long)]
)
def test_a_host_that_closes_our_files_loses_no_beat(
    server: str, times: int, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting(server, tmp_path, site=_CARELESS_SITE) as host:
        with Load(host.port, ledger, most=1_000 * times) as load:
            for _ in range(times):
                load.wait_for(10)
                assert ask(host.port, "/close") == 200
        # Of two threads, the writer's or the host's, one may close what the other has just opened.
        ledger.hold(host.store, refusals=True)


@TIMES
def test_a_host_that_opens_files_under_our_numbers_gets_no_byte_of_ours(
    times: int, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-sync", tmp_path, site=_CARELESS_SITE) as host:
        with Load(host.port, ledger, most=1_000 * times) as load:
            for _ in range(times):
                load.wait_for(10)
                assert ask(host.port, "/reuse") == 200
        ledger.hold(host.store, refusals=True)
        lines = (tmp_path / "notes").read_bytes().splitlines()
    assert set(lines) == {b"A line of the host's."}
    ledger.notes.append(f"{len(lines)} numbers reused")


def test_where_no_file_can_be_opened_beats_are_refused_and_pages_go_out(
    ledger: Ledger, tmp_path: Path
) -> None:
    hoard = tmp_path / "hoard"
    with hosting("gunicorn-sync", tmp_path, site=_CARELESS_SITE) as host:
        with Load(host.port, ledger, pause=0.01) as load, Pulse(host.port) as pulse:
            for _ in range(2):
                load.wait_for(50)
                hoard.touch()
                host.says("spool", "Too many open files")
                hoard.unlink()
            load.wait_for(50)
        ledger.hold(host.store, refusals=True)
        host.recovers()
    assert (pulse.statuses, len(pulse.bodies)) == ({200}, 1)
