"""What putting the tag into a page costs, beside what other injectors cost.

    python benchmarks/injection.py [--rounds N] [--only TEXT]

CPU time of the thread that answers, all sides by turns in one run on the same pages. README.rst
beside this file says what the sides and the columns are.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable
from contextlib import ExitStack

from costs import COSTS, Row, measure
from decoys import CASES, judge
from first_bytes import BODY, HEAD, pieces_before_first_bytes
from server import Wrap
from shapes import make_shapes
from sides import SIDES, Side, prepare
from tables import WIDTH, show

GOAL = 0.6  # of New Relic's cost
NEW_RELIC = ("NR alone", "NR added", "NR whole")
RATIOS = (*NEW_RELIC, "replace")  # ours is set beside these


def main() -> None:
    parser = argparse.ArgumentParser(description="What putting the tag into a page costs.")
    parser.add_argument("--rounds", type=int, default=60, help="samples of each side (60)")
    parser.add_argument("--only", default="", help="only shapes whose name contains this")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        wraps = prepare(SIDES, stack)
        shapes = [shape for shape in make_shapes() if chosen.only in shape.name]
        if shapes:
            report_costs([measure(shape, wraps, chosen.rounds) for shape in shapes])
        report_decoys(wraps)
        report_first_bytes(wraps)


def report_costs(rows: list[Row]) -> None:
    print("\nCPU time in microseconds a request, medians: of the bare application, and what each")
    print("side adds to it. The last columns: our cost as a part of another's.")
    columns = [name for name, sides in COSTS.items() if rows[0].totals.keys() >= set(sides)]
    ratios = [name for name in RATIOS if name in columns]
    heads = ["bare", *columns, *(f"of {name}" for name in ratios)]
    above, below = zip(*(name.rpartition(" ")[::2] for name in heads), strict=True)
    show([["", *above], ["", *below], *(cells(row, columns, ratios) for row in rows)])
    if any(row.untagged for row in rows):
        print("! this side puts no tag into this page")
    for name in NEW_RELIC:
        if name in columns:
            report_misses(rows, name)


def cells(row: Row, columns: Iterable[str], ratios: Iterable[str]) -> list[str]:
    costs = (f"{'!' * row.is_untagged(name)}{row.cost(name):.1f}" for name in columns)
    found = map(row.ratio, ratios)
    parts = ("-" if ratio is None else f"{ratio:.2f}" for ratio in found)
    return [row.name, f"{row.totals['bare']:.1f}", *costs, *parts]


def report_misses(rows: list[Row], column: str) -> None:
    ratios = {row.name: ratio for row in rows if (ratio := row.ratio(column)) is not None}
    missed = [f"{shape} ({ratio:.2f})" for shape, ratio in ratios.items() if ratio > GOAL]
    text = f"Over {GOAL} of {column}, of {len(ratios)} shapes: {'; '.join(missed) or 'none'}."
    print(textwrap.fill(text, WIDTH, subsequent_indent="  "))


def report_decoys(wraps: dict[Side, Wrap]) -> None:
    print("\nIs the tag in the right place: between two elements of the head, once?")
    verdicts = {side.name: judge(side.tag, wrap) for side, wrap in wraps.items() if side.tag}
    rows = [
        [case, *("yes" if right[case] else "no" for right in verdicts.values())] for case in CASES
    ]
    counts = [f"{sum(right.values())} of {len(CASES)}" for right in verdicts.values()]
    show([["", *verdicts], *rows, ["right", *counts]])


def report_first_bytes(wraps: dict[Side, Wrap]) -> None:
    print(f"\nA head yielded in {HEAD} slow pieces: after how many of them, and of")
    print(f"{BODY} more of the body, do the first bytes go out?")
    counts = {side.name: str(pieces_before_first_bytes(wrap)) for side, wrap in wraps.items()}
    show([list(counts), list(counts.values())])


if __name__ == "__main__":
    main()
