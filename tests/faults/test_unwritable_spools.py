"""A spool that cannot be written to, is missing or is removed: the application does not notice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from .disks import read_only_disk, read_only_modes
from .hosts import hosting
from .ledger import Ledger
from .load import Load, Pulse


@contextmanager
def in_the_place_of_a_file(folder: Path) -> Iterator[None]:
    """Let there be a file where a folder should be."""
    shutil.rmtree(folder)
    folder.write_text("no folder")
    yield
    folder.unlink()


@pytest.mark.parametrize(
    "unwritable",
    [
        pytest.param(read_only_modes, id="read-only"),
        pytest.param(read_only_disk, id="read-only disk", marks=pytest.mark.long),
        pytest.param(in_the_place_of_a_file, id="missing"),
    ],
)
def test_without_a_writable_spool_beats_are_refused_and_pages_go_out(
    unwritable: Callable[[Path], AbstractContextManager[None]], ledger: Ledger, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    options = {"PAGETIMER_SPOOL": str(volume / "spool")}
    with (
        hosting("gunicorn-alone", tmp_path, environment=options, unprivileged=True) as host,
        Pulse(host.port) as pulse,
    ):
        time.sleep(0.2)
        page = set(pulse.bodies)
        with unwritable(volume), Load(host.port, ledger, pause=0.01):
            host.says("spool", str(volume))
            time.sleep(2)
        assert set(ledger.answers) == {503}
        with Load(host.port, ledger) as load:
            load.wait_for(100)
        ledger.hold(host.store, refusals=True)
        host.recovers()
    assert (pulse.statuses, pulse.bodies) == ({200}, page)
    assert len(host.complaints("spool")) == 1


def test_a_spool_that_becomes_read_only_under_load_loses_nothing(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-gthread", tmp_path, unprivileged=True) as host:
        with Load(host.port, ledger, pause=0.01) as load, Pulse(host.port) as pulse:
            for _ in range(2):
                load.wait_for(100)
                with ExitStack() as folders:
                    for folder in sorted((host.data / "spool").rglob("*/")):
                        folders.enter_context(read_only_modes(folder))
                    time.sleep(2)
            load.wait_for(100)
        ledger.hold(host.store, refusals=True)
        host.recovers()
    assert (pulse.statuses, len(pulse.bodies)) == ({200}, 1)


def test_a_spool_that_is_removed_while_it_is_written_to_begins_anew(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-sync", tmp_path) as host:
        for _ in range(3):
            with Load(host.port, ledger) as load:
                load.wait_for(50)
            ledger.hold(host.store)  # or what was accepted would be removed
            shutil.rmtree(host.data / "spool")
        with Load(host.port, ledger) as load:
            load.wait_for(50)
        ledger.hold(host.store)


def test_a_spool_that_is_moved_away_begins_anew_and_has_kept_the_rest(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-sync", tmp_path) as host:
        spool, elsewhere = host.data / "spool", tmp_path / "elsewhere"
        with Load(host.port, ledger, pause=0.01) as load:
            load.wait_for(50)
            spool.rename(elsewhere)
            time.sleep(2)
            accepted = ledger.accepted
            host.until(lambda said: said["stored"] > accepted)
        for folder in elsewhere.glob("*/*/"):
            shutil.move(folder, spool / folder.parent.name)
        ledger.hold(host.store)
