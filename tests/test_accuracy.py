"""The measured time is true: the laboratory's scenarios, ours alone, at a quicker pace.

``python -m accuracy`` in ``benchmarks/`` has their full lengths, and the others beside us.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import pytest
from accuracy.ours import Ours
from accuracy.runs import Run, run
from accuracy.scenarios import SCENARIOS, Scenario
from accuracy.trackers import Unavailable
from accuracy.verdict import Ledger, about_median
from browser import chromium_path, require

PACE = 0.3
LANES = 5  # each mostly waits

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass(frozen=True)
class Runs:
    """The runs of those scenarios that are asked for, several at the same time."""

    browser: str
    lanes: ThreadPoolExecutor
    futures: dict[str, Future[Run]]

    def start(self, scenario: Scenario) -> None:
        self.futures[scenario.name] = self.lanes.submit(run, scenario, ours, self.browser, PACE)

    def ledger(self, name: str) -> Ledger:
        """Return what came of the scenario, as soon as it is there."""
        try:
            ledger = self.futures[name].result().ledger
        except Unavailable as error:
            require(False, str(error))
        assert ledger is not None
        return ledger

    def again(self, name: str) -> Ledger:
        """Let the scenario happen once more, alone."""
        wait(self.futures.values())
        self.start(BY_NAME[name])
        return self.ledger(name)


def ours(idle: int) -> Ours:
    return Ours(idle_after=idle)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    pytest.importorskip("websockets")
    pytest.importorskip("waitress")
    with ThreadPoolExecutor(LANES) as lanes:
        runs = Runs(chromium_path(), lanes, {})
        for test in request.session.items:
            if test.path == request.path and (name := asked_for(test)):
                runs.start(BY_NAME[name])
        yield runs
        lanes.shutdown(cancel_futures=True)


def asked_for(test: pytest.Item) -> str | None:
    """Return the name of the scenario that this test is about."""
    call = getattr(test, "callspec", None)
    return call and str(call.params["scenario"])


@pytest.mark.browser
@pytest.mark.parametrize("scenario", BY_NAME)
def test_the_measured_time_is_true_with(scenario: str, runs: Runs) -> None:
    try:
        complaints = list(runs.ledger(scenario).complaints())
    except (RuntimeError, TimeoutError) as error:
        complaints = [str(error)]
    known = BY_NAME[scenario].known
    if complaints and not known:  # half a second is soon lost on a busy machine
        complaints = list(runs.again(scenario).complaints())
    assert bool(complaints) == bool(known), "\n".join(complaints) or f"no more: {known}"


@pytest.mark.browser
def test_half_of_all_times_are_truer_still(runs: Runs) -> None:
    ledgers = [runs.ledger(name) for name, one in runs.futures.items() if not one.exception()]
    errors = [error for ledger in ledgers for error in ledger.errors()]
    assert not list(about_median(errors))
