"""A host whose database is moved right after a commit: no caller could hit that moment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.spool.segments import Segment

DATA = Path(os.environ["PAGETIMER_DATA"])
ELSEWHERE = Path(os.environ["ELSEWHERE"])

mark = Segment.mark


def move_and_mark(*arguments: Any) -> None:
    """Move the database when something of it was committed, the first time."""
    if not ELSEWHERE.exists():
        ELSEWHERE.mkdir()
        for file in DATA.glob("pagetimer.db*"):
            shutil.move(file, ELSEWHERE)
    mark(*arguments)


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!DOCTYPE html><title>Ebb</title>Low at three."]


Segment.mark = move_and_mark  # type: ignore[method-assign]
application = PageTimer(page)
