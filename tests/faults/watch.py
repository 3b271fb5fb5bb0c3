"""A viewer who looks at everything there is to see while a fault happens."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator

from .hosts import VIEWER, Host
from .ledger import Ledger

LOOKS = ("/", "/health", "/metrics", "/pagetimer.js", "/api/report", "/api/export")
OF_THE_STORE = frozenset(("/api/report", "/api/export"))


@contextlib.contextmanager
def watching(host: Host, ledger: Ledger, *, away: bool = False) -> Iterator[None]:
    """Look on until the block ends, and hold that whatever was asked for was there.

    :param away: whether the store may be away: what is read from it is then 503
    """
    seen: Counter[tuple[str, int]] = Counter()
    stop = threading.Event()
    thread = threading.Thread(target=_look, args=(host.port, seen, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    ledger.notes.append(f"{seen.total()} looks")
    assert {path for path, _ in seen} == set(LOOKS), f"only {seen} were seen"
    for path, status in seen:
        assert status == 200 or (away and status == 503 and path in OF_THE_STORE), seen


def _look(port: int, seen: Counter[tuple[str, int]], stop: threading.Event) -> None:
    while not stop.is_set() or not seen:
        for path in LOOKS:
            with contextlib.suppress(OSError, http.client.HTTPException):
                seen[path, _ask(port, path)] += 1
        time.sleep(0.05)


def _ask(port: int, path: str) -> int:
    """Return the answer's status; 500 for a failure that nobody has thought of."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {VIEWER}"}
        connection.request("GET", f"/_pagetimer{path}", headers=headers)
        response = connection.getresponse()
        # Also a 503, but no promised one.
        return 500 if b"Something of pagetimer failed" in response.read() else response.status
    finally:
        connection.close()
