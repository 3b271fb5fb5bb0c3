"""Rounds in which each side is sent beats in turn, and what each of them showed."""

from __future__ import annotations

import json
import random
import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .sides import VIEWER, Side
from .workers import Server

_SECONDS_TO_DRAIN = 120.0


@dataclass(frozen=True)
class Round:
    """One side's turn.

    :param answered: beats that were taken
    :param rate: of them a second
    :param cpu: microseconds of CPU time for each, without the writer's
    :param writer: what the writer took meanwhile, microseconds for each beat that was taken
    :param writer_wholly: what it took until all was stored
    :param refused: beats that were not taken
    """

    answered: int
    rate: float
    cpu: float
    writer: float
    writer_wholly: float
    refused: int

    @property
    def rate_without_writer(self) -> float:
        """What the rate would be if the writer's CPU time were somebody else's."""
        return self.rate * (self.cpu + self.writer) / self.cpu


@dataclass
class Course:
    """A side with its server, and its rounds so far."""

    side: Side
    server: Server
    rounds: list[Round] = field(default_factory=list)
    warm_up: int = 0

    def median(self, name: str) -> float:
        """Return the median of what its rounds showed."""
        return statistics.median(getattr(each, name) for each in self.rounds)

    def taken(self) -> int:
        """Return how many beats it took so far, as wrk counted them."""
        return self.warm_up + sum(each.answered for each in self.rounds)

    def run(self, bodies: Path, seconds: int, number: int) -> Round:
        """Give the side its turn."""
        writers = self.server.writers() if self.side.is_ours else set()
        before = self.server.cpu()
        sent = self.server.send(self.side.path, bodies, seconds, number)
        after = self.server.cpu()
        if self.side.is_ours:
            wait_until_stored(self.server)
        wholly = self.server.cpu()
        own = sum(wholly[task] - before[task] for task in writers)
        meanwhile = sum(after[task] - before[task] for task in writers)
        all_of_it = sum(after.values()) - sum(before.values())
        each = 1e6 / max(sent.answered, 1)
        return Round(
            answered=sent.answered,
            rate=sent.answered / sent.seconds,
            cpu=(all_of_it - meanwhile) * each,
            writer=meanwhile * each,
            writer_wholly=own * each,
            refused=sent.refused,
        )

    def cells(self, base: float) -> list[str]:
        """Return the row's cells.

        :param base: what the empty application takes a second
        """
        rates = [each.rate for each in self.rounds]
        ours = self.side.is_ours
        return [
            self.side.name,
            *(f"{rate:.0f}" for rate in (self.median("rate"), min(rates), max(rates))),
            f"{self.median('rate') / base:.3f}",
            f"{self.median('rate_without_writer') / base:.3f}" if ours else "-",
            f"{self.median('cpu'):.0f}",
            f"{self.median('writer_wholly'):.0f}" if ours else "-",
        ]

    def accounts(self) -> str:
        """Return what became of the beats."""
        refused = sum(each.refused for each in self.rounds)
        parts = [f"{self.taken()} taken", f"{refused} not taken"]
        if self.side.is_ours:
            parts.append(f"{figures(self.server)['accepted']} accepted")
        if self.side.count is not None:
            parts.append(f"{self.side.count()} in the store")
        return f"{self.side.name}: {', '.join(parts)}"


def compare(courses: Sequence[Course], bodies: Path, rounds: int, seconds: int) -> None:
    """Give each side its turn in each round, each time in another order."""
    for course in courses:
        course.warm_up = course.run(bodies, 1, number=0).answered
    for number in range(1, rounds + 1):
        for course in random.sample(courses, len(courses)):
            course.rounds.append(course.run(bodies, seconds, number * 1000))


def wait_until_stored(server: Server) -> None:
    """Wait until the store has all that the server accepted.

    :raises TimeoutError: if it takes too long
    """
    until = time.monotonic() + _SECONDS_TO_DRAIN
    time.sleep(1.2)  # each process tells the others once a second what it accepted
    while True:
        known = figures(server)
        if known["accepted"] <= known["stored"] + known["quarantined"]:
            return
        if time.monotonic() > until:
            raise TimeoutError(f"not stored in {_SECONDS_TO_DRAIN:.0f} s: {known}")
        time.sleep(0.1)


def figures(server: Server) -> dict[str, int]:
    """Return what our processes counted, together."""
    url = f"http://127.0.0.1:{server.port}/_pagetimer/health"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {VIEWER}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        known: dict[str, int] = json.load(answer)
    return known
