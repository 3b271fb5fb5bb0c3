"""What truly happened: kept by who drives the browser, by one monotonic clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class View:
    """One page view, as a person would have seen it. All moments are ``time.monotonic()``'s.

    :param path: of the page
    """

    path: str
    shown: list[float] = field(default_factory=list)
    """Moments from which the page was on the screen of a machine that was awake; as many as in
    ``gone``, or one more."""
    gone: list[float] = field(default_factory=list)
    uses: list[float] = field(default_factory=list)
    """Signs of use, being shown among them."""
    lasting: list[tuple[float, float]] = field(default_factory=list)
    """Spans in which there were signs of use all the while: sound, or focus inside a frame."""
    cut: float = math.inf
    """When the browser was killed, or the page lost its server for good."""
    cut_by: Literal["", "crash", "kill", "line"] = ""
    """What cut it: a crash of its tab, the browser's end by a signal, or the loss of the line."""
    framed: bool = False
    """Whether it is a frame in another page."""

    @property
    def seen(self) -> bool:
        """Whether the page was ever on the screen."""
        return bool(self.shown)

    @property
    def is_shown(self) -> bool:
        """Whether the page is on the screen now."""
        return len(self.shown) > len(self.gone)

    def show(self, at: float, *, used: bool = True) -> None:
        """The page came onto the screen, which is a sign of use.

        :param used: no, if nobody did that: for a frame, and after a sleep
        """
        if not self.is_shown:
            self.shown.append(at)
            self.uses.extend([at] * used)

    def hide(self, at: float) -> None:
        """The page left the screen, or was left."""
        if self.is_shown:
            self.gone.append(at)

    def lay_back(self, seconds: float) -> None:
        """Move all that was into the past: a clock that only the page has went on so far."""
        for moments in self.shown, self.gone, self.uses:
            moments[:] = [moment - seconds for moment in moments]
        self.lasting = [(start - seconds, end - seconds) for start, end in self.lasting]

    def visible(self, until: float = math.inf) -> float:
        """Return the seconds in which the page was on the screen."""
        return sum(_overlap(span, (-math.inf, until)) for span in self._spans())

    def engaged(self, idle: float, until: float = math.inf) -> float:
        """Return the seconds of them in which it was in use.

        :param idle: seconds for which a sign of use holds
        """
        signs = [*((use, use) for use in self.uses), *self.lasting]
        used = _merged([(start, end + idle) for start, end in signs])
        return sum(
            _overlap(span, (use[0], min(use[1], until))) for span in self._spans() for use in used
        )

    def _spans(self) -> list[tuple[float, float]]:
        ends = [*self.gone, math.inf][: len(self.shown)]
        return list(zip(self.shown, ends, strict=True))


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
