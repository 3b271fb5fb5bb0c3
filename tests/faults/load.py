"""Those who call a host while a fault happens: readers' clients, and one who only asks pages."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from dataclasses import dataclass, field

from .ledger import Ledger, SentBeat, beats_of_a_view

BEAT = "/_pagetimer/beat"
BEATS = 8
"""Beats of one page view."""


def ask(port: int, path: str = "/", timeout: float = 10.0) -> int:
    """Ask for a page, and return the answer's status; errors as :func:`post` raises them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def post(
    port: int,
    body: bytes,
    timeout: float = 10.0,
    path: str = BEAT,
    reader: str | None = None,
) -> int:
    """Post a body, and return the answer's status.

    :param reader: the address for which a proxy asks, if one does
    :raises OSError: if no whole answer came
    :raises http.client.HTTPException: likewise
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        headers = {"Content-Type": "text/plain;charset=UTF-8", "User-Agent": "a reader"}
        if reader:
            headers["X-Forwarded-For"] = reader
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def send(
    port: int,
    ledger: Ledger,
    beat: SentBeat,
    timeout: float = 10.0,
    reader: str | None = None,
    path: str = BEAT,
) -> int | None:
    """Send one beat, and note in the ledger what was answered; ``None``: nothing was."""
    ledger.send(beat)
    status: int | None = None
    with contextlib.suppress(OSError, http.client.HTTPException):
        status = post(port, beat.body(), timeout, path, reader=reader)
    ledger.answer(beat, status)
    return status


class Load:
    """Clients who send beats, each of one page view after the other, until the block ends.

    :param clients: how many at once
    :param pause: seconds that each waits after a beat
    :param most: beats in all, so that no load is without bounds
    :param path: where the beats go
    """

    def __init__(
        self,
        port: int,
        ledger: Ledger,
        clients: int = 4,
        pause: float = 0.0,
        most: int = 20_000,
        path: str = BEAT,
    ) -> None:
        self._port, self._ledger, self._path = port, ledger, path
        self._pause, self._most = pause, most
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, accepted: int, timeout: float = 90.0) -> None:
        """Return once so many more beats are accepted than now."""
        wanted = self._ledger.accepted + accepted
        end = time.monotonic() + timeout
        while self._ledger.accepted < wanted:
            assert time.monotonic() < end, f"only {self._ledger.answers} after {timeout} s"
            time.sleep(0.01)

    def _run(self) -> None:
        while not self._stop.is_set() and self._ledger.answers.total() < self._most:
            for beat in beats_of_a_view(BEATS):
                status = send(self._port, self._ledger, beat, path=self._path)
                # Who gets no answer waits: a worker that was killed is being replaced.
                if self._stop.wait(self._pause if status else max(self._pause, 0.05)):
                    return


@dataclass
class Pulse:
    """Someone who asks one page of the host again and again, and takes the time.

    :param times: seconds that each answer took
    :param statuses: what was answered; ``None``: nothing
    :param bodies: the different pages that came
    """

    port: int
    path: str = "/"
    pause: float = 0.01
    times: list[float] = field(default_factory=list)
    statuses: set[int | None] = field(default_factory=set)
    bodies: set[bytes] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Pulse:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def percentile(self, percent: int) -> float:
        """Return the milliseconds that so many percent of the answers did not exceed."""
        ordered = sorted(self.times)
        return 1000 * ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0.0

    def _run(self) -> None:
        while not self._stop.wait(self.pause):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            began = time.monotonic()
            try:
                connection.request("GET", self.path)
                response = connection.getresponse()
                self.bodies.add(response.read())
                self.statuses.add(response.status)
            except (OSError, http.client.HTTPException):
                self.statuses.add(None)
            finally:
                connection.close()
            self.times.append(time.monotonic() - began)
