"""How it goes: what was counted, what fails now, and one log line a minute about it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from ..files import remove_old_drafts, write_file
from ..logs import log
from . import threads
from .folders import only_one
from .segments import segments_in

FILE = "health.json"
_LOCK = "health.lock"
_MINUTE = 60
_NOWHERE = ("", 0)
_TRIES = 3
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
    counted_to: tuple[str, int] | None = None
    """Of one process: up to which byte of which segment ``accepted`` counts its lines."""

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
        self.figures = Figures(counted_to=_NOWHERE)
        self._lock = threads.lock()
        self._said: dict[str, float] = {}
        self._saved: tuple[Path, bytes] | None = None

    def count(self, name: str, number: int = 1) -> None:
        """Count something: accepted, stored, quarantined or refused."""
        with self._lock:
            setattr(self.figures, name, getattr(self.figures, name) + number)

    def accept(self, segment: str, end: int) -> None:
        """Count a line that was accepted, and ends at this byte of this segment."""
        with self._lock:
            self.figures.accepted += 1
            self.figures.counted_to = (segment, end)

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

        Only who drains alone may do so. Where they cannot be added they are kept.

        :raises OSError: if they cannot be added
        """
        with self._lock:
            left, self.figures = self.figures, Figures(counted_to=_NOWHERE)
        try:
            with _adding(spool) as together:
                together.add(_settled(left))
        except OSError:
            with self._lock:
                self.figures.add(left)
            raise

    def hand_over(self, folder: Path) -> None:
        """Leave the figures in a folder for whoever adopts it, and count from 0 again."""
        self.save(folder)
        with self._lock:
            before = self.figures
            self.figures = Figures(
                failing=before.failing, last_error=before.last_error, counted_to=before.counted_to
            )


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
            together.add(counted_in(folder))
    return together


def inherit(spool: Path, folder: Path, counted: Figures) -> None:
    """Add a dead process's figures to the spool's own; once, whenever we may be killed.

    :param counted: its figures, which are used up
    :raises OSError: if they cannot be kept; then the folder must stay
    """
    if not (folder / FILE).exists():
        return
    with _adding(spool) as together:
        if folder.name not in together.folders:
            together.add(_settled(counted))
            there = [name for name in together.folders if (spool / name / FILE).exists()]
            together.folders = [*there, folder.name]
    (folder / FILE).unlink(missing_ok=True)
    remove_old_drafts(spool)  # who died may have left some


@contextlib.contextmanager
def _adding(spool: Path) -> Iterator[_Inherited]:
    """Give the spool's own figures, and keep what they have become.

    :raises BlockingIOError: if another process adds to them
    """
    with only_one(spool / _LOCK) as alone:
        if not alone:
            raise BlockingIOError(f"another process adds up the figures of {spool}")
        together = _read(spool, _Inherited)
        yield together
        write_file(spool / FILE, msgspec.json.encode(together))


def counted_in(folder: Path) -> Figures:
    """Return what a process left in its folder, or keeps there, counted up to this moment."""
    for _ in range(_TRIES):
        figures = _read(folder, Figures)
        late = 0 if figures.counted_to is None else _lines_after(folder, *figures.counted_to)
        if _read(folder, Figures) == figures:  # else segments may have gone meanwhile
            break
    figures.accepted += late
    return figures


def _lines_after(folder: Path, name: str, end: int) -> int:
    later = [segment for segment in segments_in(folder) if segment.path.name >= name]
    return sum(segment.count(end if segment.path.name == name else 0) for segment in later)


def _settled(figures: Figures) -> Figures:
    """What failed for a process that is no more, fails no more."""
    figures.failing.clear()
    return figures


def _read(folder: Path, kind: type[AnyFigures]) -> AnyFigures:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=kind)
    return kind()
