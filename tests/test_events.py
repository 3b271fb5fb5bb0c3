"""``fold`` and ``keep``: whatever arrives, in whichever order, says the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagetimer_wsgi.events import Beat, KeptBeat, PageView, fold, join, keep, page_view

VIEW = "0196e0c0aaaa" + "0" * 20
OTHER = "0196e0c0bbbb" + "1" * 20
SESSION = "5" * 32
VISITOR = "7" * 32
NOON = 1_772_366_400_000


def a_beat(seq: int = 0, **known: object) -> Beat:
    values = {"view_id": VIEW, "seq": seq, "received_at": NOON, "path": "/", **known}
    return Beat(**values)


def maybe(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


# Few different values, so that equal seqs, ties and contradictions are common.
words = st.sampled_from(["", "a", "B", "é", "\U0001f600"])
digits = st.sampled_from([SESSION, "6" * 32])
small = st.integers(0, 3)
beats = st.builds(
    Beat,
    view_id=st.sampled_from([VIEW, OTHER]),
    seq=small,
    received_at=st.integers(NOON, NOON + 3),
    path=words,
    kind=st.sampled_from(["page", "log", "ping"]),
    age=small,
    visible_ms=maybe(small),
    engaged_ms=maybe(small),
    capped=st.booleans(),
    why=maybe(st.sampled_from(["start", "beat", "hide", "leave", "later", "route"])),
    site=maybe(words),
    route=maybe(words),
    referrer=maybe(words),
    agent=maybe(words),
    words=maybe(small),
    ip_address=maybe(words),
    client_started_at=maybe(small),
    username=maybe(words),
    session_key=maybe(digits),
    visitor=maybe(st.sampled_from([VISITOR, "8" * 32])),
)
some = st.lists(beats, max_size=8)


@given(some, st.randoms())
def test_the_order_of_arrival_changes_nothing(arrived, random):
    shuffled = random.sample(arrived, len(arrived))
    assert fold(shuffled) == fold(arrived)
    assert keep(shuffled) == keep(arrived)


@given(some, st.data())
def test_what_arrives_twice_changes_nothing(arrived, data):
    again = data.draw(st.lists(st.sampled_from(arrived)) if arrived else st.just([]))
    assert fold([*arrived, *again]) == fold(arrived)
    assert keep([*arrived, *again]) == keep(arrived)


@given(some, some, some)
def test_parts_folded_apart_and_joined_say_what_all_say_together(one, two, three):
    together = fold([*one, *two, *three])
    assert fold([*fold(one).values(), *fold([*two, *three]).values()]) == together
    assert fold([*fold([*one, *two]).values(), *fold(three).values()]) == together
    assert fold([*fold(three).values(), *one, *fold(two).values()]) == together
    rows = keep([*one, *two, *three])
    assert keep([*keep(three).values(), *keep([*one, *two]).values()]) == rows


@given(st.lists(beats.map(lambda beat: msgspec.structs.replace(beat, view_id=VIEW)), min_size=1))
def test_joining_is_idempotent_and_takes_either_side_first(arrived):
    view = fold(arrived)[VIEW]
    assert join(view, view) == view
    for beat in arrived:
        assert join(view, page_view(beat)) == view == join(page_view(beat), view)


@given(some, st.data())
def test_a_lost_beat_takes_away_no_more_than_it_alone_knew(arrived, data):
    kept = data.draw(st.lists(st.sampled_from(arrived), unique_by=id) if arrived else st.just([]))
    everything = fold(arrived)
    for view_id, view in fold(kept).items():
        whole = everything[view_id]
        assert whole.started_at <= view.started_at
        assert whole.last_seen_at >= view.last_seen_at
        for name in ("visible_ms", "engaged_ms", "words"):
            if getattr(view, name) is not None:
                assert getattr(whole, name) >= getattr(view, name)
        assert whole.capped >= view.capped


@given(beats)
def test_any_one_beat_makes_the_whole_page_view(beat):
    view = fold([beat])[beat.view_id]
    names = ("kind", "path", "site", "route", "referrer", "agent", "words", "ip_address")
    for name in (*names, "visible_ms", "engaged_ms", "capped", "username"):
        assert getattr(view, name) == getattr(beat, name)


RULES = {
    "visible time is the greatest": (
        [{"visible_ms": 900}, {"visible_ms": 400}],
        {"visible_ms": 900},
    ),
    "engaged time is the greatest": (
        [{"engaged_ms": 4}, {"engaged_ms": 30}],
        {"engaged_ms": 30},
    ),
    "words are the greatest": ([{"words": 120}, {"words": 80}], {"words": 120}),
    "unknown time is not 0": ([{}, {}], {"visible_ms": None, "engaged_ms": None}),
    "unknown never wins over 0": ([{"visible_ms": 0}, {}], {"visible_ms": 0}),
    "capped if any is": ([{}, {"capped": True}, {}], {"capped": True}),
    "started at the least of received minus age": (
        [{"received_at": NOON, "age": 50}, {"received_at": NOON + 1_000, "age": 1_300}],
        {"started_at": NOON - 300},
    ),
    "last seen at the greatest received": (
        [{"received_at": NOON + 9}, {"received_at": NOON}],
        {"last_seen_at": NOON + 9},
    ),
    "a leave at the end is exact": ([{"why": "start"}, {"why": "leave"}], {"ended": "exact"}),
    "a hide at the end is exact": ([{"why": "start"}, {"why": "hide"}], {"ended": "exact"}),
    "a route change at the end is exact": ([{}, {"why": "route"}], {"ended": "exact"}),
    "an armed beat at the end is exact": ([{}, {"why": "later"}], {"ended": "exact"}),
    "a beat after a hide leaves the end open": (
        [{"why": "hide"}, {"why": "beat"}],
        {"ended": "at least"},
    ),
    "no reason at the end leaves it open": ([{"why": "hide"}, {}], {"ended": "at least"}),
    "a field is the lowest seq's": (
        [{"path": "/z", "site": "z", "kind": "ping"}, {"path": "/a", "site": "a"}],
        {"path": "/z", "site": "z", "site_seq": 0, "kind": "ping"},
    ),
    "a field is the lowest seq's in which it is known": (
        [{}, {"route": "/<id>"}, {"route": "/<a>"}],
        {"route": "/<id>", "route_seq": 1},
    ),
    "user and session come as a pair": (
        [{"username": "ada"}, {"username": "bob", "session_key": SESSION}],
        {"username": "ada", "session_key": None, "identity_seq": 0},
    ),
    "the pair is the lowest seq's that names anybody": (
        [{}, {"session_key": SESSION}, {"username": "bob"}],
        {"username": None, "session_key": SESSION, "identity_seq": 1, "visitor": False},
    ),
    "a visitor stands for nobody else": (
        [{"visitor": "8" * 32}, {"visitor": VISITOR}],
        {"session_key": "8" * 32, "visitor": True, "identity_seq": 0},
    ),
    "a later name goes before an earlier visitor": (
        [{"visitor": VISITOR}, {"username": "ada"}],
        {"username": "ada", "session_key": None, "visitor": False, "identity_seq": 1},
    ),
}


@pytest.mark.parametrize(("told", "said"), RULES.values(), ids=RULES)
def test_rule_of_fold(told, said):
    arrived = [a_beat(seq, **known) for seq, known in enumerate(told)]
    view = fold(reversed(arrived))[VIEW]
    assert {name: getattr(view, name) for name in said} == said


TIES = {
    "the smaller path": ({"path": "/a"}, {"path": "/b"}, "path", "/a"),
    "code points, not the alphabet": ({"path": "/Z"}, {"path": "/a"}, "path", "/Z"),
    "the smaller kind": ({"kind": "ping"}, {"kind": "log"}, "kind", "log"),
    "the smaller site": ({"site": "b"}, {"site": "a"}, "site", "a"),
    "known before unknown": ({"agent": "b"}, {}, "agent", "b"),
    "at least before exact": ({"why": "leave"}, {"why": "beat"}, "ended", "at least"),
    "the smaller user": ({"username": "bob"}, {"username": "ada"}, "username", "ada"),
    "a user before none": ({"session_key": SESSION}, {"username": "z"}, "username", "z"),
}


@pytest.mark.parametrize(("one", "other", "name", "stands"), TIES.values(), ids=TIES)
def test_of_one_seq_with_two_values_stands(one, other, name, stands):
    pair = [a_beat(3, **one), a_beat(3, **other)]
    assert getattr(fold(pair)[VIEW], name) == stands
    assert getattr(fold(reversed(pair))[VIEW], name) == stands


def test_a_beats_row_has_the_least_arrival_and_the_greatest_times():
    twice = [
        a_beat(2, received_at=NOON + 5, visible_ms=10, why="hide"),
        a_beat(2, received_at=NOON, visible_ms=7, engaged_ms=3, why="beat"),
    ]
    row = KeptBeat(view_id=VIEW, seq=2, received_at=NOON, why="beat", visible_ms=10, engaged_ms=3)
    assert keep(twice) == {(VIEW, 2): row}


def test_page_views_of_different_ids_stay_apart():
    views = fold([a_beat(), a_beat(view_id=OTHER, path="/b")])
    assert {key: view.path for key, view in views.items()} == {VIEW: "/", OTHER: "/b"}
    assert all(isinstance(view, PageView) for view in views.values())
