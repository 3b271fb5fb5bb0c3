"""The open segment: a whole line or none of it, in a file that is ours and has a name."""

import errno
import os

import pytest

from pagetimer_wsgi.spool.opened import OpenSegment


@pytest.fixture
def opened(tmp_path):
    opened = OpenSegment(tmp_path / "000000000001.jsonl", fsync=False)
    yield opened
    opened.close()


def on_disk(opened):
    return opened.segment.path.read_bytes()


def fails(number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_lines_are_appended_and_the_size_is_known(opened):
    assert opened.append(b"one\n")
    assert opened.append(b"two\n")
    assert on_disk(opened) == b"one\ntwo\n"
    assert opened.size == 8


def test_a_line_that_could_not_be_synced_is_cut_off(tmp_path, monkeypatch):
    opened = OpenSegment(tmp_path / "000000000001.jsonl", fsync=True)
    opened.append(b"one\n")
    monkeypatch.setattr(os, "fsync", fails(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        opened.append(b"two\n")
    assert on_disk(opened) == b"one\n"
    opened.close()


def test_half_a_line_is_cut_off_whatever_the_host_lets_its_signals_raise(opened, monkeypatch):
    write = os.write

    def interrupted(descriptor, data):
        write(descriptor, data[:2])
        raise SystemExit

    opened.append(b"one\n")
    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(SystemExit):
        opened.append(b"two\n")
    assert on_disk(opened) == b"one\n"


def test_a_line_that_came_through_unseen_is_not_cut_off_with_the_next(opened, monkeypatch):
    write = os.write
    opened.append(b"one\n")
    write(opened._descriptor.number, b"two\n")  # a signal came right after the write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
    with pytest.raises(OSError, match="only 2 of 6"):
        opened.append(b"three\n")
    assert on_disk(opened) == b"one\ntwo\n"


def test_nothing_is_written_to_a_file_of_the_host_that_has_our_number(tmp_path, opened):
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    os.dup2(theirs, opened._descriptor.number)
    assert not opened.append(b"one\n")
    opened.close()
    assert os.fstat(theirs).st_size == 0
    os.close(theirs)


def test_a_line_in_a_file_without_a_name_does_not_count(opened):
    opened.append(b"one\n")
    opened.segment.path.unlink()
    assert not opened.append(b"two\n")


def test_a_segment_in_which_nothing_lies_goes_when_it_ends(opened, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fails(errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            opened.append(b"one\n")
    opened.close()
    assert not opened.segment.path.exists()


def test_a_child_that_forgets_a_segment_leaves_the_file(opened):
    opened.forget()
    assert opened.segment.path.exists()
