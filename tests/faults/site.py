"""The host of the faults: a page, wrapped; the environment (``PAGETIMER_…``) says the options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pagetimer_wsgi import PageTimer

PAGE = b"<!DOCTYPE html><html><head><title>Tides</title></head><body>High at nine.</body></html>"


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


application = PageTimer(page)
