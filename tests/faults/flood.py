"""A host that takes in very many beats: ``python -m faults.flood NUMBER``, options by environment.

Every page view is another reader's; they have 9,000 addresses, and every tenth a browser of its
own.
Prints, as JSON, what was answered and the MiB held after each twentieth part.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter

from .ledger import beats_of_a_view
from .memory import memory
from .site import application
from .strange import Strange

BEATS = 10
"""Of each page view."""
VIEWER = {"HTTP_AUTHORIZATION": f"Bearer {os.environ.get('PAGETIMER_VIEWER_TOKEN')}"}


def ask(request: Strange) -> int:
    """Make a request of the site, and return the answer's status."""
    statuses = []

    def start_response(status: str, headers: object, *error: object) -> None:
        statuses.append(int(status[:3]))

    chunks = application(request.as_environ(), start_response)
    b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return statuses[0]


def visit(number: int) -> Counter[int]:
    """Let one reader see one page, and return what was answered to the beats."""
    reader = {
        "HTTP_X_FORWARDED_FOR": f"192.88.{number % 9_000 // 250}.{number % 250}",
        "HTTP_USER_AGENT": f"Mozilla/5.0 (X11; Linux) Firefox/{number // 10}",
        "REMOTE_USER": f"reader {number}",
    }
    page = Strange(f"/page/{number % 100}", b"", "GET", reader | {"PATH_INFO": "/"})
    assert ask(page) == 200
    return Counter(ask(Strange("/beat", b.body(), environ=reader)) for b in beats_of_a_view(BEATS))


def main(number: int) -> None:
    """Take in so many beats."""
    held, answers = [], Counter()
    for part in range(20):
        for each in range(number // BEATS // 20):
            answers += visit(part * number // BEATS // 20 + each)
        if part == 0:
            with contextlib.suppress(TimeoutError):  # where the store is away
                application.flush(3)  # what storing takes is held from now on
        for look in ("/health", "/metrics", "/"):
            assert ask(Strange(look, b"", "GET", VIEWER)) == 200, look
        held.append(memory())
    json.dump({"answers": answers, "held": held}, sys.stdout)
    application.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
