"""One tab of the laboratory's browser: what is done in it, and what that truly means."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

from . import discards
from .truth import View
from .waiting import until

if TYPE_CHECKING:
    from .lab import Lab

_SOON = 0.3
_SETTLES = 0.05
_MOVES = 1.5
_RULES = """document.head.appendChild(Object.assign(document.createElement('script'), {
  type: 'speculationrules',
  text: JSON.stringify({prerender: [{urls: [%s], eagerness: 'immediate'}]})})) && 1"""


class Tab:
    """One tab, and the page views that it held."""

    def __init__(self, lab: Lab, page: str, path: str) -> None:
        self.lab = lab
        self.page = page
        self.frames: list[View] = []
        """What is seen in the page's frames, each a page of its own."""
        self.view = self._begin(path)

    def _begin(self, path: str) -> View:
        view = View(path)
        self.lab.views.append(view)
        return view

    def seen(self, at: float) -> None:
        """The tab came onto the screen."""
        self.view.show(at)
        for frame in self.frames:
            frame.show(at, used=False)

    def left(self, at: float) -> None:
        """The tab left the screen."""
        for view in (self.view, *self.frames):
            view.hide(at)

    def next(self, path: str, at: float, *, seen: bool = True) -> View:
        """End the page view, and begin the one of the page that follows it."""
        self.left(at)
        self.frames = []
        self.view = self._begin(path)
        if seen:
            self.view.show(at)
        return self.view

    def soon(self, script: str) -> float:
        """Let the page run the script when no session looks at it; return when it did."""
        self.run(f"setTimeout(function () {{ {script} }}, {_SOON * 1000}) && 1")
        due = time.monotonic() + _SOON
        time.sleep(_SOON)
        return due

    def run(self, script: str) -> object:
        """Run the script in the page at once, and return its value."""
        return self.lab.browser.evaluate(self.page, script)

    def hide(self) -> None:
        """Minimise the window."""
        self.lab.browser.hide(self.page)
        self.left(time.monotonic())

    def show(self) -> None:
        """Bring the window back."""
        self.lab.browser.show(self.page)
        self.seen(time.monotonic())

    def go(self, path: str) -> View:
        """Follow a link; the page before stays on the screen until the next one answers."""
        return self._load(path, f"location.href = {json.dumps(path)}")

    def reload(self) -> View:
        """Load the page again."""
        return self._load(self.view.path, "location.reload()")

    def visit(self, path: str) -> View:
        """Follow a link as Turbo does: the page is fetched, and the window stays."""
        return self._load(path, f"Turbo.visit({json.dumps(path)})")

    def _load(self, path: str, script: str) -> View:
        asked = time.monotonic()
        self.soon(script)
        return self.next(path, self.lab.served(path, asked))

    def prerender(self, path: str) -> None:
        """Let the browser load and run a page that may be wanted next."""
        asked = time.monotonic()
        self.run(_RULES % json.dumps(path))
        self.lab.served(path, asked)

    def enter(self, path: str) -> View:
        """Follow a link to a page that was prerendered.

        :raises RuntimeError: if the browser loaded it once more
        """
        served = self.lab.site.served[path]
        view = self.next(path, self.soon(f"location.href = {json.dumps(path)}"))
        address = self.lab.site.url + path
        until(lambda: self.lab.browser.address(self.page) == address, f"{path} in the tab")
        if self.lab.site.served[path] != served:
            raise RuntimeError(f"{path} was not prerendered: it was served again")
        return view

    def route(self, path: str, *, seen: bool = True) -> View:
        """Change the route of a single-page application."""
        at = self.soon(f"history.pushState(null, '', {json.dumps(path)})")
        return self.next(path, at, seen=seen)

    def back(self, path: str) -> View:
        """Go back in history, without the server."""
        return self.next(path, self.soon("history.back()"))

    def frame(self, path: str, *, seen: bool = True) -> View:
        """Tell the truth of a frame that stands in the page: it is a page view of its own."""
        view = self._begin(path)
        view.framed = True
        served = self.lab.served(path, self.view.shown[0])
        if seen:
            self.frames.append(view)
            view.show(served, used=False)
        return view

    def use_frame(self) -> None:
        """Click into the first frame, which from then on has the focus."""
        self.lab.browser.click(self.page, "iframe")
        now = time.monotonic()
        self.view.lasting.append((now, math.inf))
        self.frames[0].uses.append(now)

    def read(self, seconds: float) -> None:
        """Let time pass as for a reader who moves the pointer now and then."""
        end = time.monotonic() + seconds * self.lab.pace
        while (left := end - time.monotonic()) > 0:
            self.use()
            time.sleep(max(0.0, min(left, _MOVES, end - time.monotonic())))

    def use(self) -> None:
        """Move the pointer over the page, with the browser's own mouse."""
        with self.lab.browser.session(self.page) as session:
            for x in 40, 60:
                self.lab.browser.command(
                    "Input.dispatchMouseEvent", session, type="mouseMoved", x=x, y=200
                )
        self.view.uses.append(time.monotonic())

    def alert(self, seconds: float) -> None:
        """Let the page say ``alert()``, and close that after so many seconds, which is a use."""
        with self.lab.browser.session(self.page) as session:
            self.lab.browser.command("Page.enable", session)
            self.run("setTimeout(alert, 0, 'Read this.') && 1")
            self.lab.last(seconds)
            self.lab.browser.command("Page.handleJavaScriptDialog", session, accept=True)
        self.view.uses.append(time.monotonic())

    def skip(self, minutes: int) -> None:
        """Let so many minutes pass for the page in moments of ours; then its clock stands still.

        All that the page waits for happens meanwhile. Nothing but closing may follow. One by
        one, since a browser holds no more than 64 KiB of what pages say while they may go.
        """
        with self.lab.browser.session(self.page) as session:
            at = time.monotonic()
            for _ in range(minutes):
                self.lab.browser.command(
                    "Emulation.setVirtualTimePolicy", session, policy="advance", budget=60_000
                )
                self.lab.browser.event("Emulation.virtualTimeBudgetExpired")
                time.sleep(_SETTLES)
            self.lab.browser.close(self.page)
        self.view.lay_back(minutes * 60)
        self.left(at)

    def freeze(self) -> None:
        """Let the browser freeze the tab, which must be hidden."""
        discards.freeze(self.lab.browser, self.lab.site.url + self.view.path)

    def discard(self) -> None:
        """Let the browser throw the tab's page away, which must be hidden."""
        self.page = discards.discard(self.lab.browser, self.lab.site.url + self.view.path)

    def wake(self, front: Tab) -> View:
        """Turn from the front tab to this one, whose discarded page is run again.

        It comes from the browser's cache: the server sees nothing of it.
        """
        self.lab.browser.command("Target.activateTarget", targetId=self.page)
        at = time.monotonic()
        front.left(at)
        return self.next(self.view.path, at)

    def close(self) -> None:
        """Close the tab."""
        self.lab.browser.close(self.page)
        self.left(time.monotonic())
