"""One segment: a file of lines, and the mark beside it that says how much of it is stored."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..files import write_file

SUFFIX = ".jsonl"
_MARK = ".mark"
_READ = 2**20
"""How much is read at once; a line is far shorter (the endpoint takes 16 KiB)."""


class Mark(msgspec.Struct, frozen=True):
    """Up to which byte a segment is stored, and in which store."""

    bytes: int
    store: str


_unwritten: dict[Path, Mark] = {}


@dataclass(frozen=True)
class Segment:
    """A file of lines that only its owner appends to and that anybody may read."""

    path: Path

    def stored(self, store: str) -> int:
        """Return up to which byte this very store has it. Too little is harmless."""
        mark = self._read_mark()
        return mark.bytes if mark.store == store else 0

    def mark(self, end: int, store: str) -> None:
        """Say that the store has all up to this byte; nothing, if the folder is gone.

        Where the disk has no room for it, this process knows it, and can go on to make room.
        """
        mark = Mark(end, store)
        _unwritten.pop(self.path, None)
        try:
            write_file(self._mark, msgspec.json.encode(mark))
        except FileNotFoundError:
            pass
        except OSError:
            _unwritten[self.path] = mark

    def lines(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Yield each whole line from ``start`` on, and the byte at which it ends.

        A last line without a newline was never accepted, and is left.
        """
        with open(self.path, "rb") as stream:
            stream.seek(start)
            rest = b""
            while chunk := stream.read(_READ):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    start += len(line) + 1
                    yield line, start
                if len(rest) >= _READ:  # no line of ours: give it away in pieces
                    start += len(rest)
                    yield rest, start
                    rest = b""

    def marked(self) -> int:
        """Return up to which byte some store has it, as far as the mark knows."""
        return self._read_mark().bytes

    def count(self, start: int) -> int:
        """Return how many lines end after this byte; none, if the file is gone."""
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as stream:
            stream.seek(start)
            return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(_READ), b""))
        return 0

    def is_stored(self, store: str) -> bool:
        """Tell whether this very store has every whole line."""
        return not any(True for _ in self.lines(self.stored(store)))

    def size(self) -> int:
        """Return the bytes on disk."""
        return self.path.stat().st_size

    def remove(self) -> None:
        """Remove the file, then its mark."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)
        _unwritten.pop(self.path, None)

    def _read_mark(self) -> Mark:
        if mark := _unwritten.get(self.path):
            return mark
        try:
            return msgspec.json.decode(self._mark.read_bytes(), type=Mark)
        except (OSError, msgspec.DecodeError):
            return Mark(0, "")

    @property
    def _mark(self) -> Path:
        return self.path.with_suffix(_MARK)


def write_marks() -> None:
    """Try again to write what :meth:`Segment.mark` could not."""
    for path, mark in list(_unwritten.items()):
        Segment(path).mark(mark.bytes, mark.store)


def segments_in(folder: Path) -> list[Segment]:
    """Return a folder's segments, oldest first; none if it is gone or another user's.

    What is no file of its own is none: a link may lead root astray, a pipe keeps it waiting.
    """
    try:
        names = sorted(
            entry.name
            for entry in os.scandir(folder)
            if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False)
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [Segment(folder / name) for name in names]
