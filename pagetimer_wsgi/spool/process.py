"""One process's part of a spool: its folder, the segment that it appends to, its figures."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..errors import SpoolAway
from ..files import make_folder, write_file
from . import threads
from .folders import ProcessFolder, new_folder
from .health import FILE, Health
from .look import Look
from .opened import OpenSegment
from .place import Place
from .room import lack_of_disk, lack_of_room
from .segments import SUFFIX, Segment, segments_in

SEGMENT_BYTES = 4 * 2**20
_TRIAL = "trial"
_EARLY = 0.5


class Process:
    """What one process has of a spool. Safe to use from any of its threads.

    :param spool: the spool's folder
    :param limit: bytes that may wait in it
    :param fsync: whether each beat is on the disk itself before it is accepted
    """

    def __init__(self, spool: Path, limit: int, fsync: bool) -> None:
        self.health = Health()
        self.draining = threads.lock()
        self._spool = spool
        self._fsync = fsync
        self._lock = threads.lock()
        self._folder: ProcessFolder | None = None
        self._opened: OpenSegment | None = None
        self._number = 0
        self._place = Look(Place(spool).objection)
        self._disk = Look(self._lack_of_disk)
        self._room = Look(lambda: lack_of_room(spool, limit))

    @property
    def folder_path(self) -> Path | None:
        """The folder of this process, once it has one."""
        folder = self._folder
        return folder.path if folder else None

    def append(self, line: bytes) -> None:
        """Take one line, newline included: when this returns, the kernel has it.

        :raises SpoolAway: if it could not be made durable
        """
        try:
            self._check_room()
            with self._lock:
                self._append(line)
        except OSError as error:
            raise self._away(error) from error

    def check(self) -> None:
        """Try for real whether a line would be taken now, without one.

        :raises SpoolAway: with what stands against it
        """
        try:
            self._check_room()
            new_folder(self._spool, fsync=self._fsync).remove()
        except OSError as error:
            raise self._away(error) from error

    def check_place(self) -> None:
        """Look whether the spool may be used from here.

        :raises SpoolAway: if it may not
        :raises OSError: if that cannot be told
        """
        if self._spool.is_dir():
            self._place.check()

    def look_ahead(self) -> None:
        """Look at disk and room before a beat must, if this process takes any."""
        if self._folder is not None:
            with contextlib.suppress(SpoolAway, OSError):
                self._check_room(_EARLY)

    def look_again(self) -> None:
        """Say that the spool works again, if it does: for long no beat may come to show it."""
        if "spool" in self.health.figures.failing:
            with contextlib.suppress(SpoolAway, OSError):
                self._check_room()
                write_file(self._spool / _TRIAL, b"Written to see whether it can be.\n")
                (self._spool / _TRIAL).unlink()
                self.health.works("spool")

    def has_segments(self) -> bool:
        """Tell whether anything lies in this process's folder."""
        path = self.folder_path
        return path is not None and bool(segments_in(path))

    def ends(self) -> dict[Segment, int]:
        """Return how far this process's segments reach now."""
        path = self.folder_path
        found = {}
        for segment in segments_in(path) if path else []:
            with contextlib.suppress(FileNotFoundError):
                found[segment] = segment.size()
        return found

    def remove_stored(self, store: str) -> None:
        """Remove our own segments that this store has wholly; end the open one if it does."""
        path = self.folder_path
        if path is None:
            return
        segments = segments_in(path)
        with self._lock:  # whoever was opening one of these has done so
            opened = self._opened
        for segment in segments:
            if opened is not None and segment == opened.segment:
                self._end_stored(opened, store)
            elif segment.is_stored(store):
                segment.remove()

    def close(self) -> None:
        """End the open segment and let go of the folder; it goes too if nothing waits in it."""
        with self._lock:
            self._end()
            folder, self._folder = self._folder, None
        if folder is None:
            return
        with contextlib.suppress(OSError):
            self.health.hand_over(folder.path)
        if segments_in(folder.path) or (folder.path / FILE).exists():
            folder.let_go()  # whoever adopts it stores the beats and adds up the figures
        else:
            folder.remove()

    def forget(self) -> None:
        """Close what a forked child inherited, or the disk space of removed files stays taken."""
        if self._opened is not None:
            self._opened.forget()
        if self._folder is not None:
            self._folder.let_go()  # the lock itself is the parent's

    def _away(self, error: OSError) -> SpoolAway:
        return SpoolAway(f"{error}. Make {self._spool} writable, with room on its disk")

    def _append(self, line: bytes) -> None:
        try:
            if not self._write(line):
                # The file had been taken from us, and perhaps the line with it.
                self._start_anew()
                if not self._write(line):
                    raise OSError(f"{self._spool} is being removed")
        except BaseException:
            self._start_anew()
            raise

    def _write(self, line: bytes) -> bool:
        """Append to the open segment; false if nobody can say that it will be found there."""
        opened = self._opened
        if opened is None or opened.size + len(line) > SEGMENT_BYTES:
            opened = self._open_next()
        folder = self._folder
        if folder is None or not (opened.append(line) and folder.is_held()):
            return False
        self.health.accept(opened.name, opened.size)
        return True

    def _open_next(self) -> OpenSegment:
        self._end()
        self._leave_lost_folder()
        if self._folder is None:
            self._folder = new_folder(self._spool, fsync=self._fsync)
            with contextlib.suppress(OSError):
                self.health.save(self._folder.path)  # from here on our lines are counted
        self._number += 1
        path = self._folder.path / f"{self._number:012d}{SUFFIX}"
        self._opened = OpenSegment(path, self._fsync)
        return self._opened

    def _end(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _end_stored(self, opened: OpenSegment, store: str) -> None:
        if not opened.segment.is_stored(store):
            return
        with self._lock:  # nobody appends while we look
            if opened is self._opened and opened.segment.is_stored(store):
                self._end()
                opened.segment.remove()

    def _start_anew(self) -> None:
        self._end()
        self._leave_lost_folder()

    def _leave_lost_folder(self) -> None:
        folder = self._folder
        if folder is None or folder.is_in_place():
            return
        self._end()
        folder.let_go()
        self._folder = None
        with contextlib.suppress(OSError):
            (folder.path / FILE).unlink()  # our figures go on elsewhere

    def _check_room(self, early: float = 1.0) -> None:
        self._disk.check(early)
        self._room.check(early)

    def _lack_of_disk(self) -> str | None:
        with self._lock:
            self._leave_lost_folder()
        make_folder(self._spool, fsync=self._fsync)
        self._place.check()
        return lack_of_disk(self._spool)
