"""Drainers killed, or halted and overtaken, at each step: the next start goes on."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from databases import PostgreSQL

from pagetimer_wsgi import Beat
from pagetimer_wsgi.stores.base import open_store

from .hosts import hosting
from .ledger import Ledger, SentBeat, beats_of_a_view
from .load import Load
from .steps import Answers, Site, Step, fork

BEATS = 3
OLD = 20
REFUSED_OR_DONE = {0, 1}
"""How ``pagetimer drain`` may end where another process is at the same folder's figures."""
STRIDE = pytest.mark.parametrize("stride", [13, pytest.param(1, marks=pytest.mark.long)])
"""Each step is tried in the long form, every 13th of more than a hundred in the short one."""


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """A function that returns the URL of an empty store; an SQLite file lies in the folder."""
    if request.param == "sqlite":
        return lambda folder: f"sqlite:///{folder}/pagetimer.db"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return lambda folder: server.database()


@pytest.fixture
def site(new_store: Callable[[Path], str], tmp_path: Path) -> Site:
    """A site whose store has its tables."""
    made = Site(tmp_path / "site", new_store(tmp_path / "site"))
    made.folder.mkdir()
    assert fork(made.drain).join() == 0
    return made


def accept(site: Site, ledger: Ledger) -> None:
    """Let two processes accept beats and be killed."""
    for name in ("one", "two"):
        beats, answers = beats_of_a_view(BEATS), Answers(site.folder / f"{name}.answers")
        assert fork(accept_and_die, site, beats, answers).join() == -signal.SIGKILL
        answers.tell(ledger)


def accept_and_die(site: Site, beats: list[SentBeat], answers: Answers) -> None:
    answers.collect(site.timer(writer="off"), beats)
    os.kill(os.getpid(), signal.SIGKILL)


def accept_and_flush(site: Site, beats: list[SentBeat], answers: Answers, step: Step) -> None:
    timer = site.timer(writer="off")
    answers.collect(timer, beats)
    step.interrupt(site.folder)
    timer.flush()
    timer.close()


def clear(site: Site) -> None:
    """Drain two minutes later, and hold that no process's folder is left."""
    site.grow_old()
    assert fork(site.drain).join() == 0
    assert site.left() == []


@STRIDE
def test_a_drainer_may_die_at_any_step(stride: int, site: Site, ledger: Ledger) -> None:
    for number in itertools.count(1, stride):
        accept(site, ledger)
        status = fork(site.drain, Step(number, signal.SIGKILL)).join()
        clear(site)
        if status == 0:
            break
    ledger.hold(site.store)
    ledger.notes.append(f"every {stride} of {number} steps")


@STRIDE
def test_a_process_may_die_at_any_step_of_draining_what_it_accepted(
    stride: int, site: Site, ledger: Ledger
) -> None:
    for number in itertools.count(1, stride):
        beats, answers = beats_of_a_view(BEATS), Answers(site.folder / "answers")
        step = Step(number, signal.SIGKILL)
        status = fork(accept_and_flush, site, beats, answers, step).join()
        answers.tell(ledger)
        clear(site)
        if status == 0:
            break
    ledger.hold(site.store)
    ledger.notes.append(f"every {stride} of {number} steps")


@STRIDE
def test_a_drainer_may_die_at_any_step_of_a_migration(
    stride: int, new_store: Callable[[Path], str], ledger: Ledger, tmp_path: Path
) -> None:
    beats = beats_of_a_view(BEATS)
    for number in itertools.count(1, stride):
        folder = tmp_path / str(number)
        folder.mkdir()
        site, answers = Site(folder, new_store(folder)), Answers(folder / "answers")
        assert fork(accept_and_die, site, beats, answers).join() == -signal.SIGKILL
        answers.tell(ledger)
        status = fork(site.drain, Step(number, signal.SIGKILL)).join()
        clear(site)
        ledger.hold(site.store)
        if status == 0:
            break
    ledger.notes.append(f"every {stride} of {number} steps")


@STRIDE
def test_a_drainer_may_die_at_any_step_of_rolling_off_what_is_old(
    stride: int, site: Site, ledger: Ledger
) -> None:
    for number in itertools.count(1, stride):
        keep_old(site.store, OLD)
        accept(site, ledger)
        status = fork(site.drain, Step(number, signal.SIGKILL)).join()
        clear(site)
        if status == 0:
            break
    ledger.hold(site.store)  # and nothing that was never sent
    ledger.notes.append(f"every {stride} of {number} steps")


def keep_old(url: str, number: int) -> None:
    """Put beats of page views of three years ago into a store."""
    then = int(time.time() * 1000) - 3 * 365 * 86_400_000
    ids = [f"{then:012x}{secrets.token_hex(10)}" for _ in range(number)]
    with contextlib.closing(open_store(url)) as store:
        beats = [
            Beat(view_id=each, seq=0, received_at=then, path="/", visible_ms=1) for each in ids
        ]
        store.write(beats)


@STRIDE
def test_a_drainer_that_lost_its_lock_may_be_overtaken_at_any_step(
    stride: int, site: Site, ledger: Ledger
) -> None:
    for number in itertools.count(1, stride):
        accept(site, ledger)
        slow = fork(site.drain, Step(number, signal.SIGSTOP))
        halted = slow.is_halted()
        site.lose_lock()
        other = fork(site.drain)
        if halted:
            other.ends(timeout=0.3)
            slow.go_on()
            assert slow.join() in REFUSED_OR_DONE
        assert other.join() in REFUSED_OR_DONE
        clear(site)
        if not halted:
            break
    ledger.hold(site.store)
    ledger.notes.append(f"every {stride} of {number} steps")


def drain_again(site: Site, enough: Path) -> None:
    while not enough.exists():
        site.drain()
        time.sleep(0.05)


@pytest.mark.parametrize("server", ["gunicorn-sync", "uwsgi"])
def test_workers_and_two_command_lines_may_drain_at_once(
    server: str, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting(server, tmp_path) as host:
        site, enough = Site(host.data, host.store), tmp_path / "enough"
        drainers = [fork(drain_again, site, enough) for _ in range(2)]
        with Load(host.port, ledger, pause=0.01) as load:
            for _ in range(3):
                load.wait_for(100)
                host.kill_a_worker(0)
            load.wait_for(100)
        ledger.hold(host.store)
        enough.touch()
        assert [drainer.join() for drainer in drainers] == [0, 0]
