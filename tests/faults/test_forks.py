"""Processes that fork, and those who adopt what they leave: each beat is adopted once."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pagetimer_wsgi import PageTimer

from .ledger import Ledger, beats_of_a_view
from .steps import Answers, Site, Step, fork

FORKS = pytest.mark.parametrize("forks", [25, pytest.param(2_000, marks=pytest.mark.long)])
THREADS = 4


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site", f"sqlite:///{tmp_path}/site/pagetimer.db")


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return Answers(tmp_path / "answers")


def fork_while_threads_append(site: Site, answers: Answers, forks: int, times: Path) -> None:
    """Fork again and again while threads send beats; each child sends some at once."""
    timer, stop = site.timer(), threading.Event()

    def append() -> None:
        while not stop.is_set():
            answers.collect(timer, beats_of_a_view(4))

    threads = [threading.Thread(target=append) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(forks):
            time.sleep(0.002)
            assert fork(send_first, timer, answers, times).join(timeout=5) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    timer.close()


def send_first(timer: PageTimer, answers: Answers, times: Path) -> None:
    began = time.monotonic()
    answers.collect(timer, beats_of_a_view(1))
    with times.open("a") as stream:
        stream.write(f"{time.monotonic() - began}\n")
    answers.collect(timer, beats_of_a_view(2))


@FORKS
def test_a_child_that_was_forked_while_a_lock_was_held_has_its_first_beat_accepted_at_once(
    forks: int, site: Site, answers: Answers, ledger: Ledger, tmp_path: Path
) -> None:
    times = tmp_path / "times"
    role = fork(fork_while_threads_append, site, answers, forks, times)
    assert role.join(timeout=20 + forks) == 0
    assert fork(site.drain).join() == 0
    answers.tell(ledger)
    ledger.hold(site.store)
    waited = sorted(float(line) for line in times.read_text().splitlines())
    assert len(waited) == forks
    assert waited[forks * 9 // 10] < 1  # the machine may keep a few of them waiting
    ledger.notes.append(f"{forks} forks, first beat after at most {1000 * waited[-1]:.0f} ms")


def accept_and_leave_a_child(site: Site, answers: Answers, go: Path) -> None:
    timer = site.timer(writer="off")
    answers.collect(timer, beats_of_a_view(8))
    fork(live_on, timer, answers, go)
    os.kill(os.getpid(), signal.SIGKILL)


def live_on(timer: PageTimer, answers: Answers, go: Path) -> None:
    pid = go.with_suffix(".pid")
    pid.with_suffix(".draft").write_text(str(os.getpid()))
    pid.with_suffix(".draft").replace(pid)
    while not go.exists():
        time.sleep(0.01)
    answers.collect(timer, beats_of_a_view(8))
    go.with_suffix(".done").touch()
    time.sleep(60)


def test_the_segment_of_a_dead_owner_is_adopted_though_its_forked_child_lives(
    site: Site, answers: Answers, ledger: Ledger, tmp_path: Path
) -> None:
    go = tmp_path / "child.go"
    assert fork(accept_and_leave_a_child, site, answers, go).join() == -signal.SIGKILL
    child = int(appear(go.with_suffix(".pid")).read_text())
    try:
        assert fork(site.drain).join() == 0
        assert site.left() == []
        go.touch()
        appear(go.with_suffix(".done"))
        assert fork(site.drain).join() == 0
        answers.tell(ledger)
        ledger.hold(site.store)
        assert not removed_but_open(child, site.folder)
    finally:
        os.kill(child, signal.SIGKILL)


def appear(path: Path, timeout: float = 10.0) -> Path:
    end = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.01)
    return path


def removed_but_open(pid: int, folder: Path) -> list[str]:
    """Return the files of a folder that have no name any more, and whose disk space is kept."""
    opened = Path(f"/proc/{pid}/fd")
    paths = [os.readlink(opened / number) for number in os.listdir(opened)]
    return [path for path in paths if path.startswith(f"{folder}/") and "(deleted)" in path]


def accept(site: Site, answers: Answers, step: Step) -> None:
    step.interrupt(site.folder)
    timer = site.timer(writer="off")
    answers.collect(timer, beats_of_a_view(2))
    timer.close()


def test_an_adopter_may_come_at_any_step_of_a_new_process(
    site: Site, answers: Answers, ledger: Ledger
) -> None:
    for number in itertools.count(1):
        owner = fork(accept, site, answers, Step(number, signal.SIGSTOP))
        halted = owner.is_halted()
        site.grow_old()
        assert fork(site.drain).join() == 0
        if not halted:
            break
        owner.go_on()
        assert owner.join() == 0
        assert fork(site.drain).join() == 0
    answers.tell(ledger)
    ledger.hold(site.store)
    assert set(ledger.answers) == {204}
    ledger.notes.append(f"{number} steps")


def test_a_new_process_may_die_at_any_step(site: Site, answers: Answers, ledger: Ledger) -> None:
    for number in itertools.count(1):
        status = fork(accept, site, answers, Step(number, signal.SIGKILL)).join()
        site.grow_old()
        assert fork(site.drain).join() == 0
        assert site.left() == []
        if status == 0:
            break
    answers.tell(ledger)
    ledger.hold(site.store)
    ledger.notes.append(f"{number} steps")
