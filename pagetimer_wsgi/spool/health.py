"""How it goes: what was counted, what fails now, and one log line a minute about it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

log = logging.getLogger("pagetimer")
FILE = "health.json"
_MINUTE = 60


class Failure(msgspec.Struct, frozen=True):
    """One error of ours."""

    at: int
    """Milliseconds since 1970 UTC."""
    part: str
    """Spool, store, secret, page …"""
    text: str


class Figures(msgspec.Struct):
    """What one process counted, or what several did together."""

    accepted: int = 0
    stored: int = 0
    quarantined: int = 0
    refused: int = 0
    """Calls that were answered with 4xx or 503."""
    errors: int = 0
    failing: dict[str, str] = msgspec.field(default_factory=dict)
    """What fails now, by part, and why."""
    last_error: Failure | None = None
    """Whether or not it works again."""

    def add(self, other: Figures) -> None:
        """Add what another process counted."""
        for name in ("accepted", "stored", "quarantined", "refused", "errors"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failing |= other.failing
        if other.last_error is not None:
            own = self.last_error or other.last_error
            self.last_error = max(own, other.last_error, key=lambda failure: failure.at)


class Health:
    """One process's figures. Kept on disk by the writer, beside the process's lock."""

    def __init__(self) -> None:
        self.figures = Figures()
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._saved = b""

    def count(self, name: str, number: int = 1) -> None:
        """Count something: accepted, stored, quarantined or refused."""
        with self._lock:
            setattr(self.figures, name, getattr(self.figures, name) + number)

    def fails(self, part: str, message: str) -> None:
        """Note that a part of ours fails now, and why."""
        with self._lock:
            self.figures.failing[part] = message
        self.say(part, message)

    def say(self, part: str, message: str) -> None:
        """Count an error of ours; put it into the log once a minute at the most."""
        with self._lock:
            self.figures.errors += 1
            self.figures.last_error = Failure(time.time_ns() // 1_000_000, part, message)
            now = time.monotonic()
            silent = now - self._said.get(part, -_MINUTE) < _MINUTE
            if not silent:
                self._said[part] = now
        if not silent:
            log.error("%s: %s", part, message)

    def works(self, part: str) -> None:
        """Note that a part works (again)."""
        if part in self.figures.failing:
            with self._lock:
                self.figures.failing.pop(part, None)
            log.warning("%s: works again", part)

    def save(self, folder: Path) -> None:
        """Keep the figures in a process's folder, if they changed."""
        with self._lock:
            data = msgspec.json.encode(self.figures)
        if data != self._saved:
            _write(folder / FILE, data)
            self._saved = data

    def leave(self, spool: Path) -> None:
        """Add the figures to the spool's own, where this process has no folder to leave them in.

        Only who drains alone may do so.
        """
        with self._lock:
            left, self.figures = self.figures, Figures()
        _add(spool, left)

    def hand_over(self, folder: Path) -> None:
        """Leave the figures in a folder for whoever adopts it, and count from 0 again."""
        self.save(folder)
        with self._lock:
            self.figures = Figures(failing=self.figures.failing, last_error=self.figures.last_error)


def figures_in(folders: Iterable[Path]) -> Figures:
    """Return the figures that these folders hold, together."""
    together = Figures()
    for folder in folders:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            together.add(msgspec.json.decode((folder / FILE).read_bytes(), type=Figures))
    return together


def inherit(spool: Path, folder: Path) -> None:
    """Add a dead process's figures to the spool's own, and remove its file."""
    _add(spool, figures_in([folder]))
    (folder / FILE).unlink(missing_ok=True)


def _add(spool: Path, left: Figures) -> None:
    left.failing.clear()
    together = figures_in([spool])
    together.add(left)
    _write(spool / FILE, msgspec.json.encode(together))


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(data)
    draft.replace(path)
