"""Very many beats: what a process holds in memory does not grow with them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pagetimer_wsgi.stores.base import open_store

from .flood import BEATS
from .hosts import VIEWER, drain
from .ledger import ALL, Counts, Ledger

WARM = 5
"""Twentieths after which all has been used once."""


# What is remembered of browsers fills up over the first half million beats, by some 8 MiB.
@pytest.mark.parametrize(
    ("number", "growth"), [(50_000, 16), pytest.param(1_000_000, 16, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("store", ["there", "away"])
def test_memory_does_not_grow_with_the_number_of_beats(
    store: str, number: int, growth: int, ledger: Ledger, tmp_path: Path
) -> None:
    place = tmp_path / "store"
    if store == "away":
        place.touch()  # where its folder should be
    data, url = tmp_path / "data", f"sqlite:///{place}/pagetimer.db"
    said = _flood(number, data, url)
    ledger.answers.update({int(status): count for status, count in said["answers"].items()})
    if store == "away":
        place.unlink()
    drain(data, url)
    ledger.counts = _count(number, ledger.answers[204], url)
    held = said["held"]
    ledger.notes.append(f"{held[0]:.1f}, {held[WARM]:.1f}, {held[-1]:.1f} MiB")
    assert ledger.answers[204] + ledger.answers[503] == number
    assert (ledger.counts.missing, ledger.counts.twice) == (0, 0), ledger.counts
    assert max(held) - held[WARM] < growth, held


def _flood(number: int, data: Path, url: str) -> Any:
    """Let ``flood.py`` take in so many beats, and return what it says."""
    options = {
        "PAGETIMER_DATA": str(data),
        "PAGETIMER_STORE": url,
        "PAGETIMER_SPOOL_LIMIT": "200 MiB",
        "PAGETIMER_TRUSTED_PROXIES": "1",
        "PAGETIMER_VIEWER_TOKEN": VIEWER,
    }
    inherited = {key: value for key, value in os.environ.items() if "PAGETIMER_" not in key}
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    run = subprocess.run(
        [sys.executable, "-m", "faults.flood", str(number)],
        env={**inherited, **options, "PYTHONPATH": path},
        cwd=data.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(run.stdout)


def _count(sent: int, accepted: int, url: str) -> Counts:
    with contextlib.closing(open_store(url, migrate=False)) as store:
        beats = sum(1 for _ in store.beats(ALL))
        views = sum(1 for _ in store.page_views(ALL))
    twice = max(0, beats - accepted) + max(0, views - sent // BEATS)
    return Counts(sent, accepted, beats, twice, max(0, accepted - beats), strange=0, wrong=0)
