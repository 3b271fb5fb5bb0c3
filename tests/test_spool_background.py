"""``Background``: the writer's thread, and how it ends with its process."""

import subprocess
import sys
import threading
import time

import pytest

from pagetimer_wsgi.spool.background import Background

START = """
import os, sys, time
from pathlib import Path
from pagetimer_wsgi.spool import background
background.PAUSE = 0
begun, done = (Path(sys.argv[1]) / name for name in ("begun", "done"))

def turn():
    begun.touch()
    time.sleep(float(sys.argv[2]))
    done.touch()
    return True

thread = background.Background(turn, print)
thread.start()
while not begun.exists():
    time.sleep(0.01)
"""
FORK = """
if os.fork() == 0:
    background._AT_EXIT = 600
    sys.exit()
assert os.wait()[1] == 0
"""


@pytest.mark.parametrize(("seconds", "done"), [(0.3, True), (600, False)])
@pytest.mark.parametrize("then", ["", FORK], ids=["", "after a fork"])
def test_a_process_ends_after_the_turn_that_its_thread_takes_or_soon(tmp_path, seconds, done, then):
    command = [sys.executable, "-W", "ignore", "-c", START + then, str(tmp_path), str(seconds)]
    ended = subprocess.run(command, timeout=60, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (tmp_path / "done").exists() == done


def test_what_was_waited_for_a_thread_counts_whoever_waits():
    begun, end = threading.Event(), threading.Event()
    thread = Background(lambda: begun.set() or end.wait(60), print)
    thread.start()
    assert begun.wait(10)
    thread.stop()
    thread.wait(1)
    began = time.monotonic()
    for seconds in (0.5, 1):
        thread.stop()
        thread.wait(seconds)
    assert time.monotonic() - began < 0.5
    end.set()
    thread.wait(10)
    assert not thread.runs
