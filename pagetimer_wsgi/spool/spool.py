"""``Spool``: where this process appends what it accepts, and what waits there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..stores.base import without_password
from . import folders
from .health import Figures, Health, figures_in
from .known import NOTE, Known
from .process import Process
from .segments import Segment, segments_in


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
        self.address = without_password(store_url)
        self.known = Known(self.address, self.folder / NOTE)
        self.limit = limit
        self.fsync = fsync
        self._processes: dict[int, Process] = {}

    @property
    def process(self) -> Process:
        """What belongs to the process that asks."""
        pid = os.getpid()
        return self._processes.get(pid) or self._new_process(pid)

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
        together = figures_in(self.folder, others)
        together.add(self.health.figures)
        return together

    def _new_process(self, pid: int) -> Process:
        """Return a new process's part, and close what a forked child has of its parent's."""
        for other in list(self._processes):
            inherited = self._processes.pop(other, None) if other != pid else None
            if inherited is not None:
                inherited.forget()
        # setdefault is one step for all threads; a loser's Process holds nothing yet.
        return self._processes.setdefault(pid, Process(self.folder, self.limit, self.fsync))


def _name(store_url: str) -> str:
    """Return the name of a store's own folder: nobody drains another store's beats."""
    return hashlib.blake2b(without_password(store_url).encode(), digest_size=8).hexdigest()
