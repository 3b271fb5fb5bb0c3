"""kill -9 of random workers under load: accepted is in the store, and nothing twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from .hosts import hosting
from .ledger import Ledger
from .load import Load

KILLS = 5


@pytest.mark.parametrize(
    "server",
    [
        "gunicorn-sync",
        "gunicorn-gthread",
        "gunicorn-gevent",
        "gunicorn-preload",
        "uwsgi",
        "granian",
    ],
)
def test_what_was_accepted_outlives_the_worker_that_accepted_it(
    server: str, ledger: Ledger, tmp_path: Path
) -> None:
    choice = random.Random(server)
    with hosting(server, tmp_path) as host:
        with Load(host.port, ledger, most=6_000) as load:
            for _ in range(KILLS):
                load.wait_for(100)
                host.kill_a_worker(choice.randrange(100))
                time.sleep(choice.uniform(0.05, 0.3))
            load.wait_for(100)
        ledger.hold(host.store)
