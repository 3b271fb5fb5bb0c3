"""A look at the disk: once a second, by one thread."""

import threading

import pytest

from pagetimer_wsgi.errors import SpoolAway
from pagetimer_wsgi.spool import look as module
from pagetimer_wsgi.spool.look import Look


@pytest.fixture
def now(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    return clock


def test_what_was_seen_counts_for_a_second(now):
    said = [None]
    looks = []
    look = Look(lambda: looks.append(1) or said[0])
    look.check()
    said[0] = "no room"
    now[0] += 0.99
    look.check()
    assert len(looks) == 1
    now[0] += 0.01
    for _ in range(3):
        with pytest.raises(SpoolAway, match="no room"):
            look.check()
    assert len(looks) == 2
    said[0] = None
    now[0] += 1
    look.check()


def test_a_look_that_takes_long_is_taken_less_often(now):
    looks = []

    def slow():
        looks.append(1)
        now[0] += 0.1

    look = Look(slow)
    look.check()
    now[0] += 4.9
    look.check()
    assert len(looks) == 1
    now[0] += 0.2
    look.check()
    assert len(looks) == 2


def test_who_is_in_no_hurry_looks_early_so_that_others_need_not(now):
    looks = []
    look = Look(lambda: looks.append(1))
    look.check()
    now[0] += 0.5
    look.check()
    assert len(looks) == 1
    look.check(early=0.5)
    assert len(looks) == 2
    now[0] += 0.9
    look.check()
    assert len(looks) == 2


def test_a_look_that_fails_is_tried_again_at_once(now):
    answers = iter([OSError("no"), OSError("no"), None])

    def at():
        if answer := next(answers):
            raise answer

    look = Look(at)
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            look.check()
    look.check()


def test_while_one_thread_looks_the_others_go_on_but_for_the_first_look(now):
    looking, seen = threading.Event(), threading.Event()
    passed = []

    def at():
        looking.set()
        seen.wait(10)

    look = Look(at)

    def begin():
        looking.clear()
        threads.append(threading.Thread(target=look.check))
        threads[-1].start()
        assert looking.wait(10)

    threads = []
    begin()
    late = threading.Thread(target=lambda: passed.append(look.check()))
    late.start()
    late.join(timeout=0.1)
    assert passed == []  # nothing was seen yet: it waits
    seen.set()
    late.join(timeout=10)
    assert passed == [None]
    seen.clear()
    now[0] += 1
    begin()
    look.check()
    seen.set()
    for thread in threads:
        thread.join(timeout=10)
