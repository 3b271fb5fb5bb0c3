"""How a benchmark prints its tables."""

from __future__ import annotations

from collections.abc import Iterable

WIDTH = 118
"""Columns of the screen."""


def show(rows: Iterable[list[str]]) -> None:
    """Print rows of cells, the first cell of each to the left."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *rest in table:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        print(first.ljust(widths[0]), *cells, sep="  ")
