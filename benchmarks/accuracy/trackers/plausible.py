"""Plausible: the page's script tells the time on it in «engagement» events."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..side import Call
from .npm import Package
from .tracker import Tracker, path_of


class Plausible(Tracker):
    """As its package's README sets it up; it follows route changes by itself.

    ``captureOnLocalhost`` is its switch for local hosts and for browsers driven by software.
    """

    name = "Plausible"
    tells_engaged = True
    package = Package("@plausible-analytics/tracker", "0.4.6", "plausible.js")
    address = "/js/plausible.js"
    head = """<script type="module">
  import { init } from '/js/plausible.js';
  init({
    domain: 'site.example',
    endpoint: location.origin + '/api/event',
    captureOnLocalhost: true
  });
</script>"""

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        """Accept the event."""
        return "202 Accepted", "text/plain", b"ok"

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Sum the milliseconds ``e`` of engagement; there must have been a page view before it.

        Source: plausible/analytics, ``lib/plausible/session/cache_store.ex`` (other engagement is
        dropped) and ``lib/plausible/stats/legacy/time_on_page.ex`` (the sum, over visits).
        """
        answers: dict[str, float] = {}
        has_session = False
        for event in (json.loads(call.body) for call in calls):
            if event["n"] != "engagement":
                has_session = True
            elif has_session:
                path = path_of(event["u"])
                answers[path] = answers.get(path, 0.0) + event["e"] / 1000
        return answers
