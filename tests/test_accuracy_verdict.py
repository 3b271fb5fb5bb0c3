"""The judgement: which answers are right, and what is complained of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
from accuracy.side import Call
from accuracy.truth import View
from accuracy.verdict import Due, Ledger, about_median, due, engaged, is_right, visible

from pagetimer_wsgi import PageView

CutBy = Literal["", "crash", "kill", "line"]


def seen(start: float, end: float, path: str = "/a", cut_by: CutBy = "") -> View:
    """A page that was seen from then till then, and used at its start."""
    view = View(path)
    view.show(start)
    if cut_by:
        view.cut, view.cut_by = end, cut_by
    if cut_by != "line":  # a reader without a line reads on
        view.hide(end)
    return view


def never(path: str = "/a") -> View:
    return View(path)


def call(at: float, body: bytes = b"") -> Call:
    return Call(at, "POST", "/_pagetimer/beat", "", {}, body)


def right(
    said: float | None, views: Sequence[View], heard: float = 99, *, tells_engaged: bool = False
) -> bool:
    measures = [visible, engaged(30)] if tells_engaged else [visible]
    return is_right(said, views, [call(heard)], measures)


# Any side


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        pytest.param(9.49, False, id="more than half a second too little"),
        pytest.param(9.51, True, id="less than half a second too little"),
        pytest.param(10.49, True, id="less than half a second too much"),
        pytest.param(10.51, False, id="more than half a second too much"),
        pytest.param(None, False, id="no answer"),
    ],
)
def test_a_page_seen_for_10_s_is_told_by(said: float | None, is_it: bool) -> None:
    assert right(said, [seen(0, 10)]) is is_it


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        pytest.param(None, True, id="no answer"),
        pytest.param(0.0, True, id="0 s"),
        pytest.param(0.1, False, id="more than 0 s"),
    ],
)
def test_a_page_that_nobody_saw_is_told_by(said: float | None, is_it: bool) -> None:
    assert right(said, [never()]) is is_it
    assert right(said, []) is is_it


@pytest.mark.parametrize(
    ("cut_by", "lasted", "least"),
    [
        pytest.param("crash", 12, 10.8, id="1.2 s, after a tab's crash"),
        pytest.param("kill", 40, 10, id="30 s, after a browser's end"),
        pytest.param("kill", 200, 150, id="a quarter, after a browser's end that came late"),
    ],
)
def test_there_may_be_missing(cut_by: CutBy, lasted: float, least: float) -> None:
    views = [seen(0, lasted, cut_by=cut_by)]
    assert right(least + 0.01, views)
    assert not right(least - 0.01, views)
    assert right(lasted + 0.49, views)
    assert not right(lasted + 0.51, views)


def test_without_fetch_later_10_s_may_be_missing_after_a_browsers_end() -> None:
    expected = due([seen(0, 30, cut_by="kill")], [], gap=10)
    assert expected.allows(20.01)
    assert not expected.allows(19.99)


def test_without_its_line_a_page_is_told_as_of_the_last_call_that_arrived() -> None:
    views = [seen(0, 20, cut_by="line")]
    assert right(7.0, views, heard=7)
    assert not right(8.0, views, heard=7)
    assert not right(6.0, views, heard=7)
    assert right(20.0, views, heard=25), "a call after the cut tells of no more"


def test_page_views_of_one_path_count_together() -> None:
    views = [seen(0, 10), never(), seen(50, 55), seen(60, 66, cut_by="crash")]
    assert due(views, []) == Due(21, pytest.approx(0.7))


def test_the_nearer_of_both_times_counts_for_who_tells_engaged_time() -> None:
    views = [seen(0, 45)]
    for said, is_it in (30.4, True), (45.4, True), (37.0, False):
        assert right(said, views, tells_engaged=True) is is_it
    assert not right(30.4, views)


# Ours


def kept(lasted: float, path: str = "/a", number: int = 1, **changes: Any) -> PageView:
    """What we keep of a page view of so many seconds."""
    fields: dict[str, Any] = {
        "view_id": f"{number:032x}",
        "kind": "page",
        "path": path,
        "first_seq": 0,
        "last_seq": 1,
        "started_at": number,
        "last_seen_at": number,
        "visible_ms": int(lasted * 1000),
        "engaged_ms": int(lasted * 1000),
        "ended": "exact",
    }
    return PageView(**fields | changes)


def beats(*moments: float, number: int = 1) -> list[Call]:
    return [call(at, f"v={number:032x}&n=0".encode()) for at in moments]


def complaints(
    views: Sequence[View], page_views: Sequence[PageView], calls: Sequence[Call], gap: float = 30
) -> list[str]:
    return list(Ledger(views, page_views, calls, 30, gap).complaints())


def test_nothing_is_complained_of_where_all_is_true() -> None:
    views = [seen(0, 10), never("/unseen"), seen(10, 15, "/b"), seen(15, 25)]
    page_views = [kept(10), kept(5, "/b", 2), kept(10, "/a", 3)]
    calls = [*beats(0, 10), *beats(10, 15, number=2), *beats(15, 25, number=3)]
    assert complaints(views, page_views, calls) == []


@pytest.mark.parametrize(
    ("page_view", "complaint"),
    [
        pytest.param(kept(9.3, engaged_ms=10_000), "visible time is 9.30 s", id="too little"),
        pytest.param(kept(10.6, engaged_ms=10_000), "visible time is 10.60 s", id="too much"),
        pytest.param(kept(10, engaged_ms=7000), "engaged time is 7.00 s", id="too little use"),
        pytest.param(kept(10, engaged_ms=None), "engaged time is unknown", id="unknown use"),
        pytest.param(kept(10, ended="at least"), "kept as «at least»", id="an open end"),
    ],
)
def test_it_is_complained_of(page_view: PageView, complaint: str) -> None:
    (told,) = complaints([seen(0, 10)], [page_view], beats(0, 10))
    assert told.startswith("/a: ")
    assert complaint in told


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_and_too_many_page_views_are_complained_of(count: int) -> None:
    views = [seen(0, 10), seen(20, 30)]
    page_views = [kept(10, number=number) for number in range(1, count + 1)]
    assert complaints(views, page_views, []) == [
        f"/a: 2 page views were seen, and {count} are kept"
    ]


def test_a_page_view_of_a_page_that_nobody_saw_is_complained_of() -> None:
    told = complaints([never()], [kept(0), kept(0, "/c", 2)], [])
    assert told == [
        "/a: 0 page views were seen, and 1 are kept",
        "/c: 0 page views were seen, and 1 are kept",
    ]


def test_page_views_of_one_path_are_judged_each_by_itself() -> None:
    views = [seen(20, 25), seen(0, 10)]  # whatever order they are told in
    assert complaints(views, [kept(10), kept(5, number=2)], []) == []
    told = complaints(views, [kept(5), kept(10, number=2)], [])
    assert [complaint.split(":")[0] for complaint in told] == ["/a, 1 of 2"] * 2 + [
        "/a, 2 of 2"
    ] * 2


@pytest.mark.parametrize(
    ("spans", "allowed", "last"),
    [
        pytest.param([(0, 10)], 2, 10, id="a start and an end"),
        pytest.param([(0, 10), (20, 30)], 3, 30, id="one more, hidden once"),
        pytest.param([(0, 10)], 3, 15, id="one more, left while hidden"),
        pytest.param([(0, 61)], 4, 61, id="two more, visible for over a minute"),
    ],
)
def test_requests_are_counted(spans: list[tuple[float, float]], allowed: int, last: float) -> None:
    view = View("/a")
    for start, end in spans:
        view.show(start)
        view.hide(end)
    page_view = kept(view.visible(), engaged_ms=int(view.engaged(30) * 1000))
    others = beats(*range(20), number=2)
    assert complaints([view], [page_view], [*beats(*[last] * allowed), *others]) == []
    assert complaints([view], [page_view], beats(*[last] * (allowed + 1))) == [
        f"/a: {allowed + 1} requests are more than {allowed}"
    ]


def test_without_fetch_later_a_request_each_10_s_is_no_fault() -> None:
    assert complaints([seen(0, 25)], [kept(25)], beats(0, 10, 20, 25), gap=10) == []


def test_beats_of_a_page_view_are_known_by_what_its_wrong_clock_leaves_of_its_id() -> None:
    page_view = kept(10, view_id="f" * 12 + f"{1:020x}")
    assert len(complaints([seen(0, 10)], [page_view], beats(0, 5, 10))) == 1


@pytest.mark.parametrize(
    ("page_view", "is_it_right"),
    [
        pytest.param(kept(20, ended="at least"), True, id="20 s at least"),
        pytest.param(kept(20), False, id="20 s exactly"),
        pytest.param(kept(40, engaged_ms=30_000), True, id="40 s exactly"),
    ],
)
def test_of_a_browser_killed_after_40_s_it_may_be_said(
    page_view: PageView, is_it_right: bool
) -> None:
    told = complaints([seen(0, 40, cut_by="kill")], [page_view], beats(0, 20))
    assert (told == []) is is_it_right


def test_errors_are_those_of_browsers_that_survived() -> None:
    views = [seen(0, 10), seen(10, 50, "/b", "kill"), seen(50, 60, "/c", "line")]
    page_views = [kept(10.1), kept(20, "/b", 2), kept(4, "/c", 3)]
    calls = beats(53.8, number=3)
    errors = Ledger(views, page_views, calls, 30).errors()
    assert errors == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_half_of_the_errors_may_be_greater_than_a_quarter_of_a_second() -> None:
    assert not list(about_median([]))
    assert not list(about_median([0.1, 0.2, 9]))
    assert list(about_median([0.1, 0.3, 0.4])) == ["the median error is 0.30 s"]
