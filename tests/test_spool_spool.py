"""``Spool``: what is accepted is on disk, and what cannot be kept is not accepted."""

import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from pagetimer_wsgi.errors import SpoolAway
from pagetimer_wsgi.spool import folders
from pagetimer_wsgi.spool import process as module
from pagetimer_wsgi.spool.segments import Segment
from pagetimer_wsgi.spool.spool import Spool

URL = "sqlite:///pagetimer.db"


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool", URL, limit=2**30)
    yield spool
    spool.process.close()


def on_disk(spool):
    return b"".join(segment.path.read_bytes() for segment in spool.segments())


def look_again(spool):
    """Room is looked at once a second: now."""
    spool.process._room._seen = float("-inf")


@pytest.mark.parametrize("fsync", [False, True])
def test_a_line_is_on_disk_when_append_returns(tmp_path, fsync):
    spool = Spool(tmp_path, URL, 2**30, fsync=fsync)
    spool.append(b"one\n")
    assert on_disk(spool) == b"one\n"
    spool.append(b"two\n")
    assert on_disk(spool) == b"one\ntwo\n"
    assert spool.figures().accepted == 2
    spool.process.close()


def test_only_this_user_can_read_the_spool(spool):
    spool.append(b"one\n")
    (segment,) = spool.segments()
    for path, mode in ((segment.path, 0o600), (segment.path.parent, 0o700), (spool.folder, 0o700)):
        assert path.stat().st_mode & 0o777 == mode


