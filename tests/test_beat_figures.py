"""Health and metrics, through a whole ``PageTimer``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families
from webob import Request, Response

from pagetimer_wsgi import PageTimer

Make = Callable[..., PageTimer]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    timers = []

    def make(**options: Any) -> PageTimer:
        known = {"data": tmp_path / "data", "viewers": "ada"}
        timers.append(PageTimer(Response("page"), **(known | options)))
        return timers[-1]

    yield make
    for timer in timers:
        timer.close()


def beat(timer: PageTimer, number: int = 1) -> int:
    now = time.time_ns() // 1_000_000
    body = {"v": f"{now:012x}{number:020x}", "n": 0, "t": 0, "p": "/", "d": now}
    request = Request.blank("/_pagetimer/beat", method="POST", body=urlencode(body).encode())
    return request.get_response(timer).status_int


def get(timer: PageTimer, path: str, user: str | None = "ada", **headers: str) -> Response:
    environ = {"REMOTE_USER": user} if user else {}
    return Request.blank(f"/_pagetimer{path}", environ | headers).get_response(timer)


def metrics(timer: PageTimer) -> dict[str, tuple[str, float]]:
    """Every sample's type and value, as Prometheus reads them."""
    return {
        sample.name: (family.type, sample.value)
        for family in text_string_to_metric_families(get(timer, "/metrics").text)
        for sample in family.samples
    }


def test_health_shows_its_state_to_anybody_and_its_figures_to_viewers(make):
    timer = make(writer="off")
    assert (beat(timer), beat(timer, 2)) == (204, 204)
    Request.blank("/_pagetimer/beat", method="POST", body=b"no beat").get_response(timer)
    public = get(timer, "/health", user=None)
    assert public.json == {"state": "ok", "failing": []}
    assert public.headers["Cache-Control"] == "no-store"
    assert get(timer, "/health", user="bob").json == public.json
    seen = get(timer, "/health").json
    assert 0 <= seen.pop("oldest_waiting_age") < 60
    assert seen.pop("waiting_bytes") > 0
    assert seen == {
        "state": "ok",
        "failing": [],
        "accepted": 2,
        "waiting": 2,
        "waiting_is_exact": True,
        "stored": 0,
        "quarantined": 0,
        "refused": 1,
        "errors": 0,
        "last_error": None,
        "reasons": {},
    }


def test_what_is_stored_waits_no_more(make):
    timer = make()
    beat(timer)
    timer.flush()
    seen = get(timer, "/health").json
    assert (seen["accepted"], seen["stored"], seen["waiting"]) == (1, 1, 0)
    assert seen["oldest_waiting_age"] is None


def test_the_last_error_is_told_with_its_part_and_time_even_when_it_works_again(make, tmp_path):
    timer = make()
    database = tmp_path / "data" / "pagetimer.db"
    database.mkdir(parents=True)
    beat(timer)
    end = time.monotonic() + 10
    while get(timer, "/health").json["state"] == "ok" and time.monotonic() < end:
        time.sleep(0.05)
    seen = get(timer, "/health").json
    assert seen["failing"] == ["store"]
    assert str(database) in seen["reasons"]["store"]
    error = seen["last_error"]
    assert (error["part"], error["text"]) == ("store", seen["reasons"]["store"])
    ago = datetime.now(timezone.utc) - datetime.fromisoformat(error["at"])
    assert timedelta(0) <= ago < timedelta(minutes=1)
    database.rmdir()
    timer.close()
    assert get(timer, "/health").json["last_error"]["part"] == "store"


def test_figures_are_those_of_all_processes_dead_and_alive(make):
    timer = make(writer="off")
    beat(timer)
    child = os.fork()
    if child == 0:
        status = beat(timer, 2)
        timer.parts.spool.health.save(timer.parts.spool.process.folder_path)
        os._exit(status != 204)
    assert os.waitpid(child, 0)[1] == 0
    seen = get(timer, "/health").json
    assert (seen["accepted"], seen["waiting"]) == (2, 2)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("Bearer let-me-see-all-of-it", 200, id="bearer"),
        pytest.param("Basic eDpsZXQtbWUtc2VlLWFsbC1vZi1pdA==", 200, id="basic"),
        pytest.param("Bearer another-password", 403, id="another password"),
        pytest.param("Basic !!!", 403, id="no base64"),
        pytest.param("Basic \xe9", 403, id="no ASCII"),
        pytest.param("", 403, id="nothing"),
    ],
)
def test_metrics_are_for_viewers_alone(make, header, status):
    timer = make(viewer_token="let-me-see-all-of-it")
    answer = get(timer, "/metrics", user=None, HTTP_AUTHORIZATION=header)
    assert answer.status_int == status
    assert ("pagetimer_accepted_total" in answer.text) == (status == 200)


def test_metrics_are_the_same_figures_as_prometheus_reads_them(make):
    timer = make(writer="off")
    beat(timer)
    Request.blank("/_pagetimer/beat", method="POST", body=b"no beat").get_response(timer)
    timer.parts.spool.health.fails("page", "why")
    found = metrics(timer)
    ages = [found.pop(f"pagetimer_{name}")[1] for name in ("waiting_bytes", AGE, AT)]
    assert all(age > 0 for age in ages), ages
    assert found == {
        "pagetimer_accepted_total": ("counter", 1),
        "pagetimer_stored_total": ("counter", 0),
        "pagetimer_quarantined_total": ("counter", 0),
        "pagetimer_refused_total": ("counter", 1),
        "pagetimer_errors_total": ("counter", 1),
        "pagetimer_waiting_beats": ("gauge", 1),
        "pagetimer_failing": ("gauge", 1),
    }
    answer = get(timer, "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


AGE, AT = "oldest_waiting_age_seconds", "last_error_timestamp_seconds"


def test_where_nothing_waits_or_failed_the_gauges_say_0(make):
    found = metrics(make())
    assert found[f"pagetimer_{AGE}"] == found[f"pagetimer_{AT}"] == ("gauge", 0)


def test_a_spool_that_cannot_be_read_is_told_of_and_fails_nobody(make):
    timer = make(writer="off")
    folder = timer.parts.spool.folder
    folder.parent.mkdir(parents=True)
    folder.symlink_to(folder)  # leads nowhere, for root too
    assert beat(timer) == 503
    public, seen = get(timer, "/health", user=None), get(timer, "/health")
    assert (public.json["state"], public.json["failing"]) == ("failing", ["spool"])
    assert (seen.json["refused"], seen.json["waiting"]) == (1, None)
    assert metrics(timer)["pagetimer_failing"] == ("gauge", 1)
    assert "pagetimer_waiting_beats" not in metrics(timer)


GEVENT = """
import sys
from gevent import monkey; monkey.patch_all()
import gevent
from webob import Request
from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.spool import spool

native_sleep = monkey.get_original("time", "sleep")
figures_in = spool.figures_in

def slowly(*arguments):
    native_sleep(0.5)
    return figures_in(*arguments)

spool.figures_in = slowly
turns = 0

def turn():
    global turns
    while True:
        gevent.sleep(0.01)
        turns += 1

gevent.spawn(turn)
timer = PageTimer(lambda *call: [], data=sys.argv[1])
answer = Request.blank("/_pagetimer/health").get_response(timer)
assert answer.json["state"] == "ok", answer.json
timer.close()
print(turns)
"""


def test_under_gevent_others_go_on_while_figures_are_added_up(tmp_path):
    pytest.importorskip("gevent")
    command = [sys.executable, "-c", GEVENT, str(tmp_path)]
    environ = {name: value for name, value in os.environ.items() if "PAGETIMER" not in name}
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 1
