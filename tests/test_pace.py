"""Pauses in long loops."""

import threading

from pagetimer_wsgi import pace
from pagetimer_wsgi.pace import gently, pausing


def test_without_pauses_the_items_are_what_they_were():
    items = [1, 2, 3]
    assert gently(items) is items


def test_with_pauses_they_are_the_same_in_the_same_order(monkeypatch):
    monkeypatch.setattr(pace, "_WORK", -1)
    slept = []
    with pausing(slept.append):
        assert list(gently(range(1000))) == list(range(1000))
    assert len(slept) == -(-1000 // pace._LOOK)


def test_nothing_is_read_ahead():
    read = []
    with pausing(lambda seconds: None):
        next(iter(gently(read.append(number) or number for number in range(1000))))
    assert read == [0]


def test_a_loop_that_goes_on_for_long_pauses_again_and_again():
    slept = []
    with pausing(slept.append):
        for _ in gently(range(200)):
            sum(range(5000))
    assert len(slept) > 1


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
