"""What taking beats in costs, beside an empty application and the two older packages.

    python benchmarks/ingest.py [--quick] [--rounds N] [--seconds N]

Real gunicorns on loopback, sent real beats by wrk, all sides by turns in one run. README.rst beside
this file says what the sides and the columns are.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from load.bodies import write_bodies
from load.busy import taken_and_stored
from load.neighbours import (
    HEAD,
    beside_a_store_that_is_away,
    beside_beats,
    frozen,
    locked,
)
from load.older.environment import Environment
from load.postgresql import Missing, serving_postgresql
from load.rounds import Course, compare
from load.sides import EMPTY, Side, plain_sides, storing_sides
from load.workers import MODES
from tables import show


@dataclass(frozen=True)
class Run:
    """What all parts of a run share.

    :param rounds: turns of each side
    :param seconds: that a turn lasts
    :param older: where the older packages run, if they take part
    :param server: PostgreSQL, where there is one
    """

    rounds: int
    seconds: int
    folder: Path
    bodies: Path
    older: Environment | None
    server: Any

    def sides(self, mode: str) -> list[Side]:
        """Return all sides, each that stores with a new database."""
        sides = plain_sides(self.folder / mode)
        for where, url in self.databases(mode):
            sides += storing_sides(where, url, self.folder / mode / where, self.older)
        return sides

    def ours(self, part: str) -> Iterator[tuple[str, str, Side]]:
        """Yield where ours stores, its address, and ours with nothing in it."""
        for where, url in self.databases(part):
            (side,) = storing_sides(where, url, self.folder / part / where, None)
            yield where, url, side

    def databases(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield a new database of each kind: what it is, and its address."""
        yield "SQLite", f"sqlite:///{self.folder}/{name}.db"
        if self.server is not None:
            yield "PostgreSQL", self.server.database()


def main() -> None:
    parser = argparse.ArgumentParser(description="What taking beats in costs.")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each side (4)")
    parser.add_argument("--seconds", type=int, default=2, help="that a turn lasts (2)")
    parser.add_argument("--quick", action="store_true", help="the first table alone, of ours")
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: it is Debian's package of that name")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagetimer-")))
        server = older = None
        try:
            server = stack.enter_context(serving_postgresql())
        except Missing as missing:
            print(f"Without PostgreSQL: {missing}.")
        if not chosen.quick:
            older = Environment(folder / "older")
        rounds, seconds = (1, 1) if chosen.quick else (chosen.rounds, chosen.seconds)
        run = Run(rounds, seconds, folder, write_bodies(folder / "bodies"), older, server)
        rates = {mode: compare_sides(run, mode) for mode in MODES}
        if not chosen.quick:
            report_busy(run)
            for mode, rate in rates.items():
                report_neighbours(run, mode, rate / 2)


def compare_sides(run: Run, mode: str) -> float:
    """Print the first table for one kind of worker; return what the empty application takes."""
    with ExitStack() as stack:
        courses = [
            Course(side, stack.enter_context(side.serve(mode, run.folder / mode / str(place))))
            for place, side in enumerate(run.sides(mode))
        ]
        compare(courses, run.bodies, run.rounds, run.seconds)
        print(f"\ngunicorn, 2 {mode} workers: beats a second, and microseconds of CPU for each")
        (base,) = (course.median("rate") for course in courses if course.side.name == EMPTY)
        head = ["", "beats/s", "from", "to", "of empty", "less writer", "CPU each", "writer's"]
        show([head, *(course.cells(base) for course in courses)])
        report_older(courses)
        for course in courses:
            print(course.accounts())
    return base


def report_older(courses: Sequence[Course]) -> None:
    rates = {course.side.name: course.median("rate") for course in courses}
    for name, rate in rates.items():
        package, _, where = name.rpartition(", ")
        if package and package != "ours":
            print(f"{where}: ours takes {rates[f'ours, {where}'] / rate:.1f} times {package}'s")


def report_busy(run: Run) -> None:
    print("\nOne gthread worker whose other threads compute: beats a second")
    rows = [["", "taken", "stored", "ratio"]]
    for where, _, side in run.ours("busy"):
        taken, stored = taken_and_stored(side, run.folder / "busy" / f"{where} serves", run.bodies)
        rows.append([side.name, f"{taken:.0f}", f"{stored:.0f}", f"{stored / taken:.1f}"])
    show(rows)


def report_neighbours(run: Run, mode: str, rate: float) -> None:
    print(f"\n2 {mode} workers, {rate:.0f} requests/s beside: half of what the empty one takes")
    for where, url, side in run.ours(f"{mode} beside"):
        serves = run.folder / f"{mode} beside" / f"{where} serves"
        felt = beside_beats(side, mode, serves, run.bodies, rate, run.rounds, run.seconds)
        away = partial(frozen, run.server)
        if where == "SQLite":
            away = partial(locked, Path(url.partition("///")[2]))
        felt += beside_a_store_that_is_away(side, mode, serves, run.bodies, rate, away)
        print(f"\n{side.name}")
        show([HEAD, *(each.cells() for each in felt)])
        refused = {each.while_what: each.refused for each in felt if each.refused}
        if refused:
            print(f"Not taken: {refused}. The log says: {(serves / 'log').read_text()}")


if __name__ == "__main__":
    main()
