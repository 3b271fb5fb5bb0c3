"""``Writer``: the spool is drained by a thread, and flush says when."""

import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from pagetimer_wsgi import Beat
from pagetimer_wsgi.errors import SpoolAway, StoreAway
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool import background
from pagetimer_wsgi.spool import writer as module
from pagetimer_wsgi.spool.drain import drain
from pagetimer_wsgi.spool.folders import process_folders
from pagetimer_wsgi.spool.health import figures_in
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.waiting import what_waits
from pagetimer_wsgi.spool.writer import Writer, share_writer
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore
from pagetimer_wsgi.stores.sql.database import BUSY_SECONDS


def writer_in(folder, **known):
    url = f"sqlite:///{folder}/x.db"
    spool = Spool(folder / "spool", url, 2**30)
    return Writer(spool, SqlStore.open(url), Quarantine(folder / "quarantine.jsonl"), **known)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(background, "PAUSE", 0.02)
    monkeypatch.setattr(background, "_PAUSE_AWAY", 0.02)


@pytest.fixture
def writer(tmp_path):
    writer = writer_in(tmp_path)
    yield writer
    writer.close()


def append(writer, *numbers):
    for number in numbers:
        beat = Beat(view_id=f"{number:032x}", seq=0, received_at=1, path=f"/{number}")
        writer.spool.append(encode(beat))


def paths(writer):
    return sorted(view.path for view in writer.store.page_views(Query()))


def soon(holds):
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_flush_returns_when_all_that_was_accepted_is_stored(writer):
    append(writer, 1, 2)
    writer.flush(5)
    assert paths(writer) == ["/1", "/2"]
    assert writer.spool.segments() == []
    append(writer, 3)
    writer.flush(5)
    assert paths(writer) == ["/1", "/2", "/3"]


def test_flush_has_nothing_to_wait_for_where_nothing_was_accepted(tmp_path, writer):
    (tmp_path / "x.db").mkdir()
    writer.flush(0)


def test_flush_waits_while_another_process_drains(tmp_path, writer):
    append(writer, 1)
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX)\n"
    code += "print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(writer.spool.folder / "drain.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        with pytest.raises(TimeoutError, match="another process"):
            writer.flush(0.2)
        assert paths(writer) == []
        process.kill()
    writer.flush(5)
    assert paths(writer) == ["/1"]


def test_flush_waits_for_the_store_and_all_is_stored_when_it_is_mended(tmp_path, writer):
    (tmp_path / "x.db").mkdir()
    append(writer, 1, 2)
    with pytest.raises(TimeoutError, match=r"x\.db"):
        writer.flush(0.2)
    assert what_waits(writer.spool.folder).beats == 2
    append(writer, 3)
    (tmp_path / "x.db").rmdir()
    writer.flush(5)
    assert paths(writer) == ["/1", "/2", "/3"]


def test_flush_does_not_wait_for_a_torn_line_that_could_not_be_cut(writer, monkeypatch):
    append(writer, 1)
    write = os.write

    def fails(*_):
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:9]))
        patch.setattr(os, "ftruncate", fails)
        with pytest.raises(SpoolAway, match="only 9 of"):
            append(writer, 2)
    # Until its owner has removed it, another drainer's mark is all there is to see.
    monkeypatch.setattr(writer.spool.process, "remove_stored", lambda store: None)
    writer.flush(1)
    assert paths(writer) == ["/1"]


def test_figures_are_on_disk_for_others_while_the_store_is_away(tmp_path, writer):
    (tmp_path / "x.db").mkdir()
    append(writer, 1, 2)
    with pytest.raises(StoreAway):
        writer.turn()
    assert writer_in(tmp_path).spool.figures().accepted == 2
    (tmp_path / "x.db").rmdir()


def test_a_turn_after_the_spool_was_removed_is_no_failure(writer):
    append(writer, 1)
    shutil.rmtree(writer.spool.folder)
    writer.turn()
    writer.flush(1)


def test_the_thread_stores_and_removes_what_comes(writer, quick):
    writer.start()
    writer.start()
    assert [t.name for t in threading.enumerate()].count("pagetimer writer") == 1
    append(writer, 1)
    soon(lambda: paths(writer) == ["/1"] and not writer.spool.segments())


def test_the_thread_outlives_a_store_that_is_away_and_says_so_once(tmp_path, writer, quick, caplog):
    (tmp_path / "x.db").mkdir()
    writer.start()
    append(writer, 1)
    soon(lambda: writer.spool.health.figures.errors > 3)
    assert "store" in writer.spool.figures().failing
    said = [record.message for record in caplog.records if record.name == "pagetimer"]
    assert len(said) == 1
    assert "Meanwhile beats wait in" in said[0]
    (tmp_path / "x.db").rmdir()
    soon(lambda: paths(writer) == ["/1"] and not writer.spool.figures().failing)


