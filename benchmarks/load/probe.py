"""How long a page of the host takes, asked for at a constant rate however long it takes."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

RATE = 100
"""Requests a second: few beside the beats."""
_THREADS = 40
_WAITS = 30.0


@dataclass
class Probe:
    """Asks for one page, again and again, until it is stopped.

    What it takes is counted from the moment at which it was to be asked for: a server that keeps
    one request waiting keeps all that come meanwhile waiting, too.

    :param took: moment and milliseconds of each answer
    :param failed: requests that were not answered, or by an error
    """

    port: int
    path: str
    took: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0
    _stopped: bool = False

    @contextlib.contextmanager
    def running(self) -> Iterator[Probe]:
        """Ask while the block runs."""
        began = time.monotonic()
        moments = (began + number / RATE for number in itertools.count())
        turn = threading.Lock()
        threads = [
            threading.Thread(target=self._ask, args=(moments, turn)) for _ in range(_THREADS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped = True
            for thread in threads:
                thread.join()

    def _ask(self, moments: Iterator[float], turn: threading.Lock) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_WAITS)
        while not self._stopped:
            with turn:
                planned = next(moments)
            time.sleep(max(0.0, planned - time.monotonic()))
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status >= 400
            except (OSError, http.client.HTTPException):
                connection.close()
                self.failed += 1
            self.took.append((planned, (time.monotonic() - planned) * 1000))
        connection.close()


def percentile(values: Sequence[float], share: float = 0.99) -> float:
    """Return the smallest value that at least this share does not exceed."""
    return sorted(values)[max(0, int(len(values) * share + 0.999999) - 1)]
