"""The command line and the workers are different users: both go on."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest
from browser import require

from .ledger import Ledger, beats_of_a_view
from .steps import Answers, Site, fork

ROUNDS = 3


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    require(os.geteuid() == 0, "only root can be other users")
    return pwd.getpwnam("nobody")


@pytest.fixture
def site(open_folder: Path, tmp_path: Path) -> Site:
    """A site whose data is to lie in a folder of nobody's; this process has drained elsewhere.

    What draining imports is here before a child becomes another user, who may not read it.
    """
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Site(tmp_path / "elsewhere", f"sqlite:///{tmp_path}/elsewhere/pagetimer.db")
    timer = elsewhere.timer(writer="off")
    Answers(tmp_path / "answers").collect(timer, beats_of_a_view(1))
    timer.close()
    elsewhere.drain()
    data = open_folder / "data"
    return Site(data, f"sqlite:///{data}/pagetimer.db")


def become(user: pwd.struct_passwd) -> None:
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def work(site: Site, answers: Answers, user: pwd.struct_passwd) -> None:
    """Accept beats, with a writer that drains them, until killed."""
    become(user)
    timer = site.timer()
    while True:
        answers.collect(timer, beats_of_a_view(4))
        time.sleep(0.01)


def drain(site: Site, user: pwd.struct_passwd) -> None:
    become(user)
    site.drain()


@pytest.mark.parametrize("first", ["command-line-first", "worker-first"])
@pytest.mark.parametrize("host", ["nobody", "root"])
def test_workers_of_one_user_and_the_command_line_of_another_go_on(
    host: str, first: str, site: Site, nobody: pwd.struct_passwd, ledger: Ledger
) -> None:
    root = pwd.getpwuid(0)
    users = (nobody, root) if host == "nobody" else (root, nobody)
    answers = Answers(site.folder.with_name("answers"))
    if first == "command-line-first":
        assert fork(drain, site, users[1]).join() == 0
    for _ in range(ROUNDS):
        worker = fork(work, site, answers, users[0])
        time.sleep(0.5)
        for _ in range(ROUNDS):
            assert fork(drain, site, users[1]).join() == 0
        worker.kill()
    assert fork(drain, site, users[1]).join() == 0
    answers.tell(ledger)
    ledger.hold(site.store)
    assert not of_others(site.folder, nobody)


def of_others(folder: Path, user: pwd.struct_passwd) -> list[Path]:
    """Return what is not the user's there."""
    return [path for path in [folder, *folder.rglob("*")] if path.stat().st_uid != user.pw_uid]
