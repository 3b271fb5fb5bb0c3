"""Segments: their lines, and the mark that says how much of one is stored, and where."""

import errno
import os

import pytest

from pagetimer_wsgi.spool import segments as module
from pagetimer_wsgi.spool.segments import Segment, segments_in


@pytest.fixture
def segment(tmp_path):
    segment = Segment(tmp_path / "000000000001.jsonl")
    segment.path.write_bytes(b"one\ntwo\nthr")
    return segment


def test_whole_lines_are_read_with_the_byte_at_which_each_ends(segment):
    assert list(segment.lines(0)) == [(b"one", 4), (b"two", 8)]
    assert list(segment.lines(4)) == [(b"two", 8)]


def test_a_last_line_without_newline_was_never_accepted(segment):
    segment.mark(8, "this store")
    assert segment.is_stored("this store")


def test_lines_are_read_whole_however_they_lie_across_what_is_read_at_once(segment):
    lines = [b"%07d" % number * 999 for number in range(400)]  # 2.8 MB
    segment.path.write_bytes(b"\n".join(lines) + b"\n")
    found = list(segment.lines(0))
    assert [line for line, _ in found] == lines
    assert found[-1][1] == segment.size()


def test_what_has_no_newline_for_a_megabyte_is_given_away_in_pieces(segment):
    segment.path.write_bytes(b"x" * 3 * 2**20 + b"\nline\n")
    found = list(segment.lines(0))
    assert len(b"".join(piece for piece, _ in found[:-1])) == 3 * 2**20
    assert found[-1] == (b"line", segment.size())


def test_a_mark_counts_for_the_store_that_it_names(segment):
    segment.mark(4, "this store")
    assert segment.stored("this store") == 4
    assert segment.stored("another") == 0
    assert not segment.is_stored("another")
    assert segment.marked() == 4


@pytest.mark.parametrize("torn", [b"", b'{"bytes":4', b"\x00\xff", b'{"bytes":"4","store":"s"}'])
def test_a_mark_that_cannot_be_read_says_nothing_is_stored(segment, torn):
    segment.path.with_suffix(".mark").write_bytes(torn)
    assert segment.stored("s") == 0
    assert segment.marked() == 0


def test_marking_a_segment_whose_folder_is_gone_is_no_error(tmp_path):
    Segment(tmp_path / "gone" / "000000000001.jsonl").mark(4, "s")
    assert not (tmp_path / "gone").exists()


def test_with_a_segment_goes_its_mark(segment):
    segment.mark(4, "s")
    segment.remove()
    assert list(segment.path.parent.iterdir()) == []


def test_a_folders_segments_are_listed_oldest_first(tmp_path):
    for name in ("000000000010.jsonl", "000000000002.jsonl", "000000000002.mark", "lock"):
        (tmp_path / name).touch()
    assert [s.path.stem for s in segments_in(tmp_path)] == ["000000000002", "000000000010"]


def test_a_folder_that_is_gone_or_a_file_has_no_segments(tmp_path):
    (tmp_path / "file").touch()
    assert segments_in(tmp_path / "gone") == []
    assert segments_in(tmp_path / "file") == []


def test_links_pipes_and_folders_are_no_segments(tmp_path):
    (tmp_path / "1.jsonl").write_bytes(b"line\n")
    (tmp_path / "2.jsonl").symlink_to(tmp_path / "1.jsonl")
    os.mkfifo(tmp_path / "3.jsonl")
    (tmp_path / "4.jsonl").mkdir()
    assert segments_in(tmp_path) == [Segment(tmp_path / "1.jsonl")]


def test_a_mark_that_finds_no_room_is_known_here_and_written_when_there_is_some(
    segment, monkeypatch
):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_file", full)
        segment.mark(4, "this store")
        module.write_marks()
    assert list(segment.path.parent.iterdir()) == [segment.path]
    assert segment.stored("this store") == 4
    module.write_marks()
    assert segment.path.with_suffix(".mark").exists()
    segment.path.with_suffix(".mark").unlink()
    assert segment.stored("this store") == 0


def test_a_mark_that_found_no_room_goes_with_its_segment(segment, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_file", full)
    segment.mark(4, "this store")
    segment.remove()
    segment.path.write_bytes(b"new\n")
    assert segment.stored("this store") == 0
