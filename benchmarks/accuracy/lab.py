"""One scenario's laboratory: a browser, the site, and what truly happened."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .devtools import DevTools
from .side import Side
from .site import Site, serve
from .tab import Tab
from .truth import View
from .waiting import until

_OURS_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
ARRIVAL = 1.0
"""Seconds that a script's last words are given to reach the server."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pagetimer-accuracy"


@dataclass
class Lab:
    """What a scenario acts with.

    :param pace: what all waits of :meth:`wait` are multiplied by; the tests' short form has less
    :param idle: seconds for which a sign of use holds, as the side was told
    :param cache: a folder outside the checkout, for what comes from npm
    """

    browser: DevTools
    site: Site
    pace: float = 1.0
    idle: float = 30.0
    cache: Path = CACHE
    views: list[View] = field(default_factory=list)
    """The page views that truly were, by their beginning; those never seen are among them."""
    tabs: list[Tab] = field(default_factory=list)

    def open(self, path: str, *, background: bool = False, beside: Tab | None = None) -> Tab:
        """Open a page, in a window of its own.

        :param background: in a tab that nobody looks at
        :param beside: in a further tab of that one's window, which it hides
        """
        asked = time.monotonic()
        page = self.browser.command(
            "Target.createTarget",
            url=self.site.url + path,
            background=background,
            newWindow=not background and not beside,
        )
        tab = Tab(self, page["targetId"], path)
        self.tabs.append(tab)
        served = self.served(path, asked)
        if not background:
            if beside:
                beside.left(served)
            tab.seen(served)
        return tab

    def wait(self, seconds: float) -> None:
        """Let time pass in which nobody does anything, at the scenario's pace."""
        time.sleep(seconds * self.pace)

    def last(self, seconds: float) -> None:
        """Let exactly so much time pass, at any pace."""
        time.sleep(seconds)

    def served(self, path: str, since: float) -> float:
        """Return when the page's answer began, once it did after ``since``."""
        until(lambda: self.site.served.get(path, 0.0) >= since, path)
        return self.site.served[path]

    def turn_to(self, tab: Tab) -> None:
        """Look at another tab of the window."""
        self.browser.command("Target.activateTarget", targetId=tab.page)
        now = time.monotonic()
        for other in self.tabs:
            if other is not tab:
                other.left(now)
        tab.seen(now)

    def stop(self, seconds: float) -> None:
        """Stop all the browser's processes for so long, as the sleep of a machine does."""
        processes, views = self._processes(), self._shown()
        for view in views:
            view.hide(time.monotonic())
        _signal(processes, signal.SIGSTOP)
        try:
            self.last(seconds)
        finally:
            _signal(processes, signal.SIGCONT)
        for view in views:
            view.show(time.monotonic(), used=False)

    def crash(self) -> None:
        """Kill the process of every page, as the crash of a tab does to its own."""
        _signal(self._processes("renderer"), signal.SIGKILL)
        self._cut("crash")

    def kill(self, number: signal.Signals) -> None:
        """End the browser by a signal."""
        self.browser.process.send_signal(number)
        self._cut("kill")
        self.browser.process.wait(timeout=15)

    def cut(self) -> None:
        """Take the line away for good."""
        self.site.line.cut()
        for view in self._shown():
            view.cut, view.cut_by = time.monotonic(), "line"

    def _cut(self, by: Literal["crash", "kill"]) -> None:
        now = time.monotonic()
        for view in self._shown():
            view.cut, view.cut_by = now, by
            view.hide(now)

    def _shown(self) -> list[View]:
        return [view for view in self.views if view.is_shown]

    def _processes(self, kind: str = "") -> list[int]:
        told = self.browser.command("SystemInfo.getProcessInfo")["processInfo"]
        return [one["id"] for one in told if one["id"] and kind in one["type"]]


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)


@contextlib.contextmanager
def laboratory(
    side: Side,
    browser_path: str,
    *arguments: str,
    pace: float = 1.0,
    idle: float = 30.0,
    cache: Path = CACHE,
) -> Iterator[Lab]:
    """A fresh browser and a fresh site for one scenario.

    :param arguments: further ones of the browser's
    """
    with serve(side) as site:
        browser = DevTools(browser_path, _OURS_ALONE, *arguments)
        try:
            yield Lab(browser, site, pace, idle, cache)
        finally:
            browser.quit()
