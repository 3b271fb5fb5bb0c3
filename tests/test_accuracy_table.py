"""The laboratory's table: what is printed of what was measured."""

from __future__ import annotations

import pytest
from accuracy.__main__ import arguments, make_of, report_failures, report_ours
from accuracy.runs import Run
from accuracy.side import Call
from accuracy.table import Runs, table
from accuracy.trackers import ALL
from accuracy.truth import View
from accuracy.verdict import Ledger
from tables import WIDTH, show


def seen(path: str, seconds: float) -> View:
    view = View(path)
    view.show(0)
    view.hide(seconds)
    return view


CALL = Call(0, "POST", "/beat", "a=1", {}, b"v=1")
VIEWS = [seen("/a", 12), seen("/b", 45), View("/never"), seen("/a", 3)]
RUNS: Runs = {
    "a page whose name is too long for one line": {
        "one": Run(VIEWS, [CALL], {"/a": 15.1, "/b": 45.0}, 30),
        "60 s ping": Run(VIEWS, [CALL, CALL], {"/a": 60.0, "/b": 30.0, "/never": 60.0}, 30),
    },
    # Whichever was done first.
    "short": {"60 s ping": Run([seen("/a", 1)], [CALL], {}, 30), "one": RuntimeError("no")},
}


def test_each_path_has_a_row_and_what_is_wrong_has_a_mark() -> None:
    assert table(RUNS, {"one": 100, "60 s ping": 200}) == [
        ["", "", "", "", "60 s"],
        ["", "", "truth", "one", "ping"],
        ["a page whose name is too", "/a", "15.0", "15.1", "!60.0"],
        ["long for one line", "/b", "45.0/30.0", "45.0", "!30.0"],
        ["", "/never", "-", "-", "!60.0"],
        ["short", "/a", "1.0", "?", "!-"],
        ["wrong answers", "", "", "0", "4"],
        ["requests", "", "", "1", "3"],
        ["bytes of requests", "", "", "28", "84"],
        ["bytes of script, gzip -9", "", "", "100", "200"],
    ]


def test_a_truth_that_was_cut_off_has_a_mark() -> None:
    killed = seen("/a", 12)
    killed.cut, killed.cut_by = 12, "kill"
    runs: Runs = {"killed": {"one": Run([killed], [], {"/a": 1.0}, 30)}}
    assert table(runs, {"one": 1})[2] == ["killed", "/a", "12.0~", "1.0"]


def test_engaged_time_is_right_for_who_tells_it() -> None:
    told = {"/a": 15.0, "/b": 30.0}
    assert Run(VIEWS, [], told, 30, tells_engaged=True).is_right("/b")
    assert not Run(VIEWS, [], told, 30).is_right("/b")


def test_a_name_longer_than_its_rows_goes_on_below_them() -> None:
    runs: Runs = {"a name that goes on and on and on": {"one": Run([seen("/a", 1)], [], {}, 30)}}
    assert table(runs, {"one": 1})[2:4] == [
        ["a name that goes on and on", "/a", "1.0", "!-"],
        ["and on", "", "", ""],
    ]


def test_the_whole_table_fits_its_width(capsys: pytest.CaptureFixture[str]) -> None:
    one = Run([seen("/front", 1800.4)], [CALL] * 9999, {"/front": 1900.0}, 30)
    names = ("pagetimer", *ALL)
    runs: Runs = {"a name that has as many letters as fit": dict.fromkeys(names, one)}
    show(table(runs, dict.fromkeys(names, 121_924)))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= WIDTH


def test_what_could_not_happen_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    report_failures(RUNS)
    assert capsys.readouterr().out == "? short, one: RuntimeError: no\n"


def test_our_complaints_are_printed_and_end_in_a_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    missed = Run(VIEWS, [], {}, 30, ledger=Ledger([seen("/a", 1)], [], [], 30))
    assert report_ours({"missed": missed}) == 1
    assert capsys.readouterr().out == (
        "1 complaints:\n  missed: /a: 1 page views were seen, and 0 are kept\n"
    )
    true = Run(VIEWS, [], {}, 30, ledger=Ledger([], [], [], 30))
    assert report_ours({"true": true}) == 0
    assert report_ours({"true": true, "failed": RuntimeError()}) == 1


@pytest.mark.parametrize("name", ["pagetimer", "60 s ping"])
def test_a_side_is_chosen_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["accuracy", "--side", name])
    assert arguments().side == [name]
    side = make_of(name)(30)
    try:
        assert side.name == name
    finally:
        side.close()
