"""Snowplow: page pings while the page is in use, counted by a model in the warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..side import Call
from .npm import Package
from .tracker import ON_ROUTE, Tracker, path_of

MINIMUM_VISIT = 5
HEARTBEAT = 10
"""Both in seconds: the tightest that its documentation shows, and the defaults of its model."""


class Snowplow(Tracker):
    """As its documentation says: activity tracking, and a page view at every route change.

    A page ping goes out only if pointer, wheel, key or touch were used since the one before.
    """

    name = "Snowplow"
    tells_engaged = True
    package = Package("@snowplow/browser-tracker", "4.10.1", "dist/index.umd.min.js")
    address = "/js/snowplow.js"
    head = f"""<script src="/js/snowplow.js"></script>
<script>{ON_ROUTE}
  snowplowBrowserTracking.newTracker('sp', location.origin, {{ appId: 'site' }});
  snowplowBrowserTracking.enableActivityTracking({{
    minimumVisitLength: {MINIMUM_VISIT},
    heartbeatDelay: {HEARTBEAT}
  }});
  snowplowBrowserTracking.trackPageView();
  onRoute(function () {{ snowplowBrowserTracking.trackPageView(); }});
</script>"""

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Count the heartbeats in which a page view has pings; one without pings lasted 0 s.

        Source: snowplow/dbt-snowplow-unified, ``snowplow_unified_pv_engaged_time.sql`` and
        ``snowplow_unified_views_this_run.sql``.
        """
        paths: dict[str, str] = {}
        beats: dict[str, set[int]] = {}
        for event in _events(calls):
            view = _page_view_id(event)
            if event["e"] == "pv":
                paths.setdefault(view, path_of(event["url"]))
            elif event["e"] == "pp":
                beats.setdefault(view, set()).add(int(event["dtm"]) // (HEARTBEAT * 1000))
        answers: dict[str, float] = {}
        for view, path in paths.items():
            engaged = HEARTBEAT * (len(beats[view]) - 1) + MINIMUM_VISIT if view in beats else 0
            answers[path] = answers.get(path, 0.0) + engaged
        return answers


def _events(calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
    for call in calls:
        yield from json.loads(call.body)["data"]


def _page_view_id(event: dict[str, Any]) -> str:
    entities = json.loads(event["co"])["data"]
    page = next(entity["data"] for entity in entities if "/web_page/" in entity["schema"])
    return str(page["id"])
