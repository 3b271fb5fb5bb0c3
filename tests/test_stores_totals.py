"""The plain fold of answers: what totals count, and what they leave unknown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.stores.totals import Spread, spread, total

NOON = 1_772_366_400_000  # 2026-03-01 12:00 UTC
HOUR = 3_600_000


def a_view(path: str = "/", **known: object) -> PageView:
    values = {
        "view_id": "0" * 32,
        "kind": "page",
        "path": path,
        "first_seq": 0,
        "last_seq": 0,
        "started_at": NOON,
        "last_seen_at": NOON,
        **known,
    }
    return PageView(**values)


def test_nothing_asked_for_gives_one_row_for_all():
    (row,) = total([a_view(visible_ms=10), a_view("/b", visible_ms=20)], (), "UTC")
    assert (row.key, row.page_views, row.visible.total) == ({}, 2, 30)


def test_no_page_view_gives_no_row():
    assert total([], ("path",), "UTC") == []


def test_rows_come_with_the_most_visible_time_first_then_by_key():
    views = [a_view("/b", visible_ms=5), a_view("/a", visible_ms=5), a_view("/c", visible_ms=9)]
    assert [row.key["path"] for row in total(views, ("path",), "UTC")] == ["/c", "/a", "/b"]


def test_unknown_time_counts_as_a_page_view_and_not_as_zero():
    views = [a_view(), a_view(visible_ms=40), a_view(visible_ms=60, engaged_ms=0), a_view()]
    (row,) = total(views, (), "UTC")
    assert row.visible == Spread(total=100, median=40, p75=60, p90=60)
    assert row.engaged == Spread(total=0, median=0, p75=0, p90=0)
    assert (row.page_views, row.known) == (4, 0.5)


def test_where_no_time_is_known_the_spread_is_unknown():
    (row,) = total([a_view()], (), "UTC")
    assert row.visible == Spread(None, None, None, None)
    assert row.known == 0


def test_people_are_different_users_and_the_sessions_of_those_without_a_name():
    views = [
        a_view(username="ada", session_key="1" * 32),
        a_view(username="ada", session_key="2" * 32),
        a_view(session_key="3" * 32),
        a_view(session_key="3" * 32),
        a_view(),
    ]
    (row,) = total(views, (), "UTC")
    assert row.people == 2


BY = {
    "path": ("path", "/"),
    "route": ("route", "/<id>"),
    "user": ("user", "ada"),
    "session": ("session", "5" * 32),
    "site": ("site", "shop"),
    "day": ("day", "2026-03-01"),
}


@pytest.mark.parametrize(("name", "value"), BY.values(), ids=BY)
def test_by(name, value):
    view = a_view(route="/<id>", username="ada", session_key="5" * 32, site="shop")
    (row,) = total([view], (name,), "UTC")
    assert row.key == {name: value}


def test_two_names_give_a_row_for_each_pair():
    views = [a_view("/a", username="ada"), a_view("/a"), a_view("/b", username="ada")]
    rows = total(views, ("path", "user"), "UTC")
    assert [tuple(row.key.values()) for row in rows] == [("/a", None), ("/a", "ada"), ("/b", "ada")]


def test_a_day_begins_at_midnight_of_the_zone_that_was_asked_for():
    late = a_view(started_at=NOON + 11 * HOUR + HOUR // 2)
    assert total([late], ("day",), "UTC")[0].key == {"day": "2026-03-01"}
    assert total([late], ("day",), "Europe/Berlin")[0].key == {"day": "2026-03-02"}
    assert total([late], ("day",), "America/New_York")[0].key == {"day": "2026-03-01"}


PERCENTILES = {
    "one value": ([7], (7, 7, 7)),
    "two values": ([1, 9], (1, 9, 9)),
    "four values": ([4, 3, 2, 1], (2, 3, 4)),
    "ten values": (list(range(1, 11)), (5, 8, 9)),
    "a hundred values": (list(range(1, 101)), (50, 75, 90)),
}


@pytest.mark.parametrize(("times", "found"), PERCENTILES.values(), ids=PERCENTILES)
def test_percentiles_of(times, found):
    of = spread(times)
    assert (of.median, of.p75, of.p90) == found


@given(st.lists(st.integers(0, 10_000), min_size=1))
def test_a_percentile_is_the_smallest_value_that_its_share_does_not_exceed(times):
    of = spread(times)
    for percent, value in ((50, of.median), (75, of.p75), (90, of.p90)):
        needed = math.ceil(len(times) * percent / 100)
        reached = [time for time in times if sum(t <= time for t in times) >= needed]
        assert value == min(reached)
