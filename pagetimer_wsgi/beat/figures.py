"""``GET prefix/health`` and ``GET prefix/metrics``: how it goes on this host."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from webob import Request, Response
from webob.exc import HTTPForbidden

from ..spool import threads
from ..spool.health import Failure, Figures
from ..spool.spool import Spool
from ..spool.waiting import Waiting, what_waits
from .sender import Environ

_COUNTERS = {
    "accepted": "Beats that were answered with 204, and are kept.",
    "stored": "Beats that the store has taken; what was replayed counts again.",
    "quarantined": "Lines put into quarantine, for no store can take them as they are.",
    "refused": "Calls that were answered with 4xx or 503.",
    "errors": "Errors of pagetimer itself; the log tells each part's at most once a minute.",
}
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class HealthEndpoint:
    """The state for anybody, the figures for viewers; of all processes of this host."""

    def __init__(self, spool: Spool, may_view: Callable[[Environ], bool]) -> None:
        self._spool = spool
        self._may_view = may_view

    def __call__(self, request: Request) -> Response:
        figures = _counted(self._spool)
        answer: dict[str, object] = {
            "state": "failing" if figures.failing else "ok",
            "failing": sorted(figures.failing),
        }
        if self._may_view(request.environ):
            answer |= _in_full(figures) | _what_waits(self._spool)
        return Response(json_body=answer, cache_control="no-store")


def _counted(spool: Spool) -> Figures:
    """Return what the host's processes counted; this one alone, where others cannot be asked."""
    try:
        return threads.beside(spool.figures)
    except OSError as error:
        spool.health.fails("spool", f"it cannot be read: {error}")
        return spool.health.figures


def _waiting(spool: Spool) -> Waiting | None:
    with contextlib.suppress(OSError):  # which the figures tell of
        return threads.beside(lambda: what_waits(spool.folder))
    return None


def _what_waits(spool: Spool) -> dict[str, object]:
    waiting = _waiting(spool)
    return {
        "waiting": waiting and waiting.beats,
        "waiting_is_exact": waiting and waiting.is_exact,
        "waiting_bytes": waiting and waiting.bytes,
        "oldest_waiting_age": waiting and waiting.oldest_age,
    }


def _in_full(figures: Figures) -> dict[str, object]:
    return {
        "accepted": figures.accepted,
        "stored": figures.stored,
        "quarantined": figures.quarantined,
        "refused": figures.refused,
        "errors": figures.errors,
        "last_error": figures.last_error and _told(figures.last_error),
        "reasons": figures.failing,
    }


def _told(failure: Failure) -> dict[str, str]:
    at = datetime.fromtimestamp(failure.at / 1000, timezone.utc)
    return {
        "at": at.isoformat(timespec="milliseconds"),
        "part": failure.part,
        "text": failure.text,
    }


class MetricsEndpoint:
    """The same figures in Prometheus' text format 0.0.4, for viewers."""

    def __init__(self, spool: Spool, may_view: Callable[[Environ], bool]) -> None:
        self._spool = spool
        self._may_view = may_view

    def __call__(self, request: Request) -> Response:
        if not self._may_view(request.environ):
            raise HTTPForbidden("The metrics are for viewers.")
        lines = _metrics(_counted(self._spool), _waiting(self._spool))
        response = Response(
            body="".join(f"{line}\n" for line in lines).encode(), cache_control="no-store"
        )
        response.headers["Content-Type"] = _PROMETHEUS
        return response


def _metrics(figures: Figures, waiting: Waiting | None) -> Iterator[str]:
    for name, what in _COUNTERS.items():
        yield from _metric(f"{name}_total", "counter", what, getattr(figures, name))
    if waiting is not None:
        yield from _metrics_of_what_waits(waiting)
    yield from _metric(
        "last_error_timestamp_seconds",
        "gauge",
        "When the last error was, since 1970 UTC; 0 if there was none.",
        figures.last_error.at / 1000 if figures.last_error else 0,
    )
    yield from _metric("failing", "gauge", "How many parts fail now.", len(figures.failing))


def _metrics_of_what_waits(waiting: Waiting) -> Iterator[str]:
    yield from _metric("waiting_beats", "gauge", "Beats that wait in the spool.", waiting.beats)
    yield from _metric("waiting_bytes", "gauge", "Bytes that wait in the spool.", waiting.bytes)
    yield from _metric(
        "oldest_waiting_age_seconds",
        "gauge",
        "For how long the first of them has waited; 0 if none waits.",
        waiting.oldest_age or 0,
    )


def _metric(name: str, kind: str, what: str, value: float) -> Iterator[str]:
    yield f"# HELP pagetimer_{name} {what}"
    yield f"# TYPE pagetimer_{name} {kind}"
    yield f"pagetimer_{name} {value}"
