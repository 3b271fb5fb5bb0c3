"""The shapes of response: what the application answers, and in which chunks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pages import KB, data, page
from server import HTML, Application, Environ

JSON = "application/json"
HEADERS = [  # those that Django's own middleware sets; nothing forbids caches to share
    ("X-Frame-Options", "DENY"),
    ("Vary", "Cookie"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]


@dataclass(frozen=True)
class Shape:
    """One row of the table.

    :param chunk: bytes in each chunk; 0: all in one
    :param streamed: from a generator, not in a list
    """

    name: str
    body: bytes
    chunk: int = 0
    streamed: bool = False
    content_type: str = HTML

    def chunks(self) -> list[bytes]:
        size = self.chunk or len(self.body)
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]

    def application(self) -> Application:
        chunks, headers = self.chunks(), [("Content-Type", self.content_type), *HEADERS]
        if not self.chunk:
            headers.append(("Content-Length", str(len(self.body))))

        def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(headers))
            return (chunk for chunk in chunks) if self.streamed else list(chunks)

        return answer


def make_shapes() -> list[Shape]:
    pages = {
        "20 KB": page(20 * KB, 5 * KB),
        "200 KB": page(200 * KB, 5 * KB),
        "200 KB, 60 KB CSS": page(200 * KB, 4 * KB, 60 * KB),
    }
    small, large = data(2 * KB), data(200 * KB)
    return [
        shape
        for kind, body in pages.items()
        for shape in (
            Shape(f"{kind}, list", body),
            Shape(f"{kind}, generator", body, streamed=True),
            Shape(f"{kind}, 4 KB chunks", body, chunk=4096, streamed=True),
        )
    ] + [
        Shape("JSON 2 KB, list", small, content_type=JSON),
        Shape("JSON 200 KB, list", large, content_type=JSON),
        Shape("JSON 200 KB, 4 KB chunks", large, 4096, True, JSON),
    ]
