"""Bad bodies and odd headers: no 5xx, nothing stored that is not a beat, no memory growth."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.who.keys import Keys
from pagetimer_wsgi.who.token import Token, hash_path, sign

from .hosts import Host, hosting
from .ledger import Ledger, beats_of_a_view
from .raw import FRAMES, send_raw
from .record import Record
from .site import page
from .strange import Strange, Stranger
from .watch import watching

SECRET = "the-secret-of-the-fault-tests"
OPTIONS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "behind a proxy": {
        "trusted_proxies": 1,
        "visitor": "cookie",
        "ip": "full",
        "query_parameters": "*",
        "fragments": "yes",
        "privacy_signals": "ignore",
        "rate_limit": 0,
    },
}


def _token(secret: str, user: str, made_at: int) -> str:
    here = hash_path(b"/tides")
    return sign(Keys([secret]), Token(user, "5" * 32, "/<place>", here, made_at))


def _tokens() -> tuple[str, ...]:
    """Return a right one, cut and changed ones, of another secret, of other times, and none."""
    now = int(time.time())
    times = (now, now + 86_400, 0, -(2**62))
    right, *others = (_token(SECRET, "ada", made_at) for made_at in times)
    forged = _token("another secret of some length", "eve", now)
    return (
        *(right, right[:-1], right[:20], right[1:], right.swapcase(), right + "\xe9"),
        *("2" + right[1:], *others, forged, "1.", "1", "\x00", "a" * 9_000),
    )


@dataclass
class Called:
    """A host without a server: it is called by itself."""

    timer: PageTimer
    record: Record

    def call(self, request: Strange) -> None:
        """Make a request, and hold what must hold of its answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            started.append((status, headers))

        chunks = self.timer(request.as_environ(), start_response)
        try:
            body = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        ((status, headers),) = started
        self.record.note(request, int(status[:3]))
        for text in (status, *(part for header in headers for part in header)):
            assert not re.search(r"[\x00-\x1f\x7f]|[^\x00-\xff]", text), (request, headers)
        about = dict(headers)
        assert not status.startswith("405") or about["Allow"], request
        if request.method != "HEAD" and "Content-Length" in about:
            assert int(about["Content-Length"]) == len(body), request

    def hold(self) -> None:
        """Hold that the store has what was accepted, and nothing else."""
        self.timer.flush(60)
        self.record.hold(self.timer.settings.store)


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS)
def called(
    request: pytest.FixtureRequest, store_url: str, ledger: Ledger, tmp_path: Path
) -> Iterator[Called]:
    options = {"data": tmp_path / "data", "store": store_url, "secret": SECRET}
    timer = PageTimer(page, **options, **request.param)
    yield Called(timer, Record(ledger))
    timer.close()


@pytest.mark.parametrize("number", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_no_change_of_a_request_gets_a_5xx_and_only_beats_are_stored(
    number: int, called: Called
) -> None:
    stranger = Stranger(number, _tokens())
    for _ in range(number):
        called.call(stranger.request())
    called.hold()


NUMBERS = st.one_of(
    st.integers(-2, 2**53 + 2), st.just(int(time.time() * 1000)), st.text("0123 -+e")
)
FIELDS = st.fixed_dictionaries(
    {
        "v": st.one_of(st.text("0123456789abcdef", min_size=32, max_size=32), st.text()),
        "n": NUMBERS,
        "t": NUMBERS,
        "p": st.one_of(st.text().map("/".__add__), st.text()),
        "d": NUMBERS,
    },
    optional={
        "e": NUMBERS,
        "l": NUMBERS,
        "r": st.text(),
        "w": st.sampled_from(("start", "leave", "never", "")),
        "k": st.text(),
        "x": st.text(),
    },
)
VALUES = ("", "7", "00", "+1", "1_0", "9007199254740993", "1e3", "%37", "%ff", "%2F%00", "%D9%A3")
MORE_PAIRS = st.lists(st.tuples(st.sampled_from("vntpdelrwk"), st.sampled_from(VALUES)))
BEAT = tuple(
    {"v": "0" * 32, "n": "1", "t": "2", "p": "/", "d": str(time.time_ns() // 10**6)}.items()
)
BODIES = st.one_of(
    st.tuples(st.permutations(BEAT), MORE_PAIRS).map(
        lambda both: "&".join(map("=".join, both[0] + both[1])).encode()
    ),
    FIELDS.map(lambda fields: urllib.parse.urlencode(fields, errors="surrogatepass").encode()),
    FIELDS.map(lambda f: "&".join(f"{k}={v}" for k, v in f.items()).encode(errors="replace")),
    st.binary(max_size=200),
)


@settings(
    max_examples=1_500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES)
def test_a_body_is_accepted_if_and_only_if_it_is_a_beat(body: bytes, called: Called) -> None:
    called.call(Strange("/beat", body))
    if called.record.ledger.answers.total() % 500 == 0:
        called.hold()


# --- from real servers ----------------------------------------------------------------------


@pytest.mark.parametrize("number", [200, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "server",
    [
        "gunicorn-sync",
        "gunicorn-gthread",
        "gunicorn-gevent",
        "waitress",
        "cheroot",
        "uwsgi",
        "granian",
    ],
)
def test_no_body_however_framed_gets_a_5xx_from_a_server(
    server: str, number: int, ledger: Ledger, tmp_path: Path
) -> None:
    stranger = Stranger(number)
    with hosting(server, tmp_path) as host:
        record = Record(ledger)
        for frame in FRAMES.values():
            for body in (beats_of_a_view(1)[0].body(), stranger.body()):
                status = send_raw(host.port, frame, body)
                # What the server does not know how to read it refuses by itself.
                if status not in (501, 505):
                    record.note(Strange("/beat", body, whole=frame.whole), status)
        with watching(host, ledger):
            before = _post(host, stranger, record, number)
            after = _post(host, stranger, record, number)
        record.hold(host.store)
    ledger.notes.append(f"{server}: {after - before:+.1f} MiB")
    assert after - before < 24  # a worker may have asked, or stored, nothing before


def _post(host: Host, stranger: Stranger, record: Record, number: int) -> float:
    """Post strange bodies, and return the MiB that the host then holds."""
    for _ in range(number):
        body = stranger.body()
        record.note(Strange("/beat", body), send_raw(host.port, FRAMES["right"], body))
    return host.memory()
