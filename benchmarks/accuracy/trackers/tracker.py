"""What each of the others is: a script, how it is set up, and what its server makes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..side import Call
from .npm import Package

__all__ = ["ON_ROUTE", "Call", "Tracker", "path_of"]

ON_ROUTE = """
  function onRoute(changed) {
    var path = location.pathname;
    navigation.addEventListener('currententrychange', function () {
      if (location.pathname !== path) { changed(path = location.pathname); }
    });
  }"""
"""The router of a single-page application, for those who ask the application to call them."""


class Tracker(ABC):
    """One of those who measure time on a page, set up as its own documentation says.

    It has an object of its own for each scenario.

    :param cache: a folder for what comes from npm
    :raises Unavailable: if its package cannot be had
    """

    name: str
    """As it stands in the table."""
    package: Package | None = None
    """Where its script comes from; None: its script is written in the page."""
    script: str = ""
    """The path at which the page asks for that script."""
    head: str
    """Markup that each page has before ``</head>``."""
    files: Mapping[str, bytes]
    """Path -> the script file that is served there."""

    def __init__(self, cache: Path) -> None:
        self.files = {self.script: self.package.fetch(cache)} if self.package else {}

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        """Return status line, content type and body of what its collector answers."""
        return "200 OK", "text/plain", b"ok"

    @abstractmethod
    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Return path -> seconds, summed over the path's page views, as its own reports would.

        A path of which they know no time is absent.
        """


def path_of(address: str) -> str:
    """Return the path of an address, or of a path with a query."""
    return urlsplit(address).path
