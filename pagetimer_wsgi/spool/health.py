"""How it goes: what was counted, what fails now, and one log line a minute about it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from ..files import write_file
from ..logs import log
from . import threads
from .folders import only_one

FILE = "health.json"
_LOCK = "health.lock"
_MINUTE = 60
AnyFigures = TypeVar("AnyFigures", bound="Figures")


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
        self._lock = threads.lock()
        self._said: dict[str, float] = {}
        self._saved: tuple[Path, bytes] | None = None

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
            silent = self._is_silent(part)
        if not silent:
            log.error("%s: %s", part, message)

    def works(self, part: str) -> None:
        """Note that a part works (again)."""
        if part in self.figures.failing:
            with self._lock:
                silent = self.figures.failing.pop(part, None) is None or self._is_silent(
                    f"{part} works"
                )
            if not silent:
                log.warning("%s: works again", part)

    def _is_silent(self, subject: str) -> bool:
        """Tell whether something was said of this within the last minute; it counts as said."""
        now = time.monotonic()
        silent = now - self._said.get(subject, -_MINUTE) < _MINUTE
        if not silent:
            self._said[subject] = now
        return silent

    def save(self, folder: Path) -> None:
        """Keep the figures in a process's folder, if they changed."""
        with self._lock:
            data = msgspec.json.encode(self.figures)
        if (folder, data) != self._saved:
            write_file(folder / FILE, data)
            self._saved = (folder, data)

    def leave(self, spool: Path) -> None:
        """Add the figures to the spool's own, where this process has no folder to leave them in.

        Only who drains alone may do so.
        """
        with self._lock:
            left, self.figures = self.figures, Figures()
        with _adding(spool) as together:
            together.add(_settled(left))

    def hand_over(self, folder: Path) -> None:
        """Leave the figures in a folder for whoever adopts it, and count from 0 again."""
        self.save(folder)
        with self._lock:
            self.figures = Figures(failing=self.figures.failing, last_error=self.figures.last_error)


class _Inherited(Figures):
    """What dead processes counted, and of whom of them the file may still be there."""

    folders: list[str] = msgspec.field(default_factory=list)


def figures_in(spool: Path, folders: Iterable[Path]) -> Figures:
    """Return what a spool's processes counted, dead and alive, together.

    :param folders: those of its processes
    """
    together = _read(spool, _Inherited)
    for folder in folders:
        if folder.name not in together.folders:
            together.add(_read(folder, Figures))
    return together


def inherit(spool: Path, folder: Path) -> None:
    """Add a dead process's figures to the spool's own; once, whenever we may be killed.

    :raises OSError: if they cannot be kept; then the folder must stay
    """
    with _adding(spool) as together:
        if folder.name not in together.folders:
            together.add(_settled(_read(folder, Figures)))
            there = [name for name in together.folders if (spool / name / FILE).exists()]
            together.folders = [*there, folder.name]
    (folder / FILE).unlink(missing_ok=True)


@contextlib.contextmanager
def _adding(spool: Path) -> Iterator[_Inherited]:
    """Give the spool's own figures, and keep what they have become."""
    with only_one(spool / _LOCK) as alone:
        if not alone:
            raise BlockingIOError(f"another process adds up the figures of {spool}")
        together = _read(spool, _Inherited)
        yield together
        write_file(spool / FILE, msgspec.json.encode(together))


def _settled(figures: Figures) -> Figures:
    """What failed for a process that is no more, fails no more."""
    figures.failing.clear()
    return figures


def _read(folder: Path, kind: type[AnyFigures]) -> AnyFigures:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=kind)
    return kind()
