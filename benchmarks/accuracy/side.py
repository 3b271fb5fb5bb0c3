"""What a side of the comparison is: something that measures the site's pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class Call:
    """One request that a page's script made, and that the server answered."""

    at: float
    """When it arrived, by ``time.monotonic()``."""
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def size(self) -> int:
        """Bytes of its request line and its body; the headers are the browser's."""
        query = f"?{self.query}" if self.query else ""
        return len(f"{self.method} {self.path}{query} HTTP/1.1\r\n".encode()) + len(self.body)


class Side(Protocol):
    """Something that measures the site's pages, and says how long each was seen.

    Each scenario has one of its own.
    """

    name: str
    head: str
    """Markup that each page has before ``</head>``."""
    script: bytes
    """What a browser loads of it; where that is no file, what stands in the page."""
    tells_engaged: bool
    """Whether it says that it tells engaged time; then this is as right as visible time."""

    def wrap(self, application: Application) -> Application:
        """Return the site with what this side's script needs of a server."""

    def is_script(self, path: str) -> bool:
        """Say whether this is the address of one of its script files."""

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Return path -> seconds, summed over the path's page views; no path means unknown."""

    def close(self) -> None:
        """Stop what runs."""
