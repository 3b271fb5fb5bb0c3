"""A real Firefox for the tests, spoken to over WebDriver BiDi, with no driver in between."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import require

__all__ = ["Firefox", "firefox", "firefox_path"]


def firefox_path() -> str:
    """Return the path of the system's firefox-esr; skip the test where there is none."""
    path = shutil.which("firefox-esr")
    require(path, "no firefox-esr on this machine")
    return str(path)


class Firefox:
    """A firefox-esr of our own, headless, with an empty profile and an empty home.

    A page is named by its browsing context's id. A session of WebDriver BiDi leaves pages as they
    are: they are hidden, kept in the back/forward cache and out of focus as for a person.
    """

    def __init__(self, path: str) -> None:
        from websockets.sync.client import connect

        self._numbers = itertools.count(1)
        self._home = tempfile.mkdtemp(prefix="pagetimer-firefox-")
        profile = Path(self._home) / "profile"
        profile.mkdir()
        self.process = subprocess.Popen(
            [path, "--headless", "--remote-debugging-port=0", "--profile", profile, "about:blank"],
            env={**os.environ, "HOME": self._home, "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._connection = contextlib.ExitStack()
        try:
            self._socket = self._connection.enter_context(
                connect(self._where(profile / "WebDriverBiDiServer.json"), max_size=None)
            )
            self.command("session.new", capabilities={})
        except BaseException:
            self._stop()
            raise

    def _where(self, told: Path, timeout: float = 30.0) -> str:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"firefox ended at its start: {self.process.returncode}")
            with contextlib.suppress(OSError, ValueError):
                server = json.loads(told.read_text())
                return f"ws://{server['ws_host']}:{server['ws_port']}/session"
            time.sleep(0.05)
        raise TimeoutError("firefox named no BiDi port")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; what else arrives meanwhile is dropped.

        :raises RuntimeError: if the browser refuses it
        """
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=20))
            if answer.get("id") == number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
                return answer["result"]

    def open(self, url: str, *, background: bool = False) -> str:
        """Open a page in a window of its own, or in a tab behind another, and return its id."""
        page = self.command(
            "browsingContext.create", type="tab" if background else "window", background=background
        )["context"]
        self.navigate(page, url)
        return page

    def navigate(self, page: str, url: str) -> None:
        """Send the page elsewhere, and do not wait until it is there."""
        self.command("browsingContext.navigate", context=page, url=url, wait="none")

    def back(self, page: str) -> None:
        """Go one step back in the page's history."""
        self.command("browsingContext.traverseHistory", context=page, delta=-1)

    def activate(self, page: str) -> None:
        """Bring the page's tab before the others of its window, and the window to the front."""
        self.command("browsingContext.activate", context=page)

    def hide(self, page: str) -> None:
        """Minimise the page's window: the page is hidden for real."""
        self._window(page, "minimized")

    def show(self, page: str) -> None:
        """Bring the page's window back."""
        self._window(page, "normal")

    def _window(self, page: str, state: str) -> None:
        (context,) = self.command("browsingContext.getTree", root=page)["contexts"]
        self.command(
            "browser.setClientWindowState", clientWindow=context["clientWindow"], state=state
        )

    def close(self, page: str) -> None:
        """Close the page as a person closes a tab."""
        self.command("browsingContext.close", context=page)

    def evaluate(self, page: str, script: str) -> Any:
        """Run the script in the page and return its value, of what JSON can say."""
        answer = self.command(
            "script.evaluate",
            expression=f"Promise.resolve({script}).then(JSON.stringify)",
            target={"context": page},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(f"{script}: {answer['exceptionDetails']['text']}")
        return json.loads(answer["result"].get("value", "null"))

    def click(self, page: str, selector: str) -> None:
        """Click the middle of the first element that matches, with the browser's own mouse."""
        x, y = self.evaluate(
            page,
            f"(function (box) {{ return [box.x + box.width / 2, box.y + box.height / 2]; }})"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())",
        )
        press = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.command(
            "input.performActions",
            context=page,
            actions=[{"type": "pointer", "id": "mouse", "actions": press}],
        )

    def quit(self) -> None:
        """End the browser, by its own process id if it does not go when asked."""
        with contextlib.suppress(Exception):
            self.command("browser.close")
        self._stop()

    def _stop(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._home, ignore_errors=True)


@pytest.fixture(scope="module")
def firefox() -> Iterator[Firefox]:
    """A :class:`Firefox`, one a test module."""
    path = firefox_path()
    pytest.importorskip("websockets")
    browser = Firefox(path)
    try:
        yield browser
    finally:
        browser.quit()
