"""How true the measured time is, beside what others tell of the same pages.

    cd benchmarks && python -m accuracy [--only TEXT] [--side NAME] [--pace N] [--lanes N]

Every scenario happens to every side, each time in a fresh browser. README.rst beside this file
says what the sides, the rows and the marks are.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from statistics import median

from tables import show

from .lab import CACHE
from .ours import Ours
from .runs import IDLE, Make, Run, run_all
from .scenarios import SCENARIOS
from .table import Runs, table
from .trackers import ALL, Unavailable, load
from .verdict import about_median

NAMES = (Ours.name, *ALL)


def main() -> None:
    chosen = arguments()
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("there is no chromium on this machine")
    makes = {name: make_of(name) for name in chosen.side or NAMES}
    sizes = dict(script_sizes(makes))
    there = {name: makes[name] for name in sizes}
    scenarios = [scenario for scenario in SCENARIOS if chosen.only in scenario.name]
    runs: Runs = {scenario.name: {} for scenario in scenarios}
    done = run_all(scenarios, there, browser, chosen.pace, chosen.lanes)
    for number, (scenario, side, one) in enumerate(done, 1):
        print(f"{number} of {len(runs) * len(there)}: {scenario}, {side}", file=sys.stderr)
        runs[scenario][side] = one
    report_table(runs, sizes)
    report_failures(runs)
    if Ours.name in there:
        sys.exit(report_ours({name: by_side[Ours.name] for name, by_side in runs.items()}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m accuracy", description="How true the measured time is."
    )
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--side", action="append", choices=NAMES, help="only this one; repeatable")
    parser.add_argument("--pace", type=float, default=1.0, help="of the scenarios' waits (1.0)")
    parser.add_argument("--lanes", type=int, default=3, help="browsers at the same time (3)")
    return parser.parse_args()


def make_of(name: str) -> Make:
    """Return what makes the side; what the others take for idleness is their own."""
    if name == Ours.name:
        return lambda idle: Ours(idle_after=idle)
    return lambda _: load(name, CACHE)


def script_sizes(makes: Mapping[str, Make]) -> Iterator[tuple[str, int]]:
    """Yield the bytes of each side's script, gzip -9; say which sides cannot be had here."""
    for name, make in makes.items():
        try:
            with closing(make(IDLE)) as side:
                yield name, len(gzip.compress(side.script, 9, mtime=0))
        except Unavailable as error:
            print(f"{name} is left out: {error}")


def report_table(runs: Runs, sizes: Mapping[str, int]) -> None:
    print("\nSeconds of each path's page views. The truth: visible time, and engaged time where it")
    print("is another; and what each side says. ! wrong  - no answer, or never seen  ? not tried")
    print("~ the end was cut off, and some of it may be missing: README.rst says how much")
    show(table(runs, sizes))


def report_failures(runs: Runs) -> None:
    for scenario, by_side in runs.items():
        for side, one in by_side.items():
            if not isinstance(one, Run):
                print(f"? {scenario}, {side}: {type(one).__name__}: {one}")


def report_ours(runs: Mapping[str, Run | BaseException]) -> int:
    """Print in what we miss our goals; return the status to exit with."""
    ledgers = {
        name: one.ledger for name, one in runs.items() if isinstance(one, Run) and one.ledger
    }
    errors = [(error, name) for name, ledger in ledgers.items() for error in ledger.errors()]
    seconds = [error for error, _ in errors]
    if errors:
        print(f"\n{Ours.name}, {len(errors)} times told by browsers that survived: median error")
        print(f"{median(seconds):.2f} s, greatest {max(errors)[0]:.2f} s ({max(errors)[1]}).")
    known = {scenario.name: scenario.known for scenario in SCENARIOS if scenario.known}
    complaints = list(about_median(seconds))
    for name, ledger in ledgers.items():
        for what in ledger.complaints():
            if name in known:
                print(f"Known, {name}: {what} ({known[name]})")
            else:
                complaints.append(f"{name}: {what}")
    print(f"{len(complaints)} complaints{':' if complaints else ''}", *complaints, sep="\n  ")
    return 1 if complaints or len(ledgers) < len(runs) else 0


if __name__ == "__main__":
    main()
