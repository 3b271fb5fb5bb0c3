"""Who is right: the goals of the project, as functions of what truly was and what was said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from pagetimer_wsgi import PageView

from .ours import beats_of
from .side import Call
from .truth import View

TOLERANCE = 0.5
"""Seconds by which an answer may differ from the truth."""
MEDIAN = 0.25
"""Seconds by which half of our answers may differ from it."""
CRASH = 1.2
"""Seconds that may be missing after a tab's crash."""
GAP = 30.0
"""Seconds that may be missing after a browser was killed, and of visible time between two beats,
where the browser has ``fetchLater``; elsewhere 10."""
REQUESTS = 2
"""A page view's, beside one for each time that it was hidden and one for each gap."""
AFTERWARDS = 0.5
"""Seconds after which a call of a page that left the screen is not its last word any more."""

Measure = Callable[[View, float], float]
"""What is measured: the seconds of a view until a moment."""


def visible(view: View, until: float) -> float:
    """Return the seconds in which the page was on the screen."""
    return view.visible(until)


def engaged(idle: float) -> Measure:
    """Return what measures the seconds in which it was in use; a sign of use holds for ``idle``."""
    return lambda view, until: view.engaged(idle, until)


@dataclass(frozen=True)
class Due:
    """What is to be said of one page view, or of several together.

    :param seconds: the truth, as far as the server could learn of it
    :param missing: how many of them may be missing, beside the tolerance
    """

    seconds: float
    missing: float = 0.0

    def allows(self, said: float) -> bool:
        """Say whether the answer is right."""
        return -TOLERANCE - self.missing <= said - self.seconds <= TOLERANCE


def due(
    views: Iterable[View], calls: Sequence[Call], measure: Measure = visible, gap: float = GAP
) -> Due:
    """Return what is to be said of all these page views together.

    :param calls: what the server answered: without its line, a page is seen until the last of them
    :param gap: seconds of visible time between two beats
    """
    heard = max((call.at for call in calls), default=0.0)
    parts = [_due(view, heard, measure, gap) for view in views]
    return Due(sum(part.seconds for part in parts), sum(part.missing for part in parts))


def _due(view: View, heard: float, measure: Measure, gap: float) -> Due:
    seconds = measure(view, min(view.cut, heard) if view.cut_by == "line" else view.cut)
    allowed = {"crash": CRASH, "kill": max(gap, seconds / 4)}.get(view.cut_by, TOLERANCE)
    return Due(seconds, allowed - TOLERANCE)


def is_right(
    said: float | None, views: Iterable[View], calls: Sequence[Call], measures: Iterable[Measure]
) -> bool:
    """Say whether an answer about a path is right: by any of what the side says it measures.

    :param said: seconds; None: no answer, which is right for a page that nobody saw, and no other.
        Of such a page 0 is right, too
    :param views: all page views of the path
    """
    seen = [view for view in views if view.seen]
    if not seen:
        return not said
    if said is None:
        return False
    return any(due(seen, calls, measure).allows(said) for measure in measures)


@dataclass(frozen=True)
class Kept:
    """A page view as it truly was, and as we keep it.

    :param beats: those calls that told of it
    :param idle: seconds for which a sign of use holds
    :param gap: seconds of visible time between two beats
    """

    view: View
    page_view: PageView
    beats: Sequence[Call]
    idle: float
    gap: float = GAP

    def errors(self) -> list[float]:
        """Return by how many seconds visible and engaged time differ from the truth."""
        return [abs(said - truth.seconds) for _, said, truth in self._times()]

    def complaints(self) -> Iterator[str]:
        """Say in what it misses our goals."""
        for name, said, truth in self._times():
            if not truth.allows(said):
                told = f"{said:.2f} s" if math.isfinite(said) else "unknown"
                yield f"{name} time is {told}, and was {truth.seconds:.2f} s"
        yield from self._about_the_end()
        if len(self.beats) > self.budget:
            yield f"{len(self.beats)} requests are more than {self.budget}"

    @property
    def budget(self) -> int:
        """How many requests it may cost."""
        last = max((beat.at for beat in self.beats), default=0.0)
        times_hidden = sum(last > gone + AFTERWARDS for gone in self.view.gone)
        times_hidden += self.view.framed  # browsers hide a frame before they leave it
        return REQUESTS + times_hidden + int(self.view.visible() // self.gap)

    def _times(self) -> Iterator[tuple[str, float, Due]]:
        page_view = self.page_view
        for name, said, measure in (
            ("visible", page_view.visible_ms, visible),
            ("engaged", page_view.engaged_ms, engaged(self.idle)),
        ):
            truth = due([self.view], self.beats, measure, self.gap)
            yield name, math.inf if said is None else said / 1000, truth

    def _about_the_end(self) -> Iterator[str]:
        ended, cut_by = self.page_view.ended, self.view.cut_by
        if ended != "exact" and not cut_by:
            yield f"its end is known, and kept as «{ended}»"
        if ended == "exact" and cut_by in ("kill", "line"):
            _, said, _ = next(self._times())
            if not Due(self.view.visible(self.view.cut)).allows(said):
                yield "its end is not known, and kept as «exact»"


@dataclass(frozen=True)
class Ledger:
    """What truly was in one scenario, and what we keep of it.

    :param views: the truth
    :param page_views: the store's, by their beginning
    :param calls: what the server answered
    :param idle: seconds for which a sign of use holds
    :param gap: seconds of visible time between two beats
    """

    views: Sequence[View]
    page_views: Sequence[PageView]
    calls: Sequence[Call]
    idle: float
    gap: float = GAP

    def errors(self) -> list[float]:
        """Return by how many seconds our times differ from the truth where a browser survived."""
        kept = (kept for path in self._paths() for kept in self._kept(path))
        return [error for one in kept if one.view.cut_by != "kill" for error in one.errors()]

    def complaints(self) -> Iterator[str]:
        """Say, a sentence each, in what we miss our goals."""
        for path in self._paths():
            seen, told = len(self._seen(path)), len(self._told(path))
            if seen != told:
                yield f"{path}: {seen} page views were seen, and {told} are kept"
                continue
            for number, kept in enumerate(self._kept(path), 1):
                which = f"{path}, {number} of {seen}" if seen > 1 else path
                yield from (f"{which}: {complaint}" for complaint in kept.complaints())

    def _paths(self) -> Iterable[str]:
        told = (page_view.path for page_view in self.page_views)
        return dict.fromkeys([*(view.path for view in self.views), *told])

    def _kept(self, path: str) -> Iterator[Kept]:
        for view, page_view in zip(self._seen(path), self._told(path), strict=False):
            beats = beats_of(page_view, self.calls)
            yield Kept(view, page_view, beats, self.idle, self.gap)

    def _seen(self, path: str) -> list[View]:
        seen = [view for view in self.views if view.path == path and view.seen]
        return sorted(seen, key=lambda view: view.shown[0])

    def _told(self, path: str) -> list[PageView]:
        return [page_view for page_view in self.page_views if page_view.path == path]


def about_median(errors: Sequence[float]) -> Iterator[str]:
    """Complain of the errors of all scenarios together."""
    if errors and median(errors) > MEDIAN:
        yield f"the median error is {median(errors):.2f} s"