def test_what_fails_in_a_turn_is_on_disk_for_others_at_its_end(tmp_path, writer):
    (tmp_path / "x.db").mkdir()
    append(writer, 1)
    assert not writer.turn_safely(writer.turn)
    found = figures_in(writer.spool.folder, process_folders(writer.spool.folder))
    assert "store" in found.failing


def test_the_thread_notices_a_spool_that_works_again_before_the_next_beat(tmp_path, writer, quick):
    health = writer.spool.health
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(SpoolAway) as caught:
        append(writer, 1)
    health.fails("spool", str(caught.value))
    writer.start()
    time.sleep(0.1)
    assert "spool" in health.figures.failing
    (tmp_path / "spool").unlink()
    soon(lambda: "spool" not in health.figures.failing)


def test_a_writer_has_no_thread_until_it_is_started(writer):
    append(writer, 1)
    assert "pagetimer writer" not in [thread.name for thread in threading.enumerate()]
    writer.start()
    assert "pagetimer writer" in [thread.name for thread in threading.enumerate()]


def test_switched_off_it_stores_nothing_and_removes_what_others_have_stored(tmp_path, quick):
    writer = writer_in(tmp_path, switched_on=False)
    writer.start()
    append(writer, 1)
    soon(
        lambda: figures_in(writer.spool.folder, process_folders(writer.spool.folder)).accepted == 1
    )
    assert paths(writer) == []
    drain(writer.spool, writer.store, writer.quarantine)
    soon(lambda: writer.spool.segments() == [])
    append(writer, 2)
    writer.close()
    assert paths(writer) == ["/1"]
    assert len(writer.spool.segments()) == 1


def test_switched_off_it_says_nothing_of_a_store_that_is_away(tmp_path, quick, caplog):
    writer = writer_in(tmp_path, switched_on=False)
    (tmp_path / "x.db").mkdir()
    append(writer, 1)
    writer.tidy()
    assert what_waits(writer.spool.folder).beats == 1
    assert caplog.records == []
    writer.close()


@pytest.mark.parametrize("started", [False, True])
def test_close_stores_what_waits_and_counts_it_once(tmp_path, started):
    writer = writer_in(tmp_path)
    if started:
        writer.start()
    append(writer, 1, 2)
    writer.close()
    assert paths(writer) == ["/1", "/2"]
    assert writer.spool.segments() == []
    figures = writer.spool.figures()
    assert (figures.accepted, figures.stored) == (2, 2)
    soon(lambda: "pagetimer writer" not in [thread.name for thread in threading.enumerate()])


@pytest.mark.parametrize("started", [False, True])
def test_close_takes_a_second_at_most_when_the_store_is_locked(tmp_path, started):
    writer = writer_in(tmp_path)
    writer.store.check()
    if started:
        writer.start()
    append(writer, 1)
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        writer.close(1.0)
        took = time.monotonic() - began
        db.execute("ROLLBACK")
    assert took < 2
    soon(lambda: "pagetimer writer" not in [thread.name for thread in threading.enumerate()])


def test_a_process_has_one_writer_a_spool_and_the_last_to_close_it_ends_it(tmp_path):
    made = writer_in(tmp_path)
    one = share_writer(made.spool.folder, lambda: made)
    two = share_writer(made.spool.folder, lambda: writer_in(tmp_path))
    assert one is two
    one.start()
    append(one, 1)
    one.close()
    assert "pagetimer writer" in [thread.name for thread in threading.enumerate()]
    two.close()
    soon(lambda: "pagetimer writer" not in [thread.name for thread in threading.enumerate()])
    assert paths(made) == ["/1"]
    again = share_writer(made.spool.folder, lambda: writer_in(tmp_path))
    assert again is not made
    again.close()


FORK = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_spool_writer import append, background, paths, soon, writer_in
background.PAUSE = 0.02
writer = writer_in(Path(sys.argv[1]))
writer.start()
append(writer, 1)
pid = os.fork()
if pid == 0:
    append(writer, 2)
    writer.start()
    soon(lambda: "/2" in paths(writer))
    writer.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
writer.flush(5)
writer.close()
assert paths(writer) == ["/1", "/2"], paths(writer)
assert writer.spool.figures().accepted == 2, writer.spool.figures()
"""


def test_a_forked_child_gets_a_thread_of_its_own(tmp_path):
    here = os.path.dirname(__file__)
    code = "import warnings; warnings.simplefilter('ignore')\n" + FORK
    subprocess.run([sys.executable, "-c", code, str(tmp_path), here], timeout=20, check=True)


@pytest.fixture
def threadless(monkeypatch):
    """uWSGI before 2.0.27, as it is without --enable-threads."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=0))


def test_where_threads_run_nothing_is_done_after_a_beat(writer):
    assert writer.after_beat() is None


