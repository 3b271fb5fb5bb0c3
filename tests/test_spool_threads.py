"""Threads and locks of the system's own, under gevent too; and where no thread runs."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from pagetimer_wsgi.spool import threads


def test_a_signal_is_waited_for_until_it_is_given_and_may_be_given_twice():
    signal = threads.Signal()
    assert not signal.wait(0.01)
    waiting = threading.Thread(target=signal.wait, args=(30,))
    waiting.start()
    signal.give()
    signal.give()
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert signal.wait(0)
    assert signal.wait(0)


def test_without_gevent_a_thread_has_its_name_and_keeps_no_process_alive():
    end = threads.Signal()
    threads.start(lambda: end.wait(10) and None, "a name")
    (found,) = [thread for thread in threading.enumerate() if thread.name == "a name"]
    assert found.daemon
    end.give()
    found.join(timeout=10)


def test_without_gevent_what_is_done_beside_is_done_here():
    done = []
    threads.beside(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]


@pytest.mark.parametrize(
    ("uwsgi", "runs"),
    [
        (None, True),
        (SimpleNamespace(has_threads=1), True),
        (SimpleNamespace(has_threads=0), False),
        (SimpleNamespace(), True),
    ],
    ids=["no uwsgi", "uwsgi with threads", "uwsgi without", "another module of that name"],
)
def test_threads_run_unless_uwsgi_says_that_it_has_none(monkeypatch, uwsgi, runs):
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert threads.run_here() is runs


GEVENT = """
import sys, time
if sys.argv[2] == "before":
    from gevent import monkey; monkey.patch_all()
import os, sqlite3
from pathlib import Path
from pagetimer_wsgi import Beat
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.writer import Writer
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore
if sys.argv[2] == "after":
    from gevent import monkey; monkey.patch_all()
import gevent
folder = Path(sys.argv[1])
url = f"sqlite:///{folder}/x.db"
writer = Writer(Spool(folder / "spool", url, 2**30), SqlStore.open(url), Quarantine(folder / "q"))
writer.store.check()
longest, switches = 0.0, 0

def watch():
    global longest, switches
    while True:
        before = time.monotonic()
        gevent.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
        switches += 1

def append():
    for number in range(200):
        beat = Beat(view_id=f"{number:032x}", seq=0, received_at=1, path=f"/{number}")
        writer.spool.append(encode(beat))
        writer.start()
        gevent.sleep(0.01)

assert type(writer.spool.process.draining).__module__ == "_thread"
other = sqlite3.connect(folder / "x.db", isolation_level=None)
other.execute("BEGIN IMMEDIATE")
gevent.spawn(watch)
appending = [gevent.spawn(append) for _ in range(3)]
gevent.joinall(appending)
before = switches
try:
    writer.flush(1)
    raise SystemExit("it was stored although the database is locked")
except TimeoutError:
    assert switches > before, "no greenlet ran while one flushed"
other.execute("ROLLBACK")
writer.flush(20)
assert len(list(writer.store.page_views(Query()))) == 200
writer.close()
assert longest < 2, f"the hub stood still for {longest} s"
print(longest)
"""


@pytest.mark.parametrize("patched", ["before", "after"])
def test_under_gevent_the_hub_turns_while_the_store_lets_the_writer_wait(tmp_path, patched):
    pytest.importorskip("gevent")
    command = [sys.executable, "-c", GEVENT, str(tmp_path), patched]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
