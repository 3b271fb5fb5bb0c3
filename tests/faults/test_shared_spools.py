"""One spool, or one folder, for several: applications, stores, machines."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from browser import require

from pagetimer_wsgi import PageTimer

from .hosts import Host, hosting
from .ledger import Ledger, beats_of_a_view
from .load import BEAT, Load, post, send
from .steps import Answers, Site, fork

_MACHINE_IDS = ("/etc/machine-id", "/proc/sys/kernel/random/boot_id")


@pytest.mark.parametrize("stores", ["one", "two"])
def test_two_applications_share_a_spool_and_each_store_gets_its_own(
    stores: str, ledger: Ledger, tmp_path: Path
) -> None:
    other = ledger if stores == "one" else Ledger("the other application's")
    store = f"sqlite:///{tmp_path}/both.db" if stores == "one" else None
    shared = {"PAGETIMER_SPOOL": str(tmp_path / "spool")}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        hosting("gunicorn-sync", tmp_path / "a", store=store, environment=shared) as one,
        hosting("waitress", tmp_path / "b", store=store, environment=shared) as two,
    ):
        with Load(two.port, other, 2, 0.01), Load(one.port, ledger, 2, 0.01) as load:
            load.wait_for(100)
            one.kill_a_worker(0)
            two.process.send_signal(signal.SIGKILL)
            load.wait_for(100)
        ledger.hold(one.store)
    with hosting("waitress", tmp_path / "b", store=store, environment=shared) as two:
        other.hold(two.store)


@pytest.mark.parametrize("options", ["same", "other-path", "other-store"])
def test_two_middlewares_in_one_process_lose_and_double_nothing(
    options: str, ledger: Ledger, tmp_path: Path
) -> None:
    site = new_site(tmp_path / "site", tmp_path / "one.db")
    second = site
    if options == "other-path":
        (tmp_path / "link").symlink_to(site.folder)
        second = Site(tmp_path / "link", site.store)
    elif options == "other-store":
        second = Site(site.folder, f"sqlite:///{tmp_path}/two.db")
    ledgers = [ledger, Ledger("the second") if options == "other-store" else ledger]
    answers = [Answers(tmp_path / "first"), Answers(tmp_path / "second")]
    for end in ("close", "die"):
        status = fork(use_both, [site.timer(), second.timer()], answers, end).join()
        assert status == (0 if end == "close" else -signal.SIGKILL)
        for each in (site, second):
            assert fork(each.drain).join() == 0
        assert site.left() == []
        for one, told in zip(answers, ledgers, strict=True):
            one.tell(told)
    ledger.hold(site.store)
    ledgers[1].hold(second.store)


def use_both(timers: list[PageTimer], answers: list[Answers], end: str) -> None:
    """Send beats to both in turns, while their writers are at it; close them one by one."""
    for _ in range(12):
        for timer, told in zip(timers, answers, strict=True):
            told.collect(timer, beats_of_a_view(20))
            timer.flush()
    for timer, told in zip(timers, answers, strict=True):
        told.collect(timer, beats_of_a_view(20))
    if end == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    timers[0].close()
    answers[1].collect(timers[1], beats_of_a_view(20))
    timers[1].close()


def test_a_second_interpreter_of_a_process_works_or_is_told_what_would_be_right(
    ledger: Ledger, open_folder: Path
) -> None:
    with hosting("mod_wsgi", open_folder) as host:
        with Load(host.port, ledger, 2, pause=0.01) as load:
            load.wait_for(50)
            beat = beats_of_a_view(1)[0]
            ledger.send(beat)
            if post(host.port, beat.body(), path=f"/second{BEAT}") != 204:
                assert "give each application a WSGIDaemonProcess of its own" in host.log()
            load.wait_for(50)
        ledger.hold(host.store)


def new_site(folder: Path, database: Path) -> Site:
    folder.mkdir()
    return Site(folder, f"sqlite:///{database}")


@pytest.fixture
def elsewhere(tmp_path: Path) -> list[str]:
    """The command that runs another as if on another machine: its mounts show another id."""
    require(shutil.which("unshare"), "unshare (util-linux) is not installed")
    other = tmp_path / "machine-id"
    other.write_text(f"{secrets.token_hex(16)}\n")
    real = next((name for name in _MACHINE_IDS if Path(name).exists()), None)
    command = ["unshare", "--mount", "sh", "-c", f'mount --bind {other} {real} && exec "$@"', "sh"]
    may = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    require(may, "no mounts of one's own may be made here")
    return command


@pytest.mark.parametrize("real_time", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_second_machine_is_refused_while_the_first_lives_and_takes_over_within_a_minute(
    real_time: bool, elsewhere: list[str], ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("waitress", tmp_path) as first:
        with Load(first.port, ledger, 2, pause=0.01) as load:
            load.wait_for(100)
            with hosting("waitress", tmp_path, before=elsewhere) as second:
                for beat in beats_of_a_view(3):
                    assert send(second.port, ledger, beat) == 503
                second.says("spool", "another machine uses")
                load.wait_for(100)
        first.process.kill()
    with hosting("waitress", tmp_path, before=elsewhere) as moved:
        if not real_time:
            grow_old(moved)
        began = time.monotonic()
        while send(moved.port, ledger, beats_of_a_view(1)[0]) != 204:
            assert time.monotonic() - began < 75
            time.sleep(0.2)
        ledger.notes.append(f"taken over after {time.monotonic() - began:.1f} s")
        with Load(moved.port, ledger, 2, pause=0.01) as load:
            load.wait_for(100)
        ledger.hold(moved.store, refusals=True)


def grow_old(host: Host) -> None:
    """Let the spool's mark be two minutes older than it is, as it is in a volume that moved."""
    for mark in host.data.glob("spool/**/machine"):
        os.utime(mark, (time.time() - 120,) * 2)
