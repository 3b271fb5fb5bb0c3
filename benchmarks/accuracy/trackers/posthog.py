"""PostHog: each page view, and each leave, tells how long the page view before it was open."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..side import Call
from .npm import Package
from .tracker import Tracker

LONGEST = 86400.0


class PostHog(Tracker):
    """Its web analytics alone, with the defaults of the day; it follows route changes by itself.

    Recording, surveys, flags, autocapture and web vitals are off: they measure other things. The
    two last options are for local hosts and for browsers driven by software.
    """

    name = "PostHog"
    package = Package("posthog-js", "1.449.2", "dist/array.js")
    address = "/static/array.js"
    head = """<script>
  window.posthog = Object.assign([], { __SV: 1, people: [], _i: [['phc_site', {
    api_host: location.origin,
    defaults: '2026-08-30',
    disable_session_recording: true,
    disable_surveys: true,
    advanced_disable_flags: true,
    autocapture: false,
    rageclick: false,
    capture_performance: false,
    capture_dead_clicks: false,
    internal_or_test_user_hostname: null,
    opt_out_useragent_filter: true
  }, 'posthog']] });
</script>
<script async src="/static/array.js"></script>"""

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        """Accept the events."""
        return "200 OK", "application/json", b'{"status": 1}'

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Sum the greatest ``$prev_pageview_duration`` of each page view; a path without has 0 s.

        Source: PostHog/posthog, ``web_analytics/query_constants/stats_table_queries.py``
        (``PATH_BOUNCE_AND_AVG_TIME_QUERY``); that ids tell page views apart: ``page-view.ts``.
        """
        answers: dict[str, float] = {}
        longest: dict[tuple[str, str], float] = {}
        for event in _events(calls):
            said = event["properties"]
            if event["event"] == "$pageview":
                answers[said["$pathname"]] = 0.0
            if "$prev_pageview_duration" in said:
                view = said["$prev_pageview_pathname"], said["$prev_pageview_id"]
                longest[view] = max(longest.get(view, 0.0), said["$prev_pageview_duration"])
        for (path, _), seconds in longest.items():
            if path in answers:
                answers[path] += min(seconds, LONGEST)
        return answers


def _events(calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
    for call in calls:
        yield from json.loads(gzip.decompress(call.body))["batch"]
