"""Pauses in long loops."""

import threading

import pytest

from pagetimer_wsgi import pace
from pagetimer_wsgi.pace import gently, pausing


def test_without_pauses_the_items_are_what_they_were():
    items = [1, 2, 3]
    assert gently(items) is items


def test_with_pauses_they_are_the_same_in_the_same_order():
    with pausing(lambda seconds: None):
        assert list(gently(range(1000))) == list(range(1000))


def test_nothing_is_read_ahead():
    read = []
    with pausing(lambda seconds: None):
        next(iter(gently(read.append(number) or number for number in range(1000))))
    assert read == [0]


class Clock:
    """A clock that goes 20 microseconds at each item, and as told at each pause."""

    def __init__(self, pause):
        self.now, self.pauses, self._pause = 100.0, 0, pause

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.pauses += 1
        self.now += self._pause

    def pauses_between(self, items):
        with pausing(self.sleep):
            for _ in gently(range(items)):
                self.now += 0.00002
        return self.pauses


@pytest.mark.parametrize("pause", [0.0001, 0.07], ids=["others wait", "others compute"])
def test_it_pauses_after_half_a_millisecond_of_work_however_long_a_pause_takes(monkeypatch, pause):
    clock = Clock(pause)
    monkeypatch.setattr(pace, "time", clock)
    monkeypatch.setattr(pace._pace, "next", 0.0)
    assert clock.pauses_between(40 * pace._LOOK) == 20


def test_one_thread_that_pauses_makes_no_other_pause():
    found = []
    with pausing(lambda seconds: None):
        thread = threading.Thread(target=lambda: found.append(gently([1])))
        thread.start()
        thread.join()
    assert found == [[1]]


def test_an_error_ends_the_pauses():
    try:
        with pausing(lambda seconds: None):
            raise LookupError
    except LookupError:
        assert gently([1]) == [1]