def test_where_no_thread_runs_none_is_started_and_a_little_is_stored_after_a_beat(
    writer, threadless, monkeypatch
):
    monkeypatch.setattr(module, "_AFTER_BEAT", 3)
    writer.start()
    assert "pagetimer writer" not in [thread.name for thread in threading.enumerate()]
    append(writer, *range(5))
    writer.after_beat()()
    assert len(paths(writer)) == 3
    writer.after_beat()()
    assert len(paths(writer)) == 3  # once a second at most
    monkeypatch.setattr(module, "PAUSE", 0)
    writer.after_beat()()
    assert len(paths(writer)) == 5
    assert writer.spool.segments() == []


def test_after_a_beat_nobody_waits_for_the_stores_lock(tmp_path, writer, threadless):
    writer.store.check()
    append(writer, 1)
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        writer.after_beat()()
        assert time.monotonic() - began < BUSY_SECONDS / 2
    assert "is locked" in writer.spool.figures().failing["store"]
    assert len(writer.spool.segments()) == 1


def test_a_store_over_a_network_is_left_to_pagetimer_drain(writer, threadless, monkeypatch):
    monkeypatch.setattr(writer.store, "without_waiting", lambda: None)
    append(writer, 1)
    writer.after_beat()()
    assert paths(writer) == []
    assert writer.spool.figures().failing == {}


def test_switched_off_nothing_is_stored_after_a_beat(tmp_path, threadless):
    writer = writer_in(tmp_path, switched_on=False)
    append(writer, 1)
    writer.after_beat()()
    assert paths(writer) == []
    writer.close()


def test_a_system_that_gives_no_thread_breaks_no_response(writer, monkeypatch):
    def none_left(run, name):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module.threads, "start", none_left)
    append(writer, 1)
    for _ in range(2):
        writer.start()
    assert "can't start new thread" in writer.spool.figures().failing["writer"]
    writer.close()
    assert paths(writer) == ["/1"]


def test_a_thread_that_the_system_did_not_give_is_asked_for_again(writer, quick, monkeypatch):
    monkeypatch.setattr(background, "_PAUSE_WITHOUT", 0)
    with monkeypatch.context() as crowded:
        crowded.setattr(module.threads, "start", Mock(side_effect=RuntimeError("no thread left")))
        writer.start()
    append(writer, 1)
    writer.start()
    soon(lambda: paths(writer) == ["/1"] and not writer.spool.figures().failing)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_the_host_has_ended_is_started_anew(writer, quick):
    writer.start()
    thread = writers()[0]
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    thread.join(10)
    append(writer, 1)
    writer.start()
    soon(lambda: paths(writer) == ["/1"])
    assert len(writers()) == 1


def writers():
    return [thread for thread in threading.enumerate() if thread.name == "pagetimer writer"]


END = """
import sqlite3, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_spool_writer import append, background, soon, writer_in
background.PAUSE = 0.01
writer = writer_in(Path(sys.argv[1]))
writer.store.check()
db = sqlite3.connect(sys.argv[1] + "/x.db", isolation_level=None)
db.execute("BEGIN IMMEDIATE")
append(writer, 1)
writer.start()
soon(writer.spool.process.draining.locked)
"""


def test_a_process_that_ends_while_its_writer_waits_says_nothing_and_loses_nothing(tmp_path):
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", END, str(tmp_path), here]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    after = writer_in(tmp_path)
    after.turn()
    assert paths(after) == ["/1"]
    after.close()


def test_a_thread_that_is_to_end_stores_no_more_than_the_batch_that_it_is_at(
    writer, quick, monkeypatch
):
    monkeypatch.setattr("pagetimer_wsgi.spool.drain.BATCH", 1)
    append(writer, 1, 2, 3)
    write = writer.store.write

    def write_and_end(beats):
        background._end_all()
        return write(beats)

    monkeypatch.setattr(background, "_AT_EXIT", 0)
    monkeypatch.setattr(writer.store, "write", write_and_end)
    writer.start()
    soon(lambda: paths(writer) and not writers())
    assert paths(writer) == ["/1"]


def opened(path):
    files = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return [file for file in files if file.startswith(str(path))]


@pytest.mark.parametrize("how", ["turn", "flush", "after a beat"])
def test_nothing_of_the_database_stays_open_for_a_forked_child_to_inherit(
    tmp_path, writer, request, how
):
    append(writer, 1)
    if how == "turn":
        assert writer.turn_safely(writer.turn_and_roll)
    elif how == "flush":
        writer.flush(5)
    else:
        request.getfixturevalue("threadless")
        writer.after_beat()()
    assert paths(writer) == ["/1"]
    assert opened(tmp_path / "x.db") == []


def test_what_a_closed_writer_left_is_stored_and_removed_by_the_next_of_the_same_process(tmp_path):
    first = writer_in(tmp_path, switched_on=False)
    append(first, 1)
    first.close()
    assert len(first.spool.segments()) == 1
    second = writer_in(tmp_path)
    second.turn()
    assert paths(second) == ["/1"]
    assert second.spool.segments() == []
    assert second.spool.figures().accepted == 1
    second.close()
