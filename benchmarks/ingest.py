"""What taking beats in costs, beside an empty application and the two older packages.

    python benchmarks/ingest.py [--quick] [--rounds N]

Real gunicorns on loopback, sent real beats by wrk, all sides by turns in one run. README.rst beside
this file says what the sides and the columns are.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from load.bodies import write_bodies
from load.older.environment import Environment
from load.postgresql import Missing, serving_postgresql
from load.rounds import Course, compare
from load.sides import EMPTY, Side, plain_sides, storing_sides
from load.workers import MODES
from tables import show


def main() -> None:
    parser = argparse.ArgumentParser(description="What taking beats in costs.")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (5)")
    parser.add_argument("--seconds", type=int, default=3, help="that a turn lasts (3)")
    parser.add_argument("--quick", action="store_true", help="one short turn, ours alone")
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: it is Debian's package of that name")
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagetimer-")))
        bodies = write_bodies(folder / "bodies")
        older = None if chosen.quick else Environment(folder / "older")
        server = None
        try:
            server = stack.enter_context(serving_postgresql())
        except Missing as error:
            print(f"Without PostgreSQL: {error}.")
        for mode in MODES:
            sides = plain_sides(folder / mode)
            url = f"sqlite:///{folder}/{mode}.db"
            sides += storing_sides("SQLite", url, folder / mode / "sqlite", older)
            if server is not None:
                url = server.database()
                sides += storing_sides("PostgreSQL", url, folder / mode / "postgresql", older)
            report(mode, run(sides, mode, folder, bodies, chosen.rounds, chosen.seconds))


def run(
    sides: Sequence[Side], mode: str, folder: Path, bodies: Path, rounds: int, seconds: int
) -> list[Course]:
    with ExitStack() as stack:
        courses = [
            Course(side, stack.enter_context(side.serve(mode, folder / mode / str(place))))
            for place, side in enumerate(sides)
        ]
        compare(courses, bodies, rounds, seconds)
        for course in courses:
            course.account = course.accounts()
        return courses


def report(mode: str, courses: Sequence[Course]) -> None:
    empty = next(course for course in courses if course.side.name == EMPTY)
    base = empty.median("rate")
    print(f"\ngunicorn, 2 {mode} workers:")
    head = ["", "beats/s", "from", "to", "of empty", "without writer", "us each", "writer's"]
    rows = [head]
    for course in courses:
        rates = [each.rate for each in course.rounds]
        rows.append(
            [
                course.side.name,
                f"{course.median('rate'):.0f}",
                f"{min(rates):.0f}",
                f"{max(rates):.0f}",
                f"{course.median('rate') / base:.2f}",
                f"{course.median('rate_without_writer') / base:.2f}",
                f"{course.median('cpu'):.0f}",
                f"{course.median('writer_wholly'):.0f}" if course.side.is_ours else "-",
            ]
        )
    show(rows)
    for course in courses:
        refused = sum(each.refused for each in course.rounds)
        if refused or course.account:
            print(f"{course.side.name}: {course.account or 'nothing is kept'}; {refused} refused")


if __name__ == "__main__":
    main()
