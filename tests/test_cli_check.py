"""``pagetimer check``: one item a line, tried for real."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import COMMAND, a_beat, accept, arguments, spool_in

from pagetimer_wsgi.cli import trials
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.settings import read
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.stores.base import open_store

ITEMS = (
    "settings",
    "user",
    "data",
    "secret",
    "spool",
    "writer",
    "store",
    "quarantine",
    "kept",
    "viewers",
    "figures",
)
HOUR = 3_600_000
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def items(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """What a check said of each item: its word, and the text."""
    found: dict[str, tuple[str, str]] = {}
    for line in done.stdout.split("\n\n")[0].splitlines():
        name, word, text = line[:11].strip(), line[12:18].strip(), line[19:]
        if name:
            found[name] = (word, text)
            last = name
        else:
            found[last] = (found[last][0], f"{found[last][1]}\n{text}")
    return found


def wrong(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The items that are wrong, with what was said of them."""
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return {name: text for name, (word, text) in items(done).items() if word == "WRONG"}


def test_where_nothing_is_set_up_yet_a_check_makes_what_a_start_would_and_all_is_well(
    pagetimer, tmp_path
):
    done = pagetimer("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nAll is well.\n")
    found = items(done)
    assert tuple(found) == ITEMS
    assert {word for word, _ in found.values()} == {"ok"}
    data = tmp_path / "pagetimer-data"
    assert str(data) in found["data"][1]
    assert str(data / "secret") in found["secret"][1]
    assert str(spool_in(tmp_path).folder) in found["spool"][1]
    assert f"sqlite:///{data}/pagetimer.db" in found["store"][1]
    assert f"sqlite {sqlite3.sqlite_version}, tables of version 0001" in found["store"][1]
    assert "viewer_token" in found["viewers"][1]
    assert {path.name for path in data.iterdir()} == {"pagetimer.db", "secret", "spool"}
    assert data.stat().st_mode & 0o777 == 0o700
    assert spool_in(tmp_path).segments() == []


def test_a_second_check_changes_nothing_but_the_moment_of_the_last_write(pagetimer, tmp_path):
    def state() -> tuple[dict[str, bytes], list[str]]:
        files = {
            str(path): path.read_bytes()
            for path in sorted((tmp_path / "pagetimer-data").rglob("*"))
            if path.is_file() and not path.name.startswith("pagetimer.db")
        }
        with closing(sqlite3.connect(tmp_path / "pagetimer-data" / "pagetimer.db")) as db:
            return files, [line for line in db.iterdump() if "'touched'" not in line]

    pagetimer("check")
    before = state()
    assert pagetimer("check").returncode == 0
    assert state() == before


def test_what_is_set_is_told_with_where_it_stands_and_no_value(pagetimer, tmp_path, monkeypatch):
    (tmp_path / "site.ini").write_text("[pagetimer]\nviewers = ada\nsecret = 0123456789abcdef\n")
    done = pagetimer("check", "--config", "site.ini", "-o", "site=shop")
    assert done.returncode == 0
    told = items(done)["settings"][1].splitlines()
    assert told[:2] == ["site.ini [pagetimer]: secret, viewers", "--option: site"]
    assert "0123456789abcdef" not in done.stdout
    assert items(done)["secret"][1] == "1 key in the option secret"
    assert items(done)["viewers"][1] == "ada"


