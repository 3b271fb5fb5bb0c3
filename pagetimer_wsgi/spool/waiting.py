"""What waits: how many beats no store has yet, and since when the oldest of them waits."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadLine
from ..lines import NewerLine, decode
from .folders import process_folders
from .segments import segments_in

COUNTED_BYTES = 16 * 2**20
"""Of so much the lines are counted, some 50,000 beats in 10 ms; of what goes beyond, reckoned:
this is asked every few seconds, and 512 MiB may wait."""
_HEAD = 2**16
"""So much is looked at for the first line that says when it was received."""


@dataclass(frozen=True)
class Waiting:
    """What no store has yet, as far as the segments' marks know.

    :param beats: whole lines
    :param is_exact: whether all were counted; else ``beats`` is reckoned from ``bytes``
    :param received_at: when the first of them came, in milliseconds since 1970 UTC
    """

    beats: int
    bytes: int
    is_exact: bool
    received_at: int | None

    @property
    def oldest_age(self) -> float | None:
        """Seconds for which the first has waited; none if none waits."""
        if self.received_at is None:
            return None
        return max(0.0, time.time() - self.received_at / 1000)


@dataclass(frozen=True)
class _Rest:
    """What follows a segment's mark."""

    path: Path
    start: int
    size: int

    def read(self, most: int) -> bytes:
        """Return whole lines from its start, in ``most`` bytes."""
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as stream:
            stream.seek(self.start)
            data = stream.read(most)
            return data[: data.rfind(b"\n") + 1]
        return b""  # its owner has removed it: it was stored


def what_waits(spool: Path) -> Waiting:
    """Return what waits in the folders of all processes, dead and alive.

    :raises OSError: if one cannot be read
    """
    folders = [list(_rests(folder)) for folder in process_folders(spool)]
    beats = counted = beyond = 0
    for rest in (rest for rests in folders for rest in rests):
        room = COUNTED_BYTES - counted
        lines = rest.read(min(room, rest.size))
        beats += lines.count(b"\n")
        counted += len(lines)
        if rest.size > room:
            beyond += rest.size - len(lines)
    came = [moment for moment in map(_received_at, folders) if moment is not None]
    return Waiting(
        beats=beats + round(beyond * beats / counted) if counted else 0,
        bytes=counted + beyond,
        is_exact=not beyond,
        received_at=min(came, default=None),
    )


def _rests(folder: Path) -> Iterator[_Rest]:
    for segment in segments_in(folder):
        with contextlib.suppress(FileNotFoundError):
            start, end = segment.marked(), segment.size()
            if end > start:
                yield _Rest(segment.path, start, end - start)


def _received_at(rests: Sequence[_Rest]) -> int | None:
    """Return when the first of these lines was received, which is the oldest of its process."""
    for rest in rests:
        lines = rest.read(_HEAD).splitlines()
        for line in lines:
            with contextlib.suppress(BadLine, NewerLine):
                return decode(line).received_at
        with contextlib.suppress(FileNotFoundError):
            if lines:  # none says when: not later than the last write
                return os.stat(rest.path).st_mtime_ns // 1_000_000
    return None
