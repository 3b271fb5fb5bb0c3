"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..lab import Lab

Act = Callable[[Lab], None]


@dataclass(frozen=True)
class Scenario:
    """One story, told by what it does.

    :param name: as it stands in the table
    :param act: drives the browser, and writes the truth into the laboratory's views
    """

    name: str
    act: Act
    arguments: tuple[str, ...] = ()
    """Further ones of the browser's."""
    known: str = ""
    """Why we are known to be wrong here, if we are."""


def scenario(name: str, *arguments: str, known: str = "") -> Callable[[Act], Scenario]:
    """Make a scenario of what it does."""
    return lambda act: Scenario(name, act, arguments, known)
