"""Running: each scenario with each side, in a browser and on a site of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass

from .lab import ARRIVAL, laboratory
from .ours import Ours
from .scenarios import Scenario
from .side import Call, Side
from .truth import View
from .verdict import Ledger, engaged, is_right, visible

IDLE = 30
"""Seconds for which a sign of use holds at full pace: the product's default."""

Make = Callable[[int], Side]
"""Makes a side for one scenario; takes the seconds for which a sign of use holds."""


@dataclass(frozen=True)
class Run:
    """One scenario with one side: what was, and what the side said of it.

    :param views: the truth
    :param calls: what the side's scripts sent, and the server answered
    :param answers: path -> seconds
    :param idle: seconds for which a sign of use holds
    """

    views: Sequence[View]
    calls: Sequence[Call]
    answers: Mapping[str, float]
    idle: int
    tells_engaged: bool = False
    ledger: Ledger | None = None
    """What is to be judged beside the answers where the side is ours."""

    def paths(self) -> Iterable[str]:
        """Return the paths of which anything is true, or said."""
        return dict.fromkeys([*(view.path for view in self.views), *self.answers])

    def was_seen(self, path: str) -> bool:
        """Say whether anybody saw it."""
        return any(view.seen for view in self._of(path))

    def was_cut(self, path: str) -> bool:
        """Say whether a crash, a kill or the loss of the line cut off the end."""
        return any(view.cut_by for view in self._of(path))

    def visible(self, path: str) -> float:
        """Return the seconds in which the path's pages were on the screen."""
        return sum(view.visible(view.cut) for view in self._of(path))

    def engaged(self, path: str) -> float:
        """Return the seconds of them in which they were in use."""
        return sum(view.engaged(self.idle, view.cut) for view in self._of(path))

    def is_right(self, path: str) -> bool:
        """Say whether the answer about the path is right."""
        measures = [visible, engaged(self.idle)] if self.tells_engaged else [visible]
        return is_right(self.answers.get(path), self._of(path), self.calls, measures)

    def _of(self, path: str) -> list[View]:
        return [view for view in self.views if view.path == path]


def run(scenario: Scenario, make: Make, browser: str, pace: float = 1.0) -> Run:
    """Let the scenario happen to one side.

    :param browser: the path of a Chromium
    :param pace: what the scenario's waits are multiplied by
    """
    idle = max(1, round(IDLE * pace))
    with (
        closing(make(idle)) as side,
        laboratory(side, browser, *scenario.arguments, pace=pace, idle=idle) as lab,
    ):
        scenario.act(lab)
        time.sleep(ARRIVAL)
        calls, views = tuple(lab.site.calls), tuple(lab.views)
        ledger = None
        if isinstance(side, Ours):
            ledger = Ledger(views, side.page_views(), calls, idle)
        return Run(views, calls, side.answers(calls), idle, side.tells_engaged, ledger)


def run_all(
    scenarios: Iterable[Scenario],
    sides: Mapping[str, Make],
    browser: str,
    pace: float = 1.0,
    lanes: int = 1,
) -> Iterator[tuple[str, str, Run | BaseException]]:
    """Let every scenario happen to every side; yield each one's names as soon as it is done.

    :param lanes: how many run at the same time; each mostly waits
    """
    with ThreadPoolExecutor(lanes) as pool:
        futures = {
            pool.submit(run, scenario, make, browser, pace): (scenario.name, name)
            for scenario in scenarios
            for name, make in sides.items()
        }
        try:
            for future in as_completed(futures):
                yield *futures[future], future.exception() or future.result()
        finally:
            pool.shutdown(cancel_futures=True)
