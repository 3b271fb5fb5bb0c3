"""Answers as people and programs read them: words, terminal tables, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from ..stores.totals import Spread, Totals

UNKNOWN = "–"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SPREADS = ("total", "median", "p75", "p90")


def duration(milliseconds: int | None) -> str:
    """Return a time in words: ``12.4 s``, ``3 m 05 s``, ``2 h 05 m``; unknown: a dash."""
    if milliseconds is None:
        return UNKNOWN
    tenths = (milliseconds + 50) // 100
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    seconds = (milliseconds + 500) // 1000
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02} s"
    minutes = (milliseconds + 30_000) // 60_000
    return f"{minutes // 60} h {minutes % 60:02} m"


def inert(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterable[str]:
    """Yield the lines of a CSV file (RFC 4180); unknown is an empty cell."""
    for row in chain([heads], rows):
        line = io.StringIO()
        csv.writer(line).writerow(["" if cell is None else inert(cell) for cell in row])
        yield line.getvalue()


def report_heads(by: Sequence[str]) -> list[str]:
    """Return the column names of a report's CSV and JSON; times are milliseconds."""
    times = [f"{kind}_ms_{name}" for kind in ("visible", "engaged") for name in _SPREADS]
    return [*by, "page_views", "people", *times, "known_share"]


def report_row(row: Totals) -> list[Any]:
    """Return a row's cells, in the order of :func:`report_heads`."""
    times = [getattr(part, name) for part in (row.visible, row.engaged) for name in _SPREADS]
    return [*row.key.values(), row.page_views, row.people, *times, round(row.known, 4)]


def report_json(by: Sequence[str], rows: Iterable[Totals]) -> str:
    """Return a report as a JSON list of objects."""
    heads = report_heads(by)
    cells = [dict(zip(heads, report_row(row), strict=True)) for row in rows]
    return json.dumps(cells, indent=2, ensure_ascii=False)


def report_table(by: Sequence[str], rows: Sequence[Totals]) -> str:
    """Return a report as a table for a terminal."""
    heads = ["page" if name == "path" else name for name in by]
    heads += ["views", "people", "visible", "median", "90 %", "engaged", "median", "known"]
    cells = [
        [
            *(value if value is not None else UNKNOWN for value in row.key.values()),
            str(row.page_views),
            str(row.people),
            *_words(row.visible),
            *_words(row.engaged)[:2],
            f"{row.known:.0%}",
        ]
        for row in rows
    ]
    return table(heads, cells, len(by))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Return aligned columns, the first ``left`` of them to the left, with a line under heads."""
    widths = [max(len(line[i]) for line in (heads, *rows)) for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(heads), "  ".join("─" * width for width in widths), *map(line, rows)])


def _words(spread: Spread) -> list[str]:
    return [duration(spread.total), duration(spread.median), duration(spread.p90)]
