"""TimeMe.js: a clock in the page, which the page's own code reads and sends."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from ..side import Call
from .npm import Package
from .tracker import ON_ROUTE, Tracker


class TimeMe(Tracker):
    """As its README says: 30 s of idleness end the count, a route change stops and starts it.

    The README sends by XHR on ``beforeunload``, and says that another event may be better: here it
    is a beacon on ``pagehide``. What was sent is reset, so that no page view is counted twice.
    """

    name = "TimeMe.js"
    tells_engaged = True
    package = Package("timeme.js", "2.1.0", "timeme.min.js")
    address = "/js/timeme.min.js"
    head = f"""<script src="/js/timeme.min.js"></script>
<script>{ON_ROUTE}
  function sendTime() {{
    var page = TimeMe.currentPageName;
    var seconds = TimeMe.getTimeOnCurrentPageInSeconds() || 0;
    TimeMe.resetRecordedPageTime(page);
    navigator.sendBeacon('/time', new URLSearchParams({{ page: page, seconds: seconds }}));
  }}
  TimeMe.initialize({{ currentPageName: location.pathname, idleTimeoutInSeconds: 30 }});
  addEventListener('pagehide', sendTime);
  onRoute(function (path) {{
    TimeMe.stopTimer();
    sendTime();
    TimeMe.setCurrentPageName(path);
    TimeMe.startTimer();
  }});
</script>"""

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Sum what was sent. The package has no server: its README leaves that to the site."""
        answers: dict[str, float] = {}
        for call in calls:
            fields = parse_qs(call.body.decode())
            (path,), (seconds,) = fields["page"], fields["seconds"]
            answers[path] = answers.get(path, 0.0) + float(seconds)
        return answers
