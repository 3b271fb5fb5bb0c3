"""What waits: counted exactly up to a bound, reckoned beyond it; and since when."""

import os
import time

import pytest

from pagetimer_wsgi import Beat
from pagetimer_wsgi.lines import encode, sealed
from pagetimer_wsgi.spool import others as beside
from pagetimer_wsgi.spool import waiting as module
from pagetimer_wsgi.spool.segments import segments_in
from pagetimer_wsgi.spool.waiting import what_waits

NOW = time.time_ns() // 1_000_000
NEWER = sealed(b'"what":"ever"}', 2)


def line(number, seconds_ago=0):
    received_at = NOW - seconds_ago * 1000
    return encode(Beat(view_id=f"{number:032x}", seq=0, received_at=received_at, path="/"))


def segment(folder, number, *lines):
    folder.mkdir(exist_ok=True)
    (folder / f"{number:012d}.jsonl").write_bytes(b"".join(lines))
    return segments_in(folder)[-1]


def test_whole_lines_beyond_the_marks_of_all_processes_wait(tmp_path):
    stored = segment(tmp_path / "one", 1, line(1, 90), line(2, 80))
    stored.mark(stored.size(), "s")
    half = segment(tmp_path / "one", 2, line(3, 70), line(4, 60))
    half.mark(len(line(3, 70)), "s")
    segment(tmp_path / "two", 1, line(5, 50), line(6, 40), line(7)[:-9])
    found = what_waits(tmp_path)
    assert (found.beats, found.is_exact) == (3, True)
    assert found.bytes == len(line(4, 60) + line(5, 50) + line(6, 40))
    assert found.received_at == NOW - 60_000
    assert found.oldest_age >= 60


@pytest.mark.parametrize("folder", ["gone", "empty", "torn"])
def test_where_nothing_waits_nothing_has_an_age(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    segment(tmp_path / "torn", 1, line(1)[:-1])
    found = what_waits(tmp_path / folder)
    assert (found.beats, found.bytes, found.is_exact, found.oldest_age) == (0, 0, True, None)


def test_beyond_a_bound_lines_are_reckoned_from_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COUNTED_BYTES", 10 * len(line(0)) + 7)
    for number in range(1, 5):
        segment(tmp_path / "one", number, *[line(n) for n in range(25)])
    segment(tmp_path / "two", 1, line(1, seconds_ago=90))
    found = what_waits(tmp_path)
    assert (found.beats, found.is_exact) == (101, False)
    assert found.received_at == NOW - 90_000  # the first of each process is always looked at


def test_a_line_that_does_not_say_when_it_came_is_passed_over(tmp_path):
    segment(tmp_path / "one", 1, b"\xff\x00\n", NEWER, line(1, 50))
    assert what_waits(tmp_path).received_at == NOW - 50_000


def test_where_no_line_says_when_it_came_the_last_write_does(tmp_path):
    newer = segment(tmp_path / "one", 1, NEWER)
    moment = (NOW - 30_000) * 1_000_000
    os.utime(newer.path, ns=(moment, moment))
    found = what_waits(tmp_path)
    assert found.beats == 1
    assert found.received_at == NOW - 30_000
    assert found.oldest_age >= 30


def test_a_clock_that_was_set_back_makes_no_negative_age(tmp_path):
    segment(tmp_path / "one", 1, line(1, seconds_ago=-3600))
    assert what_waits(tmp_path).oldest_age == 0


def test_a_folder_beside_the_spool_that_may_not_be_read_is_passed_over(tmp_path, monkeypatch):
    def read(folder):
        if folder.name == "lost+found":
            raise PermissionError(folder)
        return what_waits(folder)

    monkeypatch.setattr(beside, "what_waits", read)
    for name in ("here", "lost+found", "there"):
        (tmp_path / name).mkdir()
    segment(tmp_path / "there" / "one", 1, line(1))
    found = list(beside.others(tmp_path / "here"))
    assert [other.folder.name for other in found] == ["there"]
