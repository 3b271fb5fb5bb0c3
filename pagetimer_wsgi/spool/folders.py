"""A folder for each process, with a lock that the kernel lets go when the process ends.

The lock is a POSIX record lock (``lockf``): a forked child does not inherit it, so a dead
process's folder can be taken over however many of its children live. Such locks do not
conflict within a process, and closing any descriptor of the file lets them go: the folder's
name tells our own from others', and a lock file is opened once.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import DRAFT, make_folder, make_new_folder, open_file
from .descriptors import Descriptor

_LOCK = "lock"
_LEFT = (".mark", DRAFT)
_NEW = 60
"""Seconds for which a folder without a lock file may be one that is being made."""


@dataclass
class ProcessFolder:
    """A folder whose lock this process holds.

    :param lock: what holds the lock
    """

    path: Path
    lock: Descriptor

    def is_held(self) -> bool:
        """Tell whether the folder is still ours: a host that closed our lock file let it go."""
        return self.lock.has_name()

    def is_in_place(self) -> bool:
        """Tell whether it is still ours and nobody has moved or removed it."""
        status = self.lock.status()
        try:
            return status is not None and os.path.samestat(status, os.stat(self.path / _LOCK))
        except FileNotFoundError:
            return False

    def let_go(self) -> None:
        """Give up the lock; the folder stays for whoever adopts it."""
        self.lock.close()
        if self.path.exists():
            _given_up.add(self.path)

    def remove(self) -> None:
        """Remove the folder, if nothing but our own files lies there, and give up the lock."""
        try:
            with contextlib.suppress(OSError):
                for name in os.listdir(self.path):
                    if name.endswith(_LEFT):  # somebody was killed while writing it
                        (self.path / name).unlink()
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        finally:
            self.let_go()


def new_folder(spool: Path, *, fsync: bool = False) -> ProcessFolder:
    """Make a new folder for this process, and hold its lock.

    :param fsync: whether the disk itself shall have its name
    :raises OSError: if it cannot be made; nothing is left then
    """
    make_folder(spool, fsync=fsync)
    prefix = own_prefix()
    for number in _numbers:
        path = spool / f"{prefix}{number}"
        try:
            make_new_folder(path, fsync=fsync)
            lock = _first_lock(path)
        except FileExistsError:
            continue
        except FileNotFoundError:
            make_folder(spool, fsync=fsync)
            continue
        if lock is not None:
            return ProcessFolder(path, lock)
    raise AssertionError("unreachable: counting does not end")


def _first_lock(folder: Path) -> Descriptor | None:
    try:
        return _lock(folder / _LOCK, os.O_CREAT)
    except OSError:
        with contextlib.suppress(OSError):
            (folder / _LOCK).unlink(missing_ok=True)
            folder.rmdir()
        raise


def adopt(spool: Path) -> Iterator[ProcessFolder]:
    """Yield each folder whose owner is dead or has let go of it, its lock held by us."""
    own = own_prefix()
    for path in process_folders(spool):
        if path.name.startswith(own) and path not in _given_up:
            continue
        try:
            age = time.time() - path.stat().st_mtime
            lock = _lock(path / _LOCK, 0 if 0 <= age < _NEW else os.O_CREAT)
        except (FileNotFoundError, PermissionError):
            continue  # it is gone, or another user's, who adopts it
        if lock is not None:
            _given_up.discard(path)
            yield ProcessFolder(path, lock)


def process_folders(spool: Path) -> list[Path]:
    """Return the folders of all processes, dead and alive; a link may lead root astray."""
    try:
        entries = [entry for entry in os.scandir(spool) if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(Path(entry.path) for entry in entries)


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """Hold a lock file's lock for a while; false if another process holds it.

    :raises OSError: if the file cannot be made or locked
    """
    lock = _lock(path, os.O_CREAT)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.close()


def own_prefix() -> str:
    """Return how the names of this process's folders begin: boot, process, its start."""
    return f"{_boot()}-{os.getpid()}-{_started()}-"


def runs(prefix: str) -> bool:
    """Tell whether the process whose folders begin like this still runs."""
    pid = prefix.partition("-")[2].partition("-")[0]
    return prefix == f"{_boot()}-{pid}-{_started(pid)}-"


def _lock(path: Path, flags: int) -> Descriptor | None:
    """Open a lock file and hold its lock; None if another process does, or it is gone."""
    lock = Descriptor(open_file(path, os.O_RDWR | flags))
    try:
        fcntl.lockf(lock.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock.number), os.stat(path)):
            return lock
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    except OSError:  # no locks are to be had here: trying again would not help
        lock.close()
        raise
    lock.close()
    return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return "0"


def _started(pid: str = "self") -> str:
    """Return a process's start in clock ticks since boot (proc(5), field 22)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return str(_imported)


_imported = time.time_ns()
_numbers = itertools.count(1)  # no name comes twice
_given_up: set[Path] = set()  # whose lock files this process has closed, so that it may open them
