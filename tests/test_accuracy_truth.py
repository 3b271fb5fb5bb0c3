"""What truly was: moments become seconds."""

from __future__ import annotations

import math

import pytest
from accuracy.truth import View


def view(*spans: tuple[float, float], uses: tuple[float, ...] = ()) -> View:
    """A page that was shown in these spans; its showing is no sign of use here."""
    one = View("/a")
    for start, end in spans:
        one.show(start)
        one.hide(end)
    one.uses = list(uses)
    return one


def test_a_page_that_nobody_saw_was_never_visible() -> None:
    never = View("/a")
    never.hide(5)
    assert not never.seen
    assert never.visible() == 0
    assert never.engaged(30) == 0


def test_visible_time_is_the_sum_of_all_showings() -> None:
    assert view((0, 10), (30, 35)).visible() == 15


def test_showing_what_is_shown_changes_nothing_nor_does_hiding_what_is_hidden() -> None:
    twice = View("/a")
    for at in 1, 2:
        twice.show(at)
    for at in 5, 9:
        twice.hide(at)
    assert (twice.shown, twice.gone) == ([1], [5])
    assert twice.visible() == 4


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        pytest.param(0, 0, id="before it was shown"),
        pytest.param(5, 4, id="while it was shown"),
        pytest.param(20, 9, id="while it was hidden"),
        pytest.param(32, 11, id="after it was shown again"),
        pytest.param(99, 14, id="after all"),
    ],
)
def test_time_is_told_as_of_a_moment(until: float, seconds: float) -> None:
    assert view((1, 10), (30, 35), uses=(1, 30)).visible(until) == seconds
    assert view((1, 10), (30, 35), uses=(1, 30)).engaged(30, until) == seconds


def test_a_page_on_the_screen_is_visible_until_the_moment_asked_for() -> None:
    shown = View("/a")
    shown.show(2)
    assert shown.is_shown
    assert shown.visible(7) == 5
    assert shown.visible() == math.inf


def test_to_be_shown_is_a_sign_of_use_but_of_a_frame_it_is_none() -> None:
    page, frame = View("/a"), View("/inner")
    page.show(0)
    frame.show(0, used=False)
    assert page.engaged(3, 10) == 3
    assert frame.engaged(3, 10) == 0


@pytest.mark.parametrize(
    ("uses", "lasting", "seconds"),
    [
        pytest.param((), (), 0, id="never used"),
        pytest.param((10,), (), 5, id="one sign of use"),
        pytest.param((10, 12), (), 7, id="a sign while one holds"),
        pytest.param((12, 10), (), 7, id="signs in whatever order"),
        pytest.param((10, 30), (), 10, id="a sign after one has ended"),
        pytest.param((48,), (), 2, id="a sign that holds longer than the page is seen"),
        pytest.param((-2,), (), 3, id="a sign from before it was seen"),
        pytest.param((55,), (), 0, id="a sign while it was hidden"),
        pytest.param((), ((10, 30),), 25, id="use that lasts, and holds after its end"),
        pytest.param((), ((40, math.inf),), 30, id="use that lasts beyond hiding"),
        pytest.param((8, 28), ((10, 30),), 27, id="use that lasts, and signs about it"),
        pytest.param((12,), ((10, 30),), 25, id="use that lasts, and a sign within it"),
    ],
)
def test_engaged_time_is_the_union_of_all_use_while_the_page_was_seen(
    uses: tuple[float, ...], lasting: tuple[tuple[float, float], ...], seconds: float
) -> None:
    used = view((0, 50), (80, 100), uses=uses)
    used.lasting = list(lasting)
    assert used.engaged(5) == seconds


def test_what_is_laid_back_lasted_longer_however_young_the_clock_is() -> None:
    skipped = View("/a")
    skipped.show(5)
    skipped.lay_back(1800)
    skipped.hide(6)
    assert skipped.visible() == 1801
    assert skipped.engaged(30) == 30
