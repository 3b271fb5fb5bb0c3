"""What a beat's body may say, and what of it is believed."""

import contextlib
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagetimer_wsgi.beat.parse import (
    SHORT,
    Claim,
    _claim,
    believe,
    cut_path,
    is_short,
    new_view_id,
    parse_beat,
)
from pagetimer_wsgi.errors import Refused

NOW = 1_790_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
ID = f"{NOW:012x}" + "ab" * 10
FIELDS = {"v": ID, "n": "0", "t": "1200", "e": "900", "p": "/a?b=c", "d": str(NOW + 1500)}


def body(**changes):
    fields = {name: value for name, value in (FIELDS | changes).items() if value is not None}
    return urlencode(fields).encode()


def claim(**changes):
    base = Claim(ID, 0, 1200, "/", NOW + 1500, 900, "beat")
    return msgspec.structs.replace(base, **changes)


def test_a_beat_is_read():
    found = parse_beat(body(w="hide", r="https://example.org/", l="250", k="token"))
    assert found == Claim(
        ID, 0, 1200, "/a?b=c", NOW + 1500, 900, "hide", "https://example.org/", 250, "token"
    )


def test_what_is_not_required_is_unknown_and_what_is_more_is_ignored():
    found = parse_beat(body(e=None, w="newer-word", x="y"))
    assert (found.engaged_ms, found.why, found.referrer, found.words, found.token) == (None,) * 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"v": None}, "v: the view id is missing", id="no id"),
        pytest.param({"v": "AB" * 16}, "32 hex digits", id="capital id"),
        pytest.param({"v": "a" * 31}, "32 hex digits", id="short id"),
        pytest.param({"v": "a" * 32 + "\n"}, "32 hex digits", id="newline after an id"),
        pytest.param({"n": None}, "n: ", id="no number"),
        pytest.param({"n": "-1"}, "whole number", id="negative"),
        pytest.param({"t": "1.5"}, "whole number", id="fraction"),
        pytest.param({"t": "١٢"}, "whole number", id="other digits"),
        pytest.param({"t": str(2**53 + 1)}, "2^53", id="over 2^53"),
        pytest.param({"d": "9" * 5000}, "2^53", id="very long number"),
        pytest.param({"p": None}, "p: the path is missing", id="no path"),
        pytest.param({"p": "x"}, "begin with /", id="no path from the root"),
        pytest.param({"p": "/\x00"}, "control characters", id="NUL"),
        pytest.param({"p": "/\x85"}, "control characters", id="C1"),
        pytest.param({"r": "a\nb"}, "control characters", id="newline in referrer"),
        pytest.param({"l": "many"}, "l: a whole number", id="words in words"),
    ],
)
def test_what_is_no_beat_is_refused_with_the_reason(changes, reason):
    with pytest.raises(Refused) as caught:
        parse_beat(body(**changes))
    assert caught.value.status == 400
    assert reason in caught.value.reason


@pytest.mark.parametrize("raw", [b"", b"\xff", b"p=%ff", b"p=%ED%A0%80", b"&" * 100, b"a=" * 99])
def test_what_is_not_even_a_form_is_refused(raw):
    with pytest.raises(Refused):
        parse_beat(raw)


SENT = (
    f"v={ID}&n=3&t=1200&e=900&d={NOW + 1500}&w=beat&p=%2Fa%3Fb%20c+d&r=&l=&k=",
    f"v={ID}&n=3&t=1200&e=900&d={NOW + 1500}&w=leave&p=/%C3%BC&r=%2Fbefore&l=250&k=1.aB-_&new=1",
)


@pytest.mark.parametrize("sent", SENT, ids=["without words and token", "with everything"])
def test_what_our_client_writes_is_read_as_any_form_is(sent):
    assert parse_beat(sent.encode()) == parse_beat("&".join(sent.split("&")[::-1]).encode())


@pytest.mark.parametrize(
    ("sent", "remembered"),
    [
        pytest.param(SENT[0].encode(), True, id="as our client writes it"),
        pytest.param(b"a" * SHORT, True, id="short"),
        pytest.param(b"a" * (SHORT + 1), False, id="longer"),
        pytest.param("p=/ü".encode(), False, id="wide"),
    ],
)
def test_what_takes_little_memory_is_remembered(sent, remembered):
    assert is_short(sent) == remembered