def test_lines_of_many_threads_lie_whole_beside_each_other(spool):
    def many(name):
        for number in range(200):
            spool.append(b"%d-%d\n" % (name, number))

    threads = [threading.Thread(target=many, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    wanted = {b"%d-%d" % (name, number) for name in range(8) for number in range(200)}
    found = on_disk(spool).splitlines()
    assert len(found) == 1600
    assert set(found) == wanted
    assert spool.health.figures.accepted == 1600


def short_writes(monkeypatch, *lines):
    write = os.write

    def short(descriptor, data):
        return write(descriptor, data[:3] if data in lines else data)

    monkeypatch.setattr(os, "write", short)


def test_a_short_write_is_cut_off_and_takes_no_other_line_with_it(spool, monkeypatch):
    short_writes(monkeypatch, b"torn line\n")
    spool.append(b"one\n")
    with pytest.raises(SpoolAway, match="only 3 of 10 bytes"):
        spool.append(b"torn line\n")
    spool.append(b"two\n")
    assert on_disk(spool) == b"one\ntwo\n"
    assert spool.health.figures.accepted == 2


def test_a_short_write_that_cannot_be_cut_ends_the_segment(spool, monkeypatch):
    short_writes(monkeypatch, b"torn line\n")
    spool.append(b"one\n")
    with monkeypatch.context() as patch:

        def fails(*_):
            raise OSError("no")

        patch.setattr(os, "ftruncate", fails)
        with pytest.raises(SpoolAway):
            spool.append(b"torn line\n")
    spool.append(b"two\n")
    lines = [line for segment in spool.segments() for line, _ in segment.lines(0)]
    assert lines == [b"one", b"two"]


def test_a_segment_ends_before_it_grows_over_segment_bytes(spool, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 10)
    for line in (b"aaaa\n", b"bbbb\n", b"cccc\n", b"longer than a whole segment\n", b"dddd\n"):
        spool.append(line)
    assert [segment.path.read_bytes() for segment in spool.segments()] == [
        b"aaaa\nbbbb\n",
        b"cccc\n",
        b"longer than a whole segment\n",
        b"dddd\n",
    ]


def test_a_spool_that_is_removed_while_it_is_used_works_again(spool):
    spool.append(b"one\n")
    shutil.rmtree(spool.folder)
    spool.append(b"two\n")
    assert on_disk(spool) == b"two\n"
    assert spool.health.figures.failing == {}


def test_after_its_files_were_removed_a_process_holds_a_lock_that_has_a_name(spool):
    spool.append(b"one\n")
    before = spool.process.folder_path
    for path in before.iterdir():
        path.unlink()
    spool.append(b"two\n")
    assert spool.process.folder_path != before
    assert (spool.process.folder_path / "lock").exists()
    assert on_disk(spool) == b"two\n"


def test_a_spool_that_cannot_be_written_says_so_and_works_again_when_mended(tmp_path, spool):
    (tmp_path / "spool").touch()
    for _ in range(3):
        with pytest.raises(SpoolAway, match=r"Make .* writable"):
            spool.append(b"lost\n")
    assert spool.segments() == []
    assert spool.figures().accepted == 0
    (tmp_path / "spool").unlink()
    spool.append(b"one\n")
    assert on_disk(spool) == b"one\n"


def test_a_spool_whose_place_a_file_takes_while_it_is_used_works_again_when_mended(spool):
    spool.append(b"one\n")
    shutil.rmtree(spool.folder)
    spool.folder.touch()
    with pytest.raises(SpoolAway):
        spool.append(b"lost\n")
    assert spool.figures().accepted == 1
    spool.folder.unlink()
    spool.append(b"two\n")
    assert on_disk(spool) == b"two\n"


def test_at_spool_limit_beats_are_refused_and_old_ones_stay(tmp_path):
    spool = Spool(tmp_path, URL, limit=8)
    spool.append(b"one\n")
    spool.append(b"two\n")
    look_again(spool)
    with pytest.raises(SpoolAway, match="spool_limit"):
        spool.append(b"three\n")
    assert on_disk(spool) == b"one\ntwo\n"
    spool.segments()[0].remove()
    look_again(spool)
    spool.append(b"four\n")
    assert on_disk(spool) == b"four\n"
    spool.process.close()


def test_with_less_than_100_mib_free_beats_are_refused(spool, monkeypatch):
    free = 100 * 2**20 - 1
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(SpoolAway, match="99 MiB are free"):
        spool.append(b"one\n")
    monkeypatch.setattr(shutil, "disk_usage", usage)
    look_again(spool)
    spool.append(b"one\n")


def test_a_segment_that_is_being_opened_is_not_taken_for_one_that_ended(spool, monkeypatch):
    # remove_stored looks just when the file is there and its first line is not.
    made, looked = threading.Event(), threading.Event()
    opens, is_stored = os.open, Segment.is_stored

    def slow_open(path, *rest):
        descriptor = opens(path, *rest)
        if str(path).endswith(".jsonl"):
            made.set()
            looked.wait(0.3)
        return descriptor

    def slow_look(segment, store):
        found = is_stored(segment, store)
        looked.set()
        appending.join(timeout=5)
        return found

    spool.process._folder = folders.new_folder(spool.folder)
    monkeypatch.setattr(os, "open", slow_open)
    monkeypatch.setattr(Segment, "is_stored", slow_look)
    appending = threading.Thread(target=spool.append, args=(b"one\n",))
    appending.start()
    assert made.wait(5)
    spool.process.remove_stored("store")
    appending.join(timeout=5)
    assert on_disk(spool) == b"one\n"


def test_a_closed_process_counts_once_and_may_go_on(spool):
    spool.append(b"one\n")
    spool.process.close()
    assert spool.figures().accepted == 1
    spool.append(b"two\n")
    spool.process.health.save(spool.process.folder_path)
    assert spool.figures().accepted == 2
    assert on_disk(spool) == b"one\ntwo\n"


def test_a_password_does_not_change_whose_spool_it_is_but_the_store_does(tmp_path):
    def name(url):
        return Spool(tmp_path, url, 1).name

    assert name("postgresql://u:one@h/db") == name("postgresql://u:two@h/db")
    assert name("postgresql://u:one@h/db") != name("postgresql://u:one@h/other")
    assert "one" not in name("postgresql://u:one@h/db")


FORK = """
import os, sys, threading
from pathlib import Path
from pagetimer_wsgi.spool.spool import Spool
spool = Spool(Path(sys.argv[1]), "sqlite:///pagetimer.db", 2**30)
spool.append(b"parent\\n")
spool.process._lock.acquire()  # as if another thread were appending at the fork
pid = os.fork()
if pid == 0:
    spool.append(b"child\\n")
    assert spool.health.figures.accepted == 1
    spool.health.save(spool.process.folder_path)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
spool.process._lock.release()
spool.append(b"parent again\\n")
spool.health.save(spool.process.folder_path)
figures = spool.figures()
assert figures.accepted == 3, figures
"""


def test_a_forked_child_appends_to_its_own_folder_and_doubles_no_figures(tmp_path):
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], timeout=10, check=True)
    spool = Spool(tmp_path, URL, 2**30)
    lines = sorted(segment.path.read_bytes() for segment in spool.segments())
    assert lines == [b"child\n", b"parent\nparent again\n"]
    assert len({segment.path.parent for segment in spool.segments()}) == 2
    assert spool.figures().accepted == 3
