"""The beats that are sent: as a browser sends them, of page views that are going on now.

All sides read the same bodies. What only the two older packages read, ``path`` and ``date``, stands
at the end of each; ours leaves alone what it does not know.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pagetimer_wsgi.who.keys import Keys
from pagetimer_wsgi.who.token import Token, hash_path, sign

from .readers import PATHS, READERS, session_key

SECRET = "the-secret-of-all-sides-of-one-benchmark"
_OPEN = 30_000  # milliseconds since which the page views go on
_SPLIT = "\t"


def write_bodies(file: Path) -> Path:
    """Write a body a line for each reader, in two parts: the beat's number goes between them."""
    file.write_text("".join(f"{before}{_SPLIT}{after}\n" for before, after in make_bodies()))
    return file


def make_bodies() -> Iterator[tuple[str, str]]:
    """Yield each reader's beat, before and after its number. Its numbers are as long as this: 7."""
    keys = Keys([SECRET])
    now = time.time_ns() // 1_000_000
    for reader in range(READERS):
        path = f"/course/{reader % PATHS}/lesson"
        began = now - _OPEN + reader % 1000
        token = Token(
            f"reader-{reader}",
            keys.session_key(session_key(reader)),
            "/course/<id>/lesson",
            hash_path(path.encode()),
            began // 1000,
        )
        fields = {
            "t": 15_000,
            "e": 9_000,
            "d": began + 20_000,
            "w": "beat",
            "p": path,
            "r": f"/course/{reader % PATHS}/",
            "l": 450,
            "k": sign(keys, token),
        }
        after = "".join(f"&{name}={quote(str(value), safe='')}" for name, value in fields.items())
        yield f"v={began:012x}{reader:020x}&n=", f"{after}&path={path}&date=2026-01-31T09:30"
