"""Workers killed under load, or out of memory: accepted is in the store, and nothing twice."""

from __future__ import annotations

import contextlib
import http.client
import random
import time
from pathlib import Path

import pytest
from databases import PostgreSQL

from .hosts import Host, hosting
from .ledger import Ledger
from .load import Load, ask

KILLS = pytest.mark.parametrize("kills", [5, pytest.param(60, marks=pytest.mark.long)])


@KILLS
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
    server: str, kills: int, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting(server, tmp_path) as host:
        keep_killing(host, kills, ledger)


def keep_killing(host: Host, kills: int, ledger: Ledger) -> None:
    """Kill one worker after the other while clients send beats."""
    choice = random.Random(host.name)
    with Load(host.port, ledger, most=20_000 * kills) as load:
        for _ in range(kills):
            load.wait_for(100)
            host.kill_a_worker(choice.randrange(100))
            time.sleep(choice.uniform(0.05, 0.3))
        load.wait_for(100)
    ledger.hold(host.store)


@KILLS
@pytest.mark.parametrize("server", ["gunicorn-gthread", "uwsgi"])
def test_what_was_accepted_outlives_its_worker_on_its_way_to_postgresql(
    server: str, kills: int, postgresql: PostgreSQL, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting(server, tmp_path, store=postgresql.database()) as host:
        keep_killing(host, kills, ledger)


@KILLS
@pytest.mark.parametrize("how", ["die", "eat"])
@pytest.mark.parametrize("server", ["gunicorn-gthread", "uwsgi"])
def test_what_was_accepted_outlives_a_worker_that_was_killed_within_a_request_or_ran_out_of_memory(
    server: str, how: str, kills: int, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting(server, tmp_path) as host:
        with Load(host.port, ledger, most=20_000 * kills) as load:
            for _ in range(kills):
                load.wait_for(50)
                with contextlib.suppress(OSError, http.client.HTTPException):
                    ask(host.port, f"/{how}")
            load.wait_for(100)
        ledger.hold(host.store, refusals=True)
