"""The client in a browser engine of September 2016: it still tells a page view from start to leave.

The engine is Debian's QtWebKit 5.212, the WebKit 602.1 of Safari 10. It has neither
``performance.getEntries`` nor ``sendBeacon``, ``fetch``, ``AbortController``, ``fetchLater`` or the
Navigation API.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from browser import Collector, Said, about, collector, require

pytestmark = pytest.mark.browser

PYTHON = "/usr/bin/python3"  # Debian's own: its bindings of QtWebKit are in no other

# A browser of one window, told by lines on standard input what to do. It answers the values of
# scripts, and whatever reaches the page's console: errors that nobody caught among them.
BROWSER = """
import json, sys
from PyQt5.QtCore import QSocketNotifier, QUrl
from PyQt5.QtWebKitWidgets import QWebPage, QWebView
from PyQt5.QtWidgets import QApplication

def say(what, value):
    print(json.dumps([what, value]), flush=True)

class Page(QWebPage):
    def javaScriptConsoleMessage(self, message, line, source):
        say("console", f"{source}:{line}: {message}")

def hide():
    page.setVisibilityState(QWebPage.VisibilityStateHidden)

def show():
    page.setVisibilityState(QWebPage.VisibilityStateVisible)

def close():
    view.deleteLater()
    page.deleteLater()

def load(url):
    view.load(QUrl(url))

def run(script):
    say("value", page.mainFrame().evaluateJavaScript(script))

def follow():
    line = sys.stdin.readline()
    if not line:
        return application.quit()
    name, *values = json.loads(line)
    {"hide": hide, "show": show, "close": close, "load": load, "run": run}[name](*values)

application = QApplication(sys.argv)
application.setQuitOnLastWindowClosed(False)
view = QWebView()
page = Page(view)
view.setPage(page)
view.show()
notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Read)
notifier.activated.connect(follow)
application.exec_()
"""

PAGES = {
    "/": "<main>one two <b>three</b> <i hidden>four</i></main>",
    "/next": "<main>five six</main>",
    "/bounce": """<script>
        addEventListener("load", function () {
            setTimeout(function () { location.href = "/next"; }, 200);
        });
        </script>""",
}


class Old:
    """The old browser, in a process of its own; see :data:`BROWSER` for what it can be told."""

    def __init__(self) -> None:
        self.console: list[str] = []
        self._values: list[Any] = []
        self.process = subprocess.Popen(
            [PYTHON, "-c", BROWSER],
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            what, value = json.loads(line)
            {"console": self.console, "value": self._values}[what].append(value)

    def tell(self, name: str, *values: str) -> float:
        """Let it do one thing, and return when that was said."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, *values]) + "\n")
        self.process.stdin.flush()
        return time.monotonic()

    def run(self, script: str, timeout: float = 10.0) -> Any:
        """Run the script in the page and return its value."""
        self.tell("run", script)
        deadline = time.monotonic() + timeout
        while not self._values:
            assert time.monotonic() < deadline, f"no answer to {script}"
            time.sleep(0.01)
        return self._values.pop()

    def quit(self) -> None:
        """End it; by its process id if it does not go when asked."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def qtwebkit() -> None:
    found = subprocess.run([PYTHON, "-c", "import PyQt5.QtWebKitWidgets"], capture_output=True)
    require(found.returncode == 0, "no python3-pyqt5.qtwebkit on this machine")


@pytest.fixture
def old(qtwebkit: None) -> Iterator[Old]:
    browser = Old()
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def site() -> Iterator[Collector]:
    with collector(PAGES) as site:
        yield site


def started(old: Old, site: Collector, path: str) -> Said:
    old.tell("load", site.url + path)
    return site.wait(path, "start")


def test_a_browser_of_2016_has_none_of_what_came_later(old: Old, site: Collector) -> None:
    started(old, site, "/")
    later = "navigator.sendBeacon, performance.getEntries, window.fetch, window.navigation"
    assert old.run(f"[{later}].filter(Boolean).length") == 0
    assert "AppleWebKit/602.1" in old.run("navigator.userAgent")


def test_a_browser_of_2016_tells_start_hide_and_leave_with_true_times(
    old: Old, site: Collector
) -> None:
    start = started(old, site, "/")
    time.sleep(1)
    hidden = old.tell("hide")
    hide = site.wait("/", "hide")
    assert hide.visible - start.visible == about(hidden - start.arrived)
    assert hide["l"] == "3"
    time.sleep(1.5)
    shown = old.tell("show")
    time.sleep(1)
    left = old.tell("load", site.url + "/next")
    leave = site.wait("/", "leave")
    assert leave.visible - hide.visible == about(left - shown)
    assert leave["v"] == start["v"]
    assert site.wait("/next", "start")["v"] != start["v"]
    assert not old.console


def test_a_bounce_shorter_than_a_tick_is_told(old: Old, site: Collector) -> None:
    old.tell("load", site.url + "/bounce")
    site.wait("/next", "start")
    assert [beat["w"] for beat in site.of("/bounce")] == ["start", "leave"]


def test_closing_the_window_tells_the_leave(old: Old, site: Collector) -> None:
    start = started(old, site, "/")
    old.tell("close")
    assert site.wait("/", "leave")["v"] == start["v"]


def test_a_route_change_is_found_without_the_navigation_api(old: Old, site: Collector) -> None:
    start = started(old, site, "/")
    old.run("history.pushState(null, '', '/route')")
    assert site.wait("/", "route")["v"] == start["v"]
    assert site.wait("/route", "start")["r"] == "/"


def test_a_path_can_be_logged_by_hand(old: Old, site: Collector) -> None:
    started(old, site, "/")
    old.run("pagetimer.log('/by/hand')")
    deadline = time.monotonic() + 10
    while not site.logs and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [said["path"] for said in site.logs] == ["/by/hand"]
