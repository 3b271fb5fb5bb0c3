"""Answers in words, tables and files; periods of whole days."""

import pytest

from pagetimer_wsgi.reports.formats import as_csv, duration, inert, table
from pagetimer_wsgi.reports.questions import Period


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (12_449, "12.4 s"),
        (59_949, "59.9 s"),
        (59_950, "1 m 00 s"),
        (185_000, "3 m 05 s"),
        (3_599_499, "59 m 59 s"),
        (7_500_000, "2 h 05 m"),
    ],
)
def test_a_time_is_said_in_words(milliseconds, words):
    assert duration(milliseconds) == words


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(text):
    assert inert(text) == "'" + text


@pytest.mark.parametrize("cell", ["a=b", "", "/-", -5, None])
def test_a_cell_that_is_no_formula_stays(cell):
    assert inert(cell) == cell


def test_unknown_is_an_empty_cell_and_commas_are_quoted():
    assert list(as_csv(["a", "b"], [[None, 'x,"y"']])) == ["a,b\r\n", ',"x,""y"""\r\n']


def test_a_table_is_aligned():
    assert table(["page", "n"], [["/a", "10"], ["/long", "1"]], 1).splitlines() == [
        "page    n",
        "─────  ──",
        "/a     10",
        "/long   1",
    ]


def test_a_period_is_whole_days_of_its_zone():
    query = Period.of("2026-03-29", "2026-03-29", "Europe/Berlin").query()
    assert query.started_to - query.started_from == 23 * 3_600_000


def test_a_period_without_a_beginning_is_thirty_days_long():
    period = Period.of(None, "2026-01-30", "UTC")
    assert (period.first.isoformat(), period.title) == ("2026-01-01", "1 Jan to 30 Jan 2026 (UTC)")


def test_a_period_over_a_new_year_says_both_years():
    assert Period.of("2025-12-31", "2026-01-01", "UTC").title == ("31 Dec 2025 to 1 Jan 2026 (UTC)")


@pytest.mark.parametrize(
    ("first", "last"), [("x", None), (None, "x"), ("2026-01-02", "2026-01-01")]
)
def test_a_period_that_is_none_is_refused(first, last):
    with pytest.raises(ValueError, match=r"date|before"):
        Period.of(first, last, "UTC")
