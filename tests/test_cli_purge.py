"""``pagetimer purge``: shown first, then done, and it stays done."""

from __future__ import annotations

import re
import time

import pytest
from commands import a_beat, accept, spool_in

from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

DAY = 86_400_000


@pytest.fixture
def store(tmp_path):
    """A year of page views of three people, one a day."""
    (tmp_path / "pagetimer-data").mkdir(mode=0o700)
    store = SqlStore.open(f"sqlite:///{tmp_path}/pagetimer-data/pagetimer.db")
    now = time.time_ns() // 1_000_000
    store.write(
        [
            a_beat(day, username=f"user {day % 3}", received_at=now - day * DAY, path=f"/{day % 5}")
            for day in range(365)
        ]
    )
    yield store
    store.close()


def number(store):
    return store.count(Query(kinds=()))


ASKED = {
    "a user's": (["--user", "user 1"], 122),
    "a page's": (["--path", "/3"], 73),
    "pages' by a pattern": (["--path", "/*"], 365),
    "old ones": (["--older-than", "300 days"], 65),
    "a user's old ones of a page": (
        ["--user", "user 1", "--path", "/3", "--older-than", "300d"],
        4,
    ),
    "those before a day": (["--before", "1999-12-31"], 0),
}


@pytest.mark.parametrize(("words", "meant"), ASKED.values(), ids=ASKED)
def test_what_would_go_is_shown_and_goes_only_by_yes(pagetimer, store, words, meant):
    shown = pagetimer("purge", *words)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.endswith("Nothing is removed yet: --yes does it.\n")
    assert number(store) == 365
    what = f"{meant} page views with {meant} beats," if meant else "No page view"
    assert shown.stdout.startswith(what)
    done = pagetimer("purge", *words, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"\n{meant} page views removed.\n" in done.stdout
    assert number(store) == 365 - meant


def test_what_is_shown_says_from_when_to_when_in_the_time_zone(pagetimer, tmp_path):
    (tmp_path / "pagetimer-data").mkdir(mode=0o700)
    store = SqlStore.open(f"sqlite:///{tmp_path}/pagetimer-data/pagetimer.db")
    noon = 1_772_366_400_000  # 2026-03-01 12:00 UTC
    store.write([a_beat(n, received_at=noon + n * DAY, age=0, path="/") for n in range(3)])
    store.close()
    shown = pagetimer("purge", "--path", "/", "-o", "time_zone=Asia/Kathmandu").stdout
    assert "begun from 2026-03-01 17:45 to 2026-03-03 17:45 (Asia/Kathmandu)." in shown
    # The day begins there when it is 18:15 here.
    words = ["purge", "--before", "2026-03-03", "-o", "time_zone=Asia/Kathmandu"]
    assert pagetimer(*words).stdout.startswith("2 page views with 2 beats,\n")


def test_what_waits_in_spool_and_quarantine_does_not_come_back(pagetimer, tmp_path):
    accept(tmp_path, encode(a_beat(1, username="ada")), encode(a_beat(2, username="bob")))
    accept(tmp_path, encode(a_beat(3, username="ada", path="/nul\0")))
    assert pagetimer("drain").stdout.startswith("2 beats stored")
    accept(tmp_path, encode(a_beat(4, username="ada")))
    time.sleep(0.002)
    done = pagetimer("purge", "--user", "ada", "--yes").stdout
    assert "1 page view removed." in done
    (file,) = (tmp_path / "pagetimer-data" / "quarantine").iterdir()
    assert f"1 line left in {file}:" in done  # it names her, and is for people to look at
    file.write_text(re.sub(r"\\u0000|\"crc32\":\d+,", "", file.read_text()))
    assert pagetimer("drain", "--quarantine").returncode == 0
    assert not file.exists()
    report = pagetimer("report", "--by", "user").stdout
    assert "bob" in report
    assert "ada" not in report
    accept(tmp_path, encode(a_beat(5, username="ada")))  # she comes again
    pagetimer("drain")
    assert "ada" in pagetimer("report", "--by", "user").stdout
    assert spool_in(tmp_path).segments() == []


def test_the_disk_that_came_back_is_told(pagetimer, tmp_path):
    (tmp_path / "pagetimer-data").mkdir(mode=0o700)
    store = SqlStore.open(f"sqlite:///{tmp_path}/pagetimer-data/pagetimer.db")
    for number in range(0, 10_000, 2000):
        many = range(number, number + 2000)
        store.write([a_beat(n, path=f"/{n}", referrer=f"/{n}" + "x" * 300) for n in many])
    before = store.size()
    assert " MiB of disk came back." in pagetimer("purge", "--path", "*", "--yes").stdout
    assert store.size() < before / 2
    store.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param([], "--user, --path, --before or --older-than", id="nothing"),
        pytest.param(["--yes"], "--user, --path, --before or --older-than", id="only yes"),
        pytest.param(["--before", "yesterday"], "--before", id="no day"),
        pytest.param(["--older-than", "long"], "such as 30 s", id="no time"),
        pytest.param(["--older-than", "9 h", "--before", "2026-01-01"], "not allowed", id="both"),
    ],
)
def test_a_purge_that_is_not_clear_removes_nothing(pagetimer, store, words, says):
    done = pagetimer("purge", *words, "--yes")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert number(store) == 365


def test_a_purge_by_another_secret_is_told_by_check(pagetimer, store):
    first, other = ("secret=" + letter * 16 for letter in "ab")
    assert pagetimer("purge", "--user", "user 1", "--yes", "-o", first).returncode == 0
    assert pagetimer("check", "-o", first).returncode == 0
    done = pagetimer("check", "-o", other)
    assert done.returncode == 1
    assert "1 purge by user made with another secret" in done.stdout
