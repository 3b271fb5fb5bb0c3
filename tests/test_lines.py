"""The line in which a beat lies in the spool."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagetimer_wsgi import Beat
from pagetimer_wsgi.errors import BadLine
from pagetimer_wsgi.lines import NewerLine, decode, encode, sealed

BEAT = Beat(view_id="0" * 32, seq=3, received_at=1_700_000_000_000, path="/x", visible_ms=5)
known = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(path=st.text(st.characters(exclude_categories=["Cs"])), agent=known, user=known)
def test_what_was_encoded_is_decoded_from_one_line(path, agent, user):
    beat = Beat(view_id="0" * 32, seq=0, received_at=1, path=path, agent=agent, username=user)
    line = encode(beat)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == beat


def again(old: bytes, new: bytes) -> bytes:
    """The line of BEAT, written anew with something else in the place of something."""
    return sealed(encode(BEAT).split(b",", 2)[2].rstrip(b"\n").replace(old, new))


def test_the_format_comes_first_and_unknown_fields_take_no_room():
    assert re.match(rb'\{"format":1,"crc32":\d+,"view_id":"', encode(BEAT))
    assert b"agent" not in encode(BEAT)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\x00\x01\xff",
        b"{}",
        b'{"view_id":"x"}',
        encode(BEAT)[:-10],
        again(b"1700000000000", b'"now"'),
        again(b"/x", b"\xff\xfe"),
    ],
    ids=["empty", "binary", "no format", "not first", "cut", "wrong type", "no UTF-8"],
)
def test_what_is_no_beat_is_a_bad_line_that_carries_its_bytes(line):
    with pytest.raises(BadLine) as caught:
        decode(line)
    assert caught.value.line == line


def test_a_line_of_a_newer_format_is_left_for_a_newer_version():
    with pytest.raises(NewerLine, match="format 2"):
        decode(sealed(b'"what":"ever"}', 2))


def test_what_a_newer_version_adds_to_this_format_is_no_error():
    assert decode(again(b'"seq"', b'"colour":"red","seq"')) == BEAT


@given(bit=st.integers(0, len(encode(BEAT)[:-1]) * 8 - 1))
def test_a_bit_that_a_disk_has_turned_is_never_taken_for_true(bit):
    line = bytearray(encode(BEAT)[:-1])
    line[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadLine):
        decode(bytes(line))
