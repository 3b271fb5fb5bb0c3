"""How fast what waits in the spool gets into the store, beside the least that could be done.

    python benchmarks/drain.py [--lines N] [--rounds N] [--long]

All sides by turns in one run on the same lines. README.rst beside this file says what they are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load.postgresql import Missing, serving_postgresql
from tables import show

ROWS = (
    ("SQLite", "bare SQLite"),
    ("SQLite", "ours"),
    ("SQLite", "ours in a busy process"),
    ("PostgreSQL", "bare COPY"),
    ("PostgreSQL", "ours"),
    ("PostgreSQL", "ours in a busy process"),
)
GOALS = {"SQLite": 0.3, "PostgreSQL": 0.4}
LONG = 1_000_000
NOTES = """\
bare SQLite   the lines decoded; keys and totals alone, two tables, no further index
bare COPY     the rows of both our tables, ready in memory, and all our indexes; no line is read
busy          beside two threads of the process that compute in Python all the while
of bare       our rate as a part of the bare side's in the same round; the median of all rounds
CPU           of the process, in microseconds a beat; PostgreSQL's server has its own

What bounds it. The bare sides: the database. Ours on SQLite: one thread, half of it Python, which
decodes, folds and joins; half SQLite, which finds what is there, and writes page views of 26
columns with five indexes, most of them twice, since their beats come in several batches. Ours on
PostgreSQL: the same, but its server and our thread wait for each other, so that their times add up;
and each new person and session is asked for, added, and asked for again.
In a busy process: the interpreter's lock, of which each thread has its third, and for which every
statement waits 5 ms."""


@dataclass
class Row:
    """What a side took, a value a round."""

    taken: dict[str, list[float]] = field(
        default_factory=lambda: {"rate": [], "cpu": [], "memory": []}
    )

    def add(self, taken: dict[str, float]) -> None:
        for name, value in taken.items():
            self.taken[name].append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.taken[name])

    def part_of(self, other: Row) -> float:
        rates = zip(self.taken["rate"], other.taken["rate"], strict=True)
        return statistics.median(mine / theirs for mine, theirs in rates)


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast what waits gets into the store.")
    parser.add_argument("--lines", type=int, default=200_000, help="that wait (200,000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (3)")
    parser.add_argument("--long", action="store_true", help=f"once more, with {LONG:,} lines")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        server = None
        try:
            server = stack.enter_context(serving_postgresql())
        except Missing as error:
            print(f"Without PostgreSQL: {error}")
        report(chosen.lines, measure(server, chosen.lines, chosen.rounds))
        if chosen.long:
            report(LONG, measure(server, LONG, 1))
    print(NOTES)


def measure(server: Any, lines: int, rounds: int) -> dict[tuple[str, str], Row]:
    """Give each side its turn in each round."""
    rows = {key: Row() for key in ROWS if server or key[0] == "SQLite"}
    for _ in range(rounds):
        for (where, side), row in rows.items():
            with tempfile.TemporaryDirectory() as folder:
                file = f"sqlite:///{folder}/pagetimer.db"
                url = file if where == "SQLite" else server.database()
                row.add(run(side, url, Path(folder), lines))
    return rows


def run(side: str, url: str, folder: Path, lines: int) -> dict[str, float]:
    """Let a side have a process, a spool and a database of its own."""
    program = str(Path(__file__).with_name("drain_sides.py"))
    done = subprocess.run(
        [sys.executable, program, side, url, folder, str(lines)], stdout=subprocess.PIPE, check=True
    )
    taken: dict[str, float] = json.loads(done.stdout)
    return taken


def report(lines: int, rows: dict[tuple[str, str], Row]) -> None:
    print(f"\n{lines:,} lines")
    show([["", "beats/s", "of bare", "CPU us", "memory MB"], *cells(rows)])
    for where, goal in GOALS.items():
        part = rows[where, "ours"].part_of(bare(where, rows)) if (where, "ours") in rows else goal
        if part < goal:
            print(f"Under the goal of {goal} on {where}.")


def cells(rows: dict[tuple[str, str], Row]) -> Iterator[list[str]]:
    for (where, side), row in rows.items():
        yield [
            f"{where}, {side}",
            f"{row.median('rate'):,.0f}",
            f"{row.part_of(bare(where, rows)):.2f}",
            f"{row.median('cpu') * 1e6:.1f}",
            f"{row.median('memory') / 1024:.0f}",
        ]


def bare(where: str, rows: dict[tuple[str, str], Row]) -> Row:
    return next(row for key, row in rows.items() if key[0] == where)


if __name__ == "__main__":
    main()
