"""``BoundedConnection``: a psycopg connection that no server can keep waiting for ever."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg

ANSWER_SECONDS = 30.0
"""How long a server may say nothing: longer than it may take for any statement of ours."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is given up when the server says nothing for :data:`ANSWER_SECONDS`.

    A server that is frozen or swapping keeps no time limit of its own, and its machine still
    acknowledges every packet, so that those of TCP never come to pass either.
    """

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
        """Do what psycopg's does, which wakes ``gen`` every tenth of a second, with an end."""
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer for {ANSWER_SECONDS:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
