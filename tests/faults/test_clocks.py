"""Clocks that are wrong: the server's, set while it serves, and the clients'."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from browser import require

from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.stores.base import open_store

from .hosts import Host, hosting
from .ledger import ALL, Ledger, SentBeat, beats_of_a_view
from .load import Load, Pulse, post

DAY = 86_400_000
STRAY = "f" * 12
"""What stands for the moment in the view id of a client whose clock is far off."""


@pytest.mark.parametrize(
    "server", ["gunicorn-gthread", pytest.param("uwsgi", marks=pytest.mark.long)]
)
def test_a_clock_that_is_set_a_day_on_and_back_stalls_nothing_and_adds_no_time(
    server: str, ledger: Ledger, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    with hosting(server, tmp_path, environment=clock.environment) as host:
        with Load(host.port, ledger, pause=0.01) as load, Pulse(host.port) as pulse:
            for days in (1, 0, -1, 1, -1):
                load.wait_for(50)
                clock.shift(days)
                ledger.notes.append(f"{days:+} d: stored after {until_stored(host, ledger):.1f} s")
        ledger.hold(host.store)
        host.recovers()
    assert (pulse.statuses, len(pulse.bodies)) == ({200}, 1)
    views = page_views(host)
    moments = [view.last_seen_at for view in views]
    assert max(moments) - min(moments) > 2 * DAY, "the clock was never set"
    for view in views:
        assert not view.capped
        assert view.last_seen_at >= view.started_at
        assert view.last_seen_at - view.started_at < 3 * DAY
        assert view.engaged_ms == (view.visible_ms or 0) // 2


def test_clients_of_1970_and_2500_share_one_period_and_their_times_are_kept(
    ledger: Ledger, tmp_path: Path
) -> None:
    eight_days = 8 * DAY
    now = time.time_ns() // 1_000_000
    year_2500 = int(datetime.datetime(2500, 1, 1, tzinfo=datetime.timezone.utc).timestamp()) * 1_000
    with hosting("gunicorn-sync", tmp_path) as host:
        for began in (0, 1, now - eight_days, now + eight_days, year_2500, 2**48 - 2**20):
            for beat in beats_of_a_view(8, began):
                assert send_stray(host.port, ledger, beat) == 204
        with Load(host.port, ledger, most=200) as load:
            load.wait_for(50)
        ledger.hold(host.store)
        strays = [view for view in page_views(host) if view.view_id.startswith(STRAY)]
    assert len(strays) == 6
    for view in strays:
        assert view.client_started_at is None
        assert abs(view.started_at - now) < DAY
        assert (view.visible_ms, view.capped) == (7_000, False)


class Clock:
    """The wall clock of the processes that have its environment.

    :param folder: for its files
    """

    def __init__(self, folder: Path) -> None:
        require(shutil.which("cc"), "there is no C compiler")
        library = folder / "shifted_clock.so"
        source = Path(__file__).with_name("shifted_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self._file = folder / "shift"
        self._file.touch()
        self.shift(0)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(self._file)}

    def shift(self, days: int) -> None:
        """Set it so many days from the true one."""
        with self._file.open("r+b") as stream:
            stream.write(struct.pack("l", days * DAY // 1_000))


def until_stored(host: Host, ledger: Ledger) -> float:
    """Return after how many seconds more is stored than is accepted now."""
    began, accepted = time.monotonic(), ledger.accepted
    host.until(lambda said: said["stored"] > accepted)
    return time.monotonic() - began


def send_stray(port: int, ledger: Ledger, beat: SentBeat) -> int:
    """Send a beat whose clock is far off; the ledger knows it by the id that it is kept under."""
    kept = dataclasses.replace(beat, view_id=STRAY + beat.view_id[12:])
    ledger.send(kept)
    status = post(port, beat.body())
    ledger.answer(kept, status)
    return status


def page_views(host: Host) -> list[PageView]:
    """Return what the host's store holds."""
    with contextlib.closing(open_store(host.store, migrate=False)) as store:
        return list(store.page_views(ALL))
