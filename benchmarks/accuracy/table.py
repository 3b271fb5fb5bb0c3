"""The table: a row for each path of each scenario, a column for each side."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from .runs import Run

NAME = 28
"""Columns that a scenario's name may take; longer ones go on in the next line."""

Runs = dict[str, dict[str, Run | BaseException]]
"""Scenario -> side -> what came of it, or why nothing did."""


def table(runs: Runs, script_sizes: Mapping[str, int]) -> list[list[str]]:
    """Return rows of cells.

    :param script_sizes: side -> bytes; the sides in the columns' order
    """
    heads = ["", "", "truth", *script_sizes]
    above, below = zip(*(head.rpartition(" ")[::2] for head in heads), strict=True)
    return [
        list(above),
        list(below),
        *(row for name in runs for row in _rows(name, [runs[name][side] for side in script_sizes])),
        *([what, "", "", *_sums(runs, script_sizes, number)] for what, number in SUMS.items()),
        ["bytes of script, gzip -9", "", "", *map(str, script_sizes.values())],
    ]


SUMS: Mapping[str, Callable[[Run], int]] = {
    "wrong answers": lambda one: sum(not one.is_right(path) for path in one.paths()),
    "requests": lambda one: len(one.calls),
    "bytes of requests": lambda one: sum(call.size for call in one.calls),
}
"""What stands below, summed over all scenarios."""


def _sums(runs: Runs, sides: Iterable[str], number: Callable[[Run], int]) -> Iterator[str]:
    for side in sides:
        there = (by_side[side] for by_side in runs.values())
        yield str(sum(number(one) for one in there if isinstance(one, Run)))


def _rows(scenario: str, runs: Sequence[Run | BaseException]) -> Iterator[list[str]]:
    there = [one for one in runs if isinstance(one, Run)]
    paths = dict.fromkeys(path for one in there for path in one.paths())
    names = textwrap.wrap(scenario, NAME)
    for name, path in zip_longest(names, paths or ["?"], fillvalue=""):
        if path:
            cells = (cell(one, path) for one in runs)
            yield [name, path, truth(there[0], path) if there else "?", *cells]
        else:
            yield [name, "", "", *("" for _ in runs)]


def truth(one: Run, path: str) -> str:
    """Return visible time, engaged time where that is another, and whether the end was cut off."""
    if not one.was_seen(path):
        return "-"
    visible, engaged = (f"{seconds(path):.1f}" for seconds in (one.visible, one.engaged))
    cut = "~" if one.was_cut(path) else ""
    return (visible if visible == engaged else f"{visible}/{engaged}") + cut


def cell(one: Run | BaseException, path: str) -> str:
    """Return the answer, marked where it is wrong."""
    if not isinstance(one, Run):
        return "?"
    said = one.answers.get(path)
    return f"{'' if one.is_right(path) else '!'}{'-' if said is None else f'{said:.1f}'}"
