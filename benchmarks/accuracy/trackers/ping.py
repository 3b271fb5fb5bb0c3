"""The ping counter: one ping at the start and one each minute, and each stands for a minute."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from ..side import Call
from .tracker import Tracker, path_of

INTERVAL = 60


class Ping(Tracker):
    """What django-pagetimer does, with its default interval; it knows nothing of route changes."""

    name = "60 s ping"
    head = f"""<script>
  function ping() {{
    var said = new URLSearchParams({{ path: location.pathname + location.search }});
    fetch('/pagetimer/endpoint/', {{ method: 'POST', body: said }});
    setTimeout(ping, {INTERVAL} * 1000);
  }}
  setTimeout(ping, 0);
</script>"""

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        """Acknowledge the ping."""
        return "200 OK", "application/json", b'{"status": "ok"}'

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Count the pings. Source: ccnmtl/django-pagetimer, ``pagetimer.html`` and ``views.py``."""
        answers: dict[str, float] = {}
        for call in calls:
            path = path_of(parse_qs(call.body.decode())["path"][0])
            answers[path] = answers.get(path, 0.0) + INTERVAL
        return answers
