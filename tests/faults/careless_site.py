"""A host that closes our files, opens its own under their numbers, or all that can be open."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pagetimer_wsgi import PageTimer

SPOOL = os.path.join(os.environ["PAGETIMER_DATA"], "spool")
NOTES = Path("notes")
LINE = b"A line of the host's.\n"
MOST = 300
LOWEST = MOST - 256
"""What has a lower number is about to be moved up, and its number another file's at once."""
HOARD = Path("hoard")
"""While this file is there, the host answers with no number left."""
taken: list[int] = []


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    {"/close": close, "/reuse": reuse}.get(environ["PATH_INFO"], lambda: None)()
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!DOCTYPE html><title>Neap</title>Low at three."]


def close() -> None:
    """Close the numbers that the spool holds, as ``os.closerange`` would."""
    for number in numbers():
        with contextlib.suppress(OSError):  # the writer's thread has just closed it
            os.close(number)


def reuse() -> None:
    """Open a file under each of them, and write to it; close what was opened so before."""
    while taken:
        with contextlib.suppress(OSError):  # the writer's thread was about to close it
            os.close(taken.pop())
    with NOTES.open("ab", buffering=0) as notes:
        for number in numbers():
            os.dup2(notes.fileno(), number)
            taken.append(number)
            with contextlib.suppress(OSError):
                os.write(number, LINE)


def numbers() -> list[int]:
    """Return the numbers of this process's open segment and lock."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the list's own, or closed meanwhile
            path = os.readlink(f"/proc/self/fd/{number}")
            ours = path.startswith(SPOOL) and path.endswith((".jsonl", "/lock"))
            if ours and number >= LOWEST and writes(number):
                found.append(number)
    return found


def writes(number: int) -> bool:
    """Tell whether a number was opened to write; the drainer's own are none of our business."""
    said = Path(f"/proc/self/fdinfo/{number}").read_text().split()
    return int(said[said.index("flags:") + 1], 8) & os.O_ACCMODE != os.O_RDONLY


def hoarding(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    hoard: list[int] = []
    try:
        if HOARD.exists() and environ["PATH_INFO"] != "/_pagetimer/health":
            open_all(hoard)
        return list(timer(environ, start_response))
    finally:
        for number in hoard:
            os.close(number)


def open_all(hoard: list[int]) -> None:
    """Open one file as often as the system lets us."""
    while True:
        try:
            hoard.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return


resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, MOST))
timer = PageTimer(page)
application = hoarding
