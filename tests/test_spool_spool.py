"""``Spool``: what is accepted is on disk, and what cannot be kept is not accepted."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from pagetimer_wsgi.errors import SpoolAway
from pagetimer_wsgi.spool import folders, room
from pagetimer_wsgi.spool import process as module
from pagetimer_wsgi.spool.health import figures_in
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
    """Disk and room are looked at once a second: now."""
    spool.process._disk._seen = spool.process._room._seen = float("-inf")


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


def test_a_process_that_is_killed_at_once_has_left_what_its_lines_are_counted_from(spool):
    for line in (b"one\n", b"two\n"):
        spool.append(line)
    assert figures_in(spool.folder, [spool.process.folder_path]).accepted == 2


def test_checking_a_spool_leaves_nothing_of_ours_in_it(spool):
    spool.process.check()
    before = set(spool.folder.iterdir())
    spool.append(b"one\n")
    after = set(spool.folder.iterdir())
    spool.process.check()
    assert set(spool.folder.iterdir()) == after
    assert not any(path.is_dir() for path in before)


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
        with pytest.raises(SpoolAway, match=r"Make .* writable"):
            spool.process.check()
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
    with pytest.raises(SpoolAway, match="spool_limit"):
        spool.process.check()
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


HOST = """
import os, sys
from pathlib import Path
from pagetimer_wsgi.spool.spool import Spool
folder, first, last, reuses = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "yes"
spool = Spool(Path(folder), "sqlite:///pagetimer.db", 2**30)
spool.append(b"one\\n")
os.closerange(first, last)
theirs = os.open(f"{folder}/theirs", os.O_RDWR | os.O_CREAT)
if reuses:
    for number in range(max(first, 8190), last):
        os.dup2(theirs, number)
spool.append(b"two\\n")
spool.append(b"three\\n")
spool.process.close()
assert os.fstat(theirs).st_size == 0, "our bytes are in the host's file"
for number in range(max(first, 8190), last if reuses else 0):
    assert os.path.sameopenfile(theirs, number), "we closed the host's file"
"""


@pytest.mark.parametrize("reuses", ["yes", "no"])
@pytest.mark.parametrize("closed", [(3, 4096), (3, 8200), (8192, 8193), (8193, 8194)], ids=str)
def test_a_host_that_closes_and_reuses_our_numbers_loses_no_line_and_gets_none(
    tmp_path, closed, reuses
):
    command = [sys.executable, "-c", HOST, str(tmp_path), *map(str, closed), reuses]
    subprocess.run(command, timeout=10, check=True)
    spool = Spool(tmp_path, URL, 2**30)
    lines = [line for segment in spool.segments() for line, _ in segment.lines(0)]
    assert set(lines) == {b"one", b"two", b"three"}


ADOPTER = """
import sys
from pathlib import Path
from pagetimer_wsgi.spool import folders
for folder in folders.adopt(Path(sys.argv[1])):
    for path in folder.path.glob("*.json*"):
        path.unlink()
    folder.remove()