def test_a_value_that_does_not_convert_is_one_line_as_with_every_command(pagetimer):
    done = pagetimer("check", "-o", "ip=x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "truncated, full, none" in done.stderr


def a_folder(path: Path) -> None:
    path.mkdir(parents=True)


def a_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no database" * 100)


def empty(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


BROKEN = {
    "data is a file": (
        "pagetimer-data",
        a_file,
        {},
        ["data", "secret", "spool", "store", "quarantine"],
    ),
    "a file in the spool's place": ("pagetimer-data/spool", a_file, {}, ["spool"]),
    "no database": ("pagetimer-data/pagetimer.db", a_file, {}, ["store"]),
    "a folder in the database's place": ("pagetimer-data/pagetimer.db", a_folder, {}, ["store"]),
    "an empty secret": ("keys", empty, {"secret_file": "keys"}, ["secret"]),
    "no secret file": ("other", empty, {"secret_file": "keys"}, ["secret"]),
    "no password file": ("other", empty, {"viewer_token_file": "password"}, ["viewers"]),
    "an empty password": ("password", empty, {"viewer_token_file": "password"}, ["viewers"]),
}


@pytest.mark.parametrize(("path", "make", "options", "items"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_said_each_by_itself_with_its_path(
    pagetimer, tmp_path, path, make, options, items
):
    make(tmp_path / path)
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = pagetimer("check", *words)
    found = wrong(done)
    assert list(found) == items
    assert all(str(tmp_path) in text for text in found.values())
    assert done.stdout.endswith(f"\n{len(items)} of {len(ITEMS)} are wrong.\n")


def test_tables_are_made_where_the_option_migrate_is_off_only_if_check_is_told_so(
    pagetimer, tmp_path
):
    config = tmp_path / "site.ini"
    config.write_text("[pagetimer]\nmigrate = no\n")
    told = wrong(pagetimer("check", "--config", "site.ini"))["store"]
    assert "PAGETIMER_MIGRATE=yes" in told
    known = arguments(tmp_path)
    known["env"] = known["env"] | {"PAGETIMER_MIGRATE": "yes"}
    words = [*COMMAND, "check", "--config", "site.ini"]
    done = subprocess.run(words, capture_output=True, timeout=20, **known)
    assert done.returncode == 0, done.stdout
    assert "the environment: PAGETIMER_MIGRATE" in items(done)["settings"][1]
    assert pagetimer("check", "--config", "site.ini").returncode == 0


def test_what_waits_is_told_and_is_wrong_only_if_nobody_stores_it(pagetimer, tmp_path):
    accept(tmp_path, encode(a_beat(1)), encode(a_beat(2)))
    assert "2 beats waiting, the first for" in items(pagetimer("check"))["spool"][1]
    old = time.time_ns() // 1_000_000 - 5 * HOUR
    accept(tmp_path, encode(a_beat(3, received_at=old)))
    said = wrong(pagetimer("check"))
    assert list(said) == ["spool"]
    assert "3 beats waiting, the first for 5 hours" in said["spool"]
    assert "see that the application runs, or run `pagetimer drain`" in said["spool"]
    assert "run `pagetimer drain`" in wrong(pagetimer("check", "-o", "writer=off"))["spool"]
    pagetimer("drain")
    assert "nothing waits" in items(pagetimer("check"))["spool"][1]


def test_a_spool_that_would_take_no_beat_now_is_wrong(pagetimer, tmp_path):
    accept(tmp_path, encode(a_beat(1)))
    said = wrong(pagetimer("check", "-o", "spool_limit=100 B"))
    assert list(said) == ["spool"]
    assert "spool_limit" in said["spool"]


def test_a_writer_that_is_off_says_what_to_run(pagetimer):
    assert "pagetimer drain" in items(pagetimer("check", "-o", "writer=off"))["writer"][1]


def test_how_long_all_is_kept_is_told(pagetimer):
    assert (
        items(pagetimer("check"))["kept"][1] == "page views for 760 days, their beats for 30 days"
    )
    options = [
        "-o",
        "keep_page_views=for ever",
        "-o",
        "keep_beats=36 hours",
        "-o",
        "keep_rows=1000",
    ]
    assert items(pagetimer("check", *options))["kept"][1].splitlines() == [
        "page views for ever, their beats for 36 hours",
        "at most 1,000 page views, the newest",
    ]


def test_what_lies_in_quarantine_is_wrong_and_is_told_with_how_to_put_it_back(pagetimer, tmp_path):
    accept(tmp_path, b"bad\n", encode(a_beat(1)))
    pagetimer("drain")
    done = pagetimer("check")
    said = wrong(done)
    assert list(said) == ["quarantine"]
    assert "1 line left in" in said["quarantine"]
    assert "pagetimer drain --quarantine" in said["quarantine"]
    told = items(done)["figures"][1].splitlines()
    assert told[0] == "2 accepted, 1 stored, 1 quarantined, 0 refused"
    assert told[1].startswith("1 error, the last ")
    assert "quarantine: lines put into" in told[1]


def test_what_the_applications_processes_say_fails_is_wrong(pagetimer, tmp_path):
    spool = spool_in(tmp_path)
    spool.append(encode(a_beat(1)))
    spool.health.fails("store", "it is locked")
    spool.health.save(spool.process.folder_path)
    assert wrong(pagetimer("check")) == {"figures": "store: it is locked"}
    spool.process.close()


def test_an_open_folder_is_pointed_out(pagetimer, tmp_path):
    (tmp_path / "pagetimer-data").mkdir(mode=0o755)
    done = pagetimer("check")
    assert done.returncode == 0
    assert f"chmod o-rwx {tmp_path}/pagetimer-data" in items(done)["data"][1]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[trials.Parts]:
    settings = read({"data": tmp_path / "data"}, environ={})
    store = open_store(settings.store)
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    yield trials.Parts(settings, spool_in(tmp_path), store, quarantine)
    store.close()


@pytest.mark.parametrize("trial", [trials.data, trials.spool])
@pytest.mark.parametrize(
    ("total", "free", "says"),
    [
        pytest.param(64, 60, "has 64 MiB in all", id="a disk that can never have 100 MiB free"),
        pytest.param(500, 60, "60 MiB of its disk are free", id="a disk that is nearly full"),
    ],
)
def test_a_disk_without_100_mib_free_is_wrong(
    parts, monkeypatch, total, free, says, trial: Callable[[trials.Parts], Iterator[str]]
):
    disk = SimpleNamespace(total=total << 20, free=free << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk)
    with pytest.raises(trials.Wrong, match=says):
        list(trial(parts))


@needs_root
def test_root_is_told_who_should_try_it(pagetimer, tmp_path):
    (tmp_path / "pagetimer-data").mkdir(mode=0o700)
    os.chown(tmp_path / "pagetimer-data", 65534, 65534)
    done = pagetimer("check")
    assert done.returncode == 0, done.stdout
    told = items(done)["user"][1].splitlines()
    assert told[0] == "root"
    assert "sudo -u nobody pagetimer check" in told[1]


@needs_root
def test_who_may_not_write_is_told_to_become_the_one_to_whom_the_data_belongs(parts, tmp_path):
    parts.settings.data.mkdir(mode=0o755)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(folder.stat().st_mode | 0o011)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            list(trials.user(parts))
        except trials.Wrong as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader) as told:
        assert "sudo -u root pagetimer check" in told.read()
