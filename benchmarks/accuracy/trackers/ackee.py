"""Ackee: a record a page view, touched every 15 s while the page is visible."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..side import Call
from .npm import Package
from .tracker import ON_ROUTE, Tracker, path_of

INTERVAL = 15.0
LIMIT = 1800.0


@dataclass
class Record:
    """What its server keeps of a page view; the moments are the server's."""

    path: str
    created: float
    updated: float

    @property
    def duration(self) -> float:
        """Seconds; half an interval stands for what is shorter than one."""
        passed = self.updated - self.created
        return INTERVAL / 2 if passed < INTERVAL else passed


class Ackee(Tracker):
    """As its tracker's README says for single-page applications: stop, and record anew."""

    name = "Ackee"
    package = Package("ackee-tracker", "5.1.3", "dist/ackee-tracker.min.js")
    address = "/tracker.js"
    head = f"""<script src="/tracker.js"></script>
<script>{ON_ROUTE}
  (function (tracker) {{
    function record() {{ return tracker.record('hd11f820-68a1-11e6-8047-79c0c2d9bce0'); }}
    var visit = record();
    onRoute(function () {{ visit.stop(); visit = record(); }});
  }})(ackeeTracker.create(location.origin, {{ ignoreLocalhost: false }}));
</script>"""

    def __init__(self, cache: Path) -> None:
        super().__init__(cache)
        self._records: dict[str, Record] = {}

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        """Create or touch a record, as its GraphQL server does."""
        variables = json.loads(call.body)["variables"]
        if "input" in variables:
            path = path_of(variables["input"]["siteLocation"])
            name = str(uuid.uuid4())
            self._records[name] = Record(path, call.at, call.at)
            data: object = {"createRecord": {"payload": {"id": name}}}
        else:
            self._records[variables["recordId"]].updated = call.at
            data = {"updateRecord": {"success": True}}
        return "200 OK", "application/json", json.dumps({"data": data}).encode()

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Sum the records' durations; from half an hour on they are left out.

        What tells records apart are the ids that the server gave, so it goes by those, not by the
        calls. Source: electerious/Ackee, ``src/aggregations/aggregateDurations.js`` and its stages.
        """
        answers: dict[str, float] = {}
        for record in self._records.values():
            if record.duration < LIMIT:
                answers[record.path] = answers.get(record.path, 0.0) + record.duration
        return answers
