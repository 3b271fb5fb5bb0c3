"""The others: what people use today to learn how long their pages are looked at."""

from __future__ import annotations

from pathlib import Path

from .ackee import Ackee
from .npm import Unavailable
from .ping import Ping
from .plausible import Plausible
from .posthog import PostHog
from .snowplow import Snowplow
from .time_me import TimeMe
from .tracker import Tracker

__all__ = ["ALL", "Tracker", "Unavailable", "load"]

_KINDS: dict[str, type[Tracker]] = {
    kind.name: kind for kind in (Plausible, TimeMe, Snowplow, PostHog, Ackee, Ping)
}

ALL = tuple(_KINDS)
"""Their names, in the table's order."""


def load(name: str, cache: Path) -> Tracker:
    """Return a fresh one of them.

    :param name: one of :data:`ALL`
    :param cache: a folder outside the checkout, for what comes from npm
    :raises Unavailable: if its package cannot be had; the message is one line
    """
    return _KINDS[name](cache)
