"""The first bytes: how long a side keeps them back from a page that comes slowly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from server import HTML, Environ, Wrap, ask

HEAD = 12  # pieces
BODY = 7
PAUSE = 0.01  # seconds
PIECES = (
    b"<!DOCTYPE html><html><head>",
    *[b'<meta name="piece" content="of the head">'] * (HEAD - 1),
    b"</head><body>",
    *[b"<p>p</p>"] * (BODY - 1),
)


def pieces_before_first_bytes(wrap: Wrap) -> int:
    """How many pieces the application had to yield before the first bytes went out."""
    made = 0

    def slow(environ: Environ, start_response: Any) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", [("Content-Type", HTML)])
        for piece in PIECES:
            time.sleep(PAUSE)
            made += 1
            yield piece

    next(filter(None, ask(wrap(slow))))
    return made