"""


def test_a_line_that_an_adopter_took_away_with_the_folder_is_written_again(spool):
    spool.append(b"one\n")
    taken = spool.process.folder_path
    os.close(spool.process._folder.lock.number)  # the host lets our lock go
    subprocess.run([sys.executable, "-c", ADOPTER, str(spool.folder)], timeout=10, check=True)
    assert not taken.exists()
    spool.append(b"two\n")
    assert on_disk(spool) == b"two\n"
    assert spool.process.folder_path != taken


def test_a_folder_whose_lock_the_host_closed_is_left_to_whoever_adopts_it_also_to_us(spool):
    spool.append(b"one\n")
    taken = spool.process.folder_path
    spool.process.health.save(taken)
    os.close(spool.process._folder.lock.number)
    spool.append(b"two\n")
    assert sorted(spool.folder.glob("*/*.jsonl"))[0].read_bytes() == b"one\ntwo\n"
    (folder,) = folders.adopt(spool.folder)
    assert folder.path == taken
    assert not (taken / "health.json").exists()  # our figures go on in the new folder
    folder.let_go()


@pytest.mark.parametrize(("ending", "left"), [("lock", 0), (".jsonl", 1)])
def test_files_that_cannot_be_made_leave_no_trail_of_others(spool, monkeypatch, ending, left):
    opens = os.open

    def full(path, *rest):
        if str(path).endswith(ending):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opens(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        for _ in range(5):
            with pytest.raises(SpoolAway, match="No space left"):
                spool.append(b"lost\n")
        assert len(folders.process_folders(spool.folder)) == left
        assert spool.segments() == []
    spool.append(b"one\n")
    assert on_disk(spool) == b"one\n"


LIMITED = """
import resource, sys
from pathlib import Path
from pagetimer_wsgi.errors import SpoolAway
from pagetimer_wsgi.spool.spool import Spool
spool = Spool(Path(sys.argv[1]), "sqlite:///pagetimer.db", 2**30, fsync=sys.argv[2] == "fsync")
spool.append(b"first\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
for _ in range(5):
    try:
        spool.append(b"too long for it\\n")
    except SpoolAway:
        print("away")
    spool.append(b"short\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append(b"works again\\n")
"""


@pytest.mark.parametrize("fsync", ["fsync", "no"])
def test_where_the_disk_takes_half_a_line_none_of_it_stays_and_nothing_else_is_lost(
    tmp_path, fsync
):
    said = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), fsync],
        timeout=10,
        check=True,
        capture_output=True,
    )
    assert said.stdout.split() == [b"away"] * 5
    spool = Spool(tmp_path, URL, 2**30)
    assert all(segment.size() for segment in spool.segments())
    assert on_disk(spool) == b"first\n" + b"short\n" * 5 + b"works again\n"


def test_ten_thousand_segments_are_the_most(spool, monkeypatch):
    monkeypatch.setattr(room, "MOST_SEGMENTS", 2)
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1)
    spool.append(b"one\n")
    spool.append(b"two\n")
    look_again(spool)
    with pytest.raises(SpoolAway, match="2 segments wait"):
        spool.append(b"three\n")
    spool.segments()[0].remove()
    look_again(spool)
    spool.append(b"four\n")


CHILD = """
import os, sys
from pathlib import Path
from pagetimer_wsgi.spool.spool import Spool
spool = Spool(Path(sys.argv[1]), "sqlite:///pagetimer.db", 2**30)
spool.append(b"parent\\n")
pid = os.fork()
if pid == 0:
    spool.append(b"child\\n")
    files = map(os.path.realpath, map("/proc/self/fd/{}".format, os.listdir("/proc/self/fd")))
    assert len([file for file in files if file.startswith(str(spool.folder))]) == 2
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
spool.append(b"parent again\\n")
assert len(spool.segments()) == 2
"""


def test_a_forked_child_closes_what_it_inherited_of_its_parents(tmp_path):
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], timeout=10, check=True)


CROWDED = """
import os, resource, sys
from pathlib import Path
from pagetimer_wsgi.errors import SpoolAway
from pagetimer_wsgi.spool import process
from pagetimer_wsgi.spool.spool import Spool
process.SEGMENT_BYTES = 8
resource.setrlimit(resource.RLIMIT_NOFILE, (300, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

def take_all():
    while True:
        try:
            theirs.append(os.dup(0))
        except OSError:
            return

theirs = []
spool = Spool(Path(sys.argv[1]), "sqlite:///pagetimer.db", 2**30)
for left in range(4):
    take_all()
    for _ in range(left):
        os.close(theirs.pop())
    try:
        spool.append(b"one\\n")
    except SpoolAway as error:
        assert left < 3 and "Too many open files" in str(error), error
    else:
        assert left > 1
        break
take_all()
for line in (b"two\\n", b"three\\n"):  # into the segment that is open, and into a new one
    spool.append(line)
"""


def test_where_the_host_has_all_descriptors_beats_are_refused_until_some_are_free(tmp_path):
    subprocess.run([sys.executable, "-c", CROWDED, str(tmp_path)], timeout=20, check=True)
    assert on_disk(Spool(tmp_path, URL, 2**30)) == b"one\ntwo\nthree\n"
