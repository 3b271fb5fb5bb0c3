"""``Spool``: where this process appends what it accepts, and what waits there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from pathlib import Path

from ..errors import SpoolAway
from ..stores.base import without_password
from . import folders
from .health import FILE, Figures, Health, figures_in
from .segments import SUFFIX, Segment, segments_in

SEGMENT_BYTES = 4 * 2**20
FREE_BYTES = 100 * 2**20
"""With less of the disk free nothing is accepted: the host needs it more than we do."""


class Spool:
    """The spool of one store, as one process sees it.

    Safe to use from any thread and across forks: whatever belongs to a process is found by
    its id, before any lock is touched.

    :param folder: the spool's folder; its own folder within is named after the store
    :param store_url: whose spool it is; the password does not count
    :param limit: bytes that may wait
    :param fsync: whether each beat is on the disk itself before it is accepted
    """

    def __init__(self, folder: Path, store_url: str, limit: int, fsync: bool = False) -> None:
        self.name = _name(store_url)
        self.folder = folder / self.name
        self.limit = limit
        self.fsync = fsync
        self._processes: dict[int, _Process] = {}

    @property
    def process(self) -> _Process:
        """What belongs to the process that asks."""
        pid = os.getpid()
        # setdefault is one step for all threads; a loser's _Process holds nothing yet.
        return self._processes.get(pid) or self._processes.setdefault(pid, _Process(self))

    @property
    def health(self) -> Health:
        """This process's figures."""
        return self.process.health

    def append(self, line: bytes) -> None:
        """Take one line, newline included: when this returns, the kernel has it.

        :raises SpoolAway: if it could not be made durable
        """
        self.process.append(line)

    def segments(self) -> list[Segment]:
        """Return every process's segments."""
        return [
            segment
            for folder in folders.process_folders(self.folder)
            for segment in segments_in(folder)
        ]

    def figures(self) -> Figures:
        """Return what all processes of this host counted, together."""
        own = self.process.folder_path
        others = [path for path in folders.process_folders(self.folder) if path != own]
        together = figures_in([self.folder, *others])
        together.add(self.health.figures)
        return together


class _Process:
    """One process's part of a spool: its folder, its open segment, its figures."""

    def __init__(self, spool: Spool) -> None:
        self.health = Health()
        self.draining = threading.Lock()
        self._spool = spool
        self._lock = threading.Lock()
        self._folder: folders.ProcessFolder | None = None
        self._segment: Segment | None = None
        self._descriptor = -1
        self._size = 0
        self._number = 0
        self._room_seen = -1.0
        self._room: str | None = None

    @property
    def folder_path(self) -> Path | None:
        """The folder of this process, once it has one."""
        return self._folder.path if self._folder else None

    def append(self, line: bytes) -> None:
        with self._lock:
            try:
                self._check_room()
                if not self._write(line):
                    # The file had been removed under us, and the line with it.
                    self._start_anew()
                    if not self._write(line):
                        raise OSError(f"{self._spool.folder} is being removed")
            except OSError as error:
                self._start_anew()
                raise SpoolAway(
                    f"{error}. Make {self._spool.folder} writable, with room on its disk"
                ) from error
        self.health.count("accepted")

    def has_segments(self) -> bool:
        """Tell whether anything lies in this process's folder."""
        path = self.folder_path
        return path is not None and bool(segments_in(path))

    def ends(self) -> dict[Segment, int]:
        """Return how far this process's segments reach now."""
        path = self.folder_path
        return {s: _size(s) for s in segments_in(path)} if path else {}

    def remove_stored(self, store: str) -> None:
        """Remove our own segments that this store has wholly; end the open one if it does."""
        path = self.folder_path
        if path is None:
            return
        segments = segments_in(path)
        with self._lock:  # whoever was opening one of these has done so
            opened = self._segment
        for segment in segments:
            if segment == opened:
                self._end_stored(segment, store)
            elif segment.is_stored(store):
                segment.remove()

    def close(self) -> None:
        """End the open segment and let go of the folder; it goes too if nothing waits in it."""
        with self._lock:
            self._close()
            folder, self._folder = self._folder, None
        if folder is None:
            return
        with contextlib.suppress(OSError):
            self.health.hand_over(folder.path)
        if segments_in(folder.path) or (folder.path / FILE).exists():
            folder.let_go()  # whoever adopts it stores the beats and adds up the figures
        else:
            folder.remove()

    def _end_stored(self, segment: Segment, store: str) -> None:
        with self._lock:  # nobody appends while we look
            if segment == self._segment and segment.stored(store) == self._size:
                self._close()
                segment.remove()

    def _write(self, line: bytes) -> bool:
        """Append to the open segment; false if that file has lost its name meanwhile."""
        if self._size + len(line) > SEGMENT_BYTES:
            self._close()
        if self._descriptor < 0:
            self._open()
        written = os.write(self._descriptor, line)
        if written != len(line):
            self._cut()
            raise OSError(f"only {written} of {len(line)} bytes could be written")
        self._size += written
        if self._spool.fsync:
            os.fsync(self._descriptor)
        return os.fstat(self._descriptor).st_nlink > 0

    def _open(self) -> None:
        if self._folder is None:
            self._folder = folders.make_folder(self._spool.folder)
        self._number += 1
        path = self._folder.path / f"{self._number:012d}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._segment = Segment(path)
        self._size = 0
        if self._spool.fsync:
            _sync_folder(self._folder.path)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._close()  # its last line has no newline, so it is none

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._segment, self._size = -1, None, 0

    def _start_anew(self) -> None:
        self._close()
        if self._folder is not None and not self._folder.is_there():
            self._folder.let_go()
            self._folder = None

    def _check_room(self) -> None:
        """Look once a second whether there is room left."""
        now = time.monotonic()
        if now - self._room_seen >= 1:
            self._room_seen = now
            self._room = self._lack_of_room()
        if self._room:
            raise SpoolAway(self._room)

    def _lack_of_room(self) -> str | None:
        os.makedirs(self._spool.folder, mode=0o700, exist_ok=True)
        free = shutil.disk_usage(self._spool.folder).free
        if free < FREE_BYTES:
            return f"only {free >> 20} MiB are free on the disk of {self._spool.folder}, not 100"
        waiting = sum(_size(segment) for segment in self._spool.segments())
        if waiting >= self._spool.limit:
            return f"{waiting >> 20} MiB wait in {self._spool.folder}, which is spool_limit"
        return None


def _size(segment: Segment) -> int:
    try:
        return segment.size()
    except FileNotFoundError:
        return 0


def _name(store_url: str) -> str:
    """Return the name of a store's own folder: nobody drains another store's beats."""
    return hashlib.blake2b(without_password(store_url).encode(), digest_size=8).hexdigest()


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
