"""What a side costs: CPU time of the thread that answers, all sides by turns."""

from __future__ import annotations

import gc
import random
import statistics
import time
from dataclasses import dataclass

from server import HTML, Application, Wrap, ask
from shapes import Shape
from sides import Side

REQUESTS = 10  # in one sample: the clock's own cost is shared among them
LEAST = 0.05  # of a total; a smaller difference is noise, and a ratio to it says nothing
# The table's columns: name -> the side whose time it is, the side whose time is taken off it.
COSTS = {
    "ours": ("ours", "bare"),
    "NR alone": ("NR alone", "bare"),
    "NR added": ("NR whole", "NR without"),
    "NR whole": ("NR whole", "bare"),
    "WebOb": ("WebOb", "bare"),
    "replace": ("replace", "bare"),
    "toolbar": ("toolbar", "bare"),
}


@dataclass(frozen=True)
class Row:
    """What one shape cost.

    :param totals: side -> microseconds a request
    :param untagged: the sides that put no tag into this page
    """

    name: str
    totals: dict[str, float]
    untagged: frozenset[str]

    def cost(self, column: str) -> float:
        side, base = COSTS[column]
        return self.totals[side] - self.totals[base]

    def is_untagged(self, column: str) -> bool:
        return COSTS[column][0] in self.untagged

    def ratio(self, column: str) -> float | None:
        """Our cost beside a column's, where that is large enough to tell."""
        cost, (side, _) = self.cost(column), COSTS[column]
        return self.cost("ours") / cost if cost > LEAST * self.totals[side] else None


def measure(shape: Shape, wraps: dict[Side, Wrap], rounds: int) -> Row:
    applications = {side: wrap(shape.application()) for side, wrap in wraps.items()}
    untagged = {side.name for side in wraps if lacks_tag(side, applications[side], shape)}
    medians(applications, 3)  # warms caches up
    totals = {side.name: median for side, median in medians(applications, rounds).items()}
    return Row(shape.name, totals, frozenset(untagged))


def lacks_tag(side: Side, application: Application, shape: Shape) -> bool:
    if side.tag is None or shape.content_type != HTML:
        return False
    return not side.tag.search(b"".join(ask(application)))


def medians(applications: dict[Side, Application], rounds: int) -> dict[Side, float]:
    """The sides' medians in microseconds; in every round each has its turn, in another order."""
    samples: dict[Side, list[float]] = {side: [] for side in applications}
    order = list(applications)
    gc.collect()
    gc.freeze()  # what the sides' packages hold is nobody's garbage
    for _ in range(rounds):
        random.shuffle(order)
        for side in order:
            samples[side].append(sample(applications[side]))
    gc.unfreeze()
    return {side: statistics.median(times) for side, times in samples.items()}


def sample(application: Application) -> float:
    """Microseconds of CPU time for one request."""
    begun = time.thread_time_ns()
    for _ in range(REQUESTS):
        for _chunk in ask(application):
            pass
    return (time.thread_time_ns() - begun) / REQUESTS / 1000