@pytest.mark.parametrize("unclean", ["p=%2Fa%00", "p=%2F%C2%85", "r=%2F%0A", "r=%ED%A0%80"])
@pytest.mark.parametrize("sent", SENT, ids=["without words and token", "with everything"])
def test_no_form_of_an_address_brings_a_control_character(sent, unclean):
    pairs = [unclean if pair[0] == unclean[0] else pair for pair in sent.split("&")]
    for form in (pairs, pairs[::-1]):
        with pytest.raises(Refused):
            parse_beat("&".join(form).encode())


@given(st.data())
def test_a_beat_that_is_almost_as_our_client_writes_it_is_read_as_any_form_is(data):
    pairs = data.draw(st.sampled_from(SENT)).split("&")
    odd = st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from(
        [
            "v=",
            "n=7",
            "t=+1",
            "p=",
            "p=x",
            "p=%2",
            "r=%00",
            "r=%ff",
            "k=%41",
            "w=",
            "xx=1",
            "9" * 17,
        ]
    )
    place = data.draw(st.integers(0, len(pairs)))
    pairs[place : place + data.draw(st.integers(0, 1))] = [data.draw(odd)]
    pairs[-1] += data.draw(odd)

    def read(form):
        try:
            return _claim(form)
        except (Refused, UnicodeDecodeError):
            return None

    text = "&".join(pairs)
    with contextlib.suppress(Refused):
        assert parse_beat(text.encode()) == read(text)
        return
    assert read(text) is None


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_pass_or_be_refused(raw):
    with contextlib.suppress(Refused):
        assert parse_beat(raw).path.startswith("/")


@pytest.mark.parametrize(
    ("changes", "token_age", "times"),
    [
        pytest.param({}, None, (1500, 1200, 900, False), id="true"),
        pytest.param({"visible_ms": 6500}, None, (1500, 6500, 900, False), id="slack"),
        pytest.param({"visible_ms": 6501}, None, (1500, 6500, 900, True), id="too long"),
        pytest.param({"engaged_ms": 1201}, None, (1500, 1200, 1200, True), id="engaged too long"),
        pytest.param({"moment": NOW - 1}, None, (0, 1200, 900, True), id="too early"),
        pytest.param({"moment": NOW + 25 * HOUR}, None, (DAY, 1200, 900, True), id="a day"),
        pytest.param({"moment": NOW + 90_000}, 20, (80_000, 1200, 900, True), id="over token"),
        pytest.param({"moment": NOW + 80_000}, 20, (80_000, 1200, 900, False), id="token slack"),
        pytest.param({"moment": NOW + 90_000}, -9, (90_000, 1200, 900, False), id="later token"),
        pytest.param({"engaged_ms": None}, None, (1500, 1200, None, False), id="engaged unknown"),
    ],
)  # fmt: skip
def test_what_cannot_be_true_is_cut_and_marked(changes, token_age, times):
    made_at = None if token_age is None else NOW // 1000 - token_age
    found = believe(claim(**changes), NOW, made_at)
    assert (found.age, found.visible_ms, found.engaged_ms, found.capped) == times
    assert (found.view_id, found.client_started_at) == (ID, NOW)


@pytest.mark.parametrize(
    ("began", "moment"),
    [(NOW - 8 * DAY, NOW - 8 * DAY + 100), (NOW + 8 * DAY, NOW + 8 * DAY + 100), (0, NOW)],
    ids=["a clock of last week", "of next week", "an id of 1970"],
)
def test_a_clock_that_is_far_off_makes_no_period_of_its_own(began, moment):
    view_id = f"{began:012x}" + "ab" * 10
    found = believe(claim(view_id=view_id, moment=moment), NOW, None)
    assert found.view_id == "f" * 12 + "ab" * 10
    assert found.client_started_at is None
    assert found.age == min(moment - began, DAY)


@pytest.mark.parametrize(
    ("path", "keep", "fragments", "kept"),
    [
        ("/a?b=1&c=2#d", (), False, "/a"),
        ("/a?b=1&c=2#d", ("c",), False, "/a?c=2"),
        ("/a?b=1&c=2#d", ("*",), True, "/a?b=1&c=2#d"),
        ("/a?secret", ("c",), False, "/a"),
        ("/a#d?e=1", ("*",), False, "/a"),
        ("https://x.org/?q=1", (), False, "https://x.org/"),
        ("/" + "a" * 600, (), False, "/" + "a" * 511),
    ],
)
def test_paths_and_referrers_are_cut_alike(path, keep, fragments, kept):
    assert cut_path(path, keep, fragments) == kept


def test_an_id_of_ours_begins_with_our_clock():
    assert new_view_id(NOW).startswith(f"{NOW:012x}")
    assert new_view_id(NOW) != new_view_id(NOW)
    assert len(new_view_id(NOW)) == 32
