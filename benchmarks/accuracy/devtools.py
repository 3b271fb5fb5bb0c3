"""A Chromium of our own, driven over the raw DevTools protocol.

A page with a debugging session of its own is always visible, never prerendered and never kept in
the back/forward cache. So everything goes by the browser's own connection, and a session with a
page lasts for one act.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class DevTools:
    """A browser with an empty profile.

    A page is named by its target id. Each opens in a window of its own, so that hiding one leaves
    the others alone. Sessions with a page last for one act: under one, a page is never hidden.
    """

    def __init__(self, path: str, *arguments: str) -> None:
        from websockets.sync.client import connect

        self._numbers = itertools.count(1)
        self._profile = tempfile.mkdtemp(prefix="pagetimer-browser-")
        self.process = subprocess.Popen(
            [
                path,
                *ARGUMENTS,
                "--remote-debugging-port=0",
                f"--user-data-dir={self._profile}",
                *arguments,
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port, address = self._where()
            self._connection = contextlib.ExitStack()
            self._socket = self._connection.enter_context(
                connect(f"ws://127.0.0.1:{port}{address}", max_size=None)
            )
        except BaseException:
            self._stop()
            raise

    def _where(self, timeout: float = 20.0) -> tuple[str, str]:
        told = Path(self._profile) / "DevToolsActivePort"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"chromium ended at its start: {self.process.returncode}")
            with contextlib.suppress(OSError, ValueError):
                port, address = told.read_text().split()
                return port, address
            time.sleep(0.05)
        raise TimeoutError("chromium named no DevTools port")

    def command(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; what else arrives meanwhile is dropped.

        :raises RuntimeError: if the browser refuses it
        """
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=20))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def event(self, name: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait for an event of the browser's and return what it says; others are dropped.

        :raises TimeoutError: if nothing comes for ``timeout`` seconds
        """
        while True:
            message = json.loads(self._socket.recv(timeout=timeout))
            if message.get("method") == name:
                return message["params"]

    def open(self, url: str, *, background: bool = False) -> str:
        """Open a page in a window of its own and return its target id."""
        return self.command(
            "Target.createTarget", url=url, newWindow=not background, background=background
        )["targetId"]

    def hide(self, page: str) -> None:
        """Minimise the page's window: the page is hidden for real."""
        self._window(page, "minimized")

    def show(self, page: str) -> None:
        """Bring the page's window back."""
        self._window(page, "normal")

    def _window(self, page: str, state: str) -> None:
        window = self.command("Browser.getWindowForTarget", targetId=page)["windowId"]
        self.command("Browser.setWindowBounds", windowId=window, bounds={"windowState": state})

    def close(self, page: str) -> None:
        """Close the page as a person closes a tab."""
        self.command("Target.closeTarget", targetId=page)

    @contextlib.contextmanager
    def session(self, page: str) -> Iterator[str]:
        """A session with the page, for one short act."""
        session = self.command("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        try:
            yield session
        finally:
            with contextlib.suppress(RuntimeError):  # the act may have ended the page
                self.command("Target.detachFromTarget", sessionId=session)

    def evaluate(self, page: str, script: str) -> Any:
        """Run the script in the page and return its value."""
        with self.session(page) as session:
            answer = self.command(
                "Runtime.evaluate",
                session,
                expression=script,
                returnByValue=True,
                awaitPromise=True,
                userGesture=True,
            )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def click(self, page: str, selector: str) -> None:
        """Click the middle of the first element that matches, with the browser's own mouse."""
        self._expect(page, selector)
        x, y = self.evaluate(
            page,
            f"(function (box) {{ return [box.x + box.width / 2, box.y + box.height / 2]; }})"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())",
        )
        with self.session(page) as session:
            for kind in "mousePressed", "mouseReleased":
                self.command(
                    "Input.dispatchMouseEvent",
                    session,
                    type=kind,
                    x=x,
                    y=y,
                    button="left",
                    clickCount=1,
                )

    def type(self, page: str, selector: str, text: str) -> None:
        """Focus the first element that matches, and type the text with the browser's own keys."""
        self._expect(page, selector)
        self.evaluate(page, f"document.querySelector({json.dumps(selector)}).focus()")
        with self.session(page) as session:
            for letter in text:
                for kind in "keyDown", "keyUp":
                    self.command(
                        "Input.dispatchKeyEvent", session, type=kind, key=letter, text=letter
                    )

    def _expect(self, page: str, selector: str, timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        while not self.evaluate(page, f"!!document.querySelector({json.dumps(selector)})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {selector} in the page")
            time.sleep(0.05)

    def address(self, page: str) -> str:
        """Return the page's address, without touching the page."""
        return self.command("Target.getTargetInfo", targetId=page)["targetInfo"]["url"]

    def quit(self) -> None:
        """End the browser, by its own process id if it does not go when asked."""
        with contextlib.suppress(Exception):
            self.command("Browser.close")
        with contextlib.suppress(Exception):
            self._connection.close()
        self._stop()

    def _stop(self) -> None:
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)
