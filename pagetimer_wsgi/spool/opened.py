"""The segment that this process appends to."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..files import open_file, sync_folder
from .descriptors import Descriptor
from .segments import Segment

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND


class OpenSegment:
    """A segment while it is open. Whoever appends to it ends it with its first failure.

    :param path: of the file, which is made now
    :param fsync: whether each line is on the disk itself before it counts
    :raises OSError: if it cannot be made
    """

    def __init__(self, path: Path, fsync: bool) -> None:
        self.segment = Segment(path)
        self.name = path.name
        self.size = 0
        self._fsync = fsync
        self._descriptor = Descriptor(open_file(path, _NEW))
        if fsync:
            sync_folder(path.parent)

    def append(self, line: bytes) -> bool:
        """Append one line; false if the file is no longer ours or has lost its name.

        :raises OSError: if it could not be written whole; then nothing of it is left, unless
            the disk refuses that too: half a line is none, and the segment ends with it
        """
        before = self._descriptor.status()
        if before is None:
            return False
        try:
            written = os.write(self._descriptor.number, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes could be written")
            if self._fsync:
                os.fsync(self._descriptor.number)
        except BaseException:  # a host may let its signals raise anything anywhere
            self._cut(before.st_size)
            raise
        self.size = before.st_size + len(line)
        return self._descriptor.has_name()

    def close(self) -> None:
        """End it. A file in which nothing lies goes: a full disk needs no trail of them."""
        self._descriptor.close()
        if not self.size:
            with contextlib.suppress(OSError):
                self.segment.path.unlink()

    def forget(self) -> None:
        """Let go of the file, which is another process's."""
        self._descriptor.close()

    def _cut(self, size: int) -> None:
        if self._descriptor.status() is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor.number, size)
