"""Figures: counted, kept on disk, summed, inherited; and one log line a minute."""

import logging
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from pagetimer_wsgi.spool import health
from pagetimer_wsgi.spool.health import Failure, Figures, Health, counted_in, figures_in, inherit


@pytest.fixture
def folders(tmp_path):
    found = [tmp_path / name for name in ("one", "two")]
    for folder in found:
        folder.mkdir()
    return found


def total(folders):
    """The figures of a spool with these folders, without what belongs to the spool alone."""
    together = figures_in(folders[0].parent, folders)
    return Figures(**{name: getattr(together, name) for name in Figures.__struct_fields__})


def test_figures_of_several_processes_are_summed(folders):
    for number, folder in enumerate(folders, 1):
        one = Health()
        for name in ("accepted", "stored", "quarantined", "refused"):
            one.count(name, number)
        one.fails(f"part {number}", "why")
        one.save(folder)
    failing = {"part 1": "why", "part 2": "why"}
    found = total(folders)
    assert found == Figures(3, 3, 3, 3, 2, failing, found.last_error)


def test_of_several_processes_errors_the_last_is_told(folders):
    errors = [Failure(at=2, part="store", text="later"), Failure(at=1, part="spool", text="first")]
    for folder, error in zip(folders, errors, strict=True):
        (folder / health.FILE).write_bytes(msgspec.json.encode(Figures(last_error=error)))
    assert total(folders).last_error == errors[0]
    assert total(folders[::-1]).last_error == errors[0]
    assert total([folders[0].parent / "gone"]).last_error is None


def test_what_cannot_be_read_counts_for_nothing(folders):
    Health().save(folders[0])
    (folders[1] / health.FILE).write_bytes(b'{"acc')
    assert total([*folders, folders[0] / "gone"]) == Figures()


def test_a_dead_processs_figures_are_inherited_once_but_not_what_failed(tmp_path, folders):
    for folder in folders:
        one = Health()
        one.count("accepted", 5)
        one.fails("store", "it is away")
        one.save(folder)
        inherit(tmp_path, folder, counted_in(folder))
        inherit(tmp_path, folder, counted_in(folder))
    found = total(folders)
    assert (found.accepted, found.errors, found.failing) == (10, 2, {})
    assert found.last_error.text == "it is away"


def test_what_was_accepted_after_figures_were_kept_is_counted_too(tmp_path, folders):
    lines = b"one\ntwo\nthree\nhal"
    for number in (1, 2, 3):
        (folders[0] / f"{number:012d}.jsonl").write_bytes(lines)
    one = Health()
    for name, end in (("000000000001.jsonl", 14), ("000000000002.jsonl", 4)):
        one.accept(name, end)
    one.save(folders[0])
    assert figures_in(tmp_path, folders).accepted == 2 + 2 + 3
    inherit(tmp_path, folders[0], counted_in(folders[0]))
    inherit(tmp_path, folders[0], counted_in(folders[0]))
    assert figures_in(tmp_path, folders).accepted == 7
    (folders[0] / "000000000003.jsonl").unlink()
    assert figures_in(tmp_path, folders).accepted == 7


def test_where_a_process_kept_no_figures_its_lines_are_left_to_whoever_counts_them(
    tmp_path, folders
):
    (folders[0] / "000000000001.jsonl").write_bytes(b"one\n")
    assert figures_in(tmp_path, folders).accepted == 0


def test_figures_handed_over_are_counted_once(folders):
    one = Health()
    one.count("accepted", 5)
    one.hand_over(folders[0])
    assert one.figures.accepted == 0
    assert total(folders).accepted == 5


def test_a_failure_is_logged_once_a_minute_and_counted_each_time(caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: now[0])
    one = Health()
    for _ in range(10):
        one.fails("store", "it is away")
        now[0] += 5
    assert [record.message for record in caplog.records] == ["store: it is away"]
    now[0] += 15
    one.fails("store", "it is still away")
    assert len(caplog.records) == 2
    assert one.figures.errors == 11
    assert one.figures.failing == {"store": "it is still away"}


def test_one_part_does_not_silence_another(caplog):
    one = Health()
    one.fails("store", "a")
    one.fails("spool", "b")
    assert [record.message for record in caplog.records] == ["store: a", "spool: b"]


def test_what_works_again_is_said_once(caplog):
    caplog.set_level(logging.WARNING)
    one = Health()
    one.works("store")
    assert caplog.records == []
    one.fails("store", "a")
    one.works("store")
    one.works("store")
    assert [record.message for record in caplog.records][1:] == ["store: works again"]
    assert one.figures.failing == {}


def test_a_killed_heir_counts_nothing_twice(tmp_path, folders, monkeypatch):
    one = Health()
    one.count("accepted", 5)
    for folder in folders:
        one.save(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: sys.exit("killed"))
        with pytest.raises(SystemExit):
            inherit(tmp_path, folders[0], counted_in(folders[0]))
    assert (folders[0] / health.FILE).exists()
    assert total(folders).accepted == 10
    inherit(tmp_path, folders[0], counted_in(folders[0]))
    inherit(tmp_path, folders[1], counted_in(folders[1]))
    assert total(folders).accepted == 10
    assert not (folders[0] / health.FILE).exists()


@contextmanager
def another_that_adds_up(spool):
    """Another process that has the lock of a spool's figures."""
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX)\n"
    code += "print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(spool / "health.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        yield
        process.kill()


def test_while_another_process_inherits_a_folder_waits(tmp_path, folders):
    Health().save(folders[0])
    with another_that_adds_up(tmp_path), pytest.raises(BlockingIOError):
        inherit(tmp_path, folders[0], counted_in(folders[0]))
    inherit(tmp_path, folders[0], counted_in(folders[0]))


def test_figures_that_cannot_be_left_now_are_kept_until_they_can(tmp_path):
    one = Health()
    one.count("stored", 5)
    with another_that_adds_up(tmp_path), pytest.raises(BlockingIOError):
        one.leave(tmp_path)
    assert one.figures.stored == 5
    one.leave(tmp_path)
    assert (one.figures.stored, figures_in(tmp_path, []).stored) == (0, 5)


def test_with_a_dead_processs_figures_go_the_drafts_that_it_left(tmp_path, folders):
    Health().save(folders[0])
    for name, seconds in (("health.json.1.draft", 3600), ("health.json.2.draft", 0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - seconds,) * 2)
    inherit(tmp_path, folders[0], counted_in(folders[0]))
    assert [path.name for path in tmp_path.glob("*.draft")] == ["health.json.2.draft"]


def test_figures_that_have_not_changed_are_saved_in_a_new_folder(folders):
    one = Health()
    one.count("accepted")
    for folder in folders:
        one.save(folder)
        assert total([folder]).accepted == 1


def test_what_fails_and_works_by_turns_is_logged_once_a_minute(caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: now[0])
    one = Health()
    for _ in range(59):
        one.fails("store", "it is away")
        one.works("store")
        now[0] += 1
    said = ["store: it is away", "store: works again"]
    assert [record.message for record in caplog.records] == said
    now[0] += 1
    one.fails("store", "it is away")
    one.works("store")
    assert [record.message for record in caplog.records] == said * 2
