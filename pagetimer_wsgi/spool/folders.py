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

_LOCK = "lock"
_LEFT = (".mark", ".draft")
_NEW = 60
"""Seconds for which a folder without a lock file may be one that is being made."""


@dataclass
class ProcessFolder:
    """A folder whose lock this process holds.

    :param lock: the descriptor that holds the lock
    """

    path: Path
    lock: int

    def is_there(self) -> bool:
        """Tell whether the folder still has its name, and the lock in it."""
        return self.path.is_dir() and os.fstat(self.lock).st_nlink > 0

    def let_go(self) -> None:
        """Give up the lock; the folder stays for whoever adopts it."""
        os.close(self.lock)

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


def make_folder(spool: Path) -> ProcessFolder:
    """Make a new folder for this process, and hold its lock.

    :raises OSError: if it cannot be made
    """
    os.makedirs(spool, mode=0o700, exist_ok=True)
    prefix = own_prefix()
    for number in itertools.count(1):
        path = spool / f"{prefix}{number}"
        try:
            path.mkdir(mode=0o700)
            lock = _lock(path / _LOCK, os.O_CREAT)
        except FileExistsError:
            continue
        except FileNotFoundError:
            os.makedirs(spool, mode=0o700, exist_ok=True)
            continue
        if lock is not None:
            return ProcessFolder(path, lock)
    raise AssertionError("unreachable: counting does not end")


def adopt(spool: Path) -> Iterator[ProcessFolder]:
    """Yield each folder whose owner is dead, its lock held by us."""
    for path in process_folders(spool):
        if path.name.startswith(own_prefix()):
            continue
        try:
            flags = 0 if time.time() - path.stat().st_mtime < _NEW else os.O_CREAT
            lock = _lock(path / _LOCK, flags)
        except (FileNotFoundError, PermissionError):
            continue  # it is gone, or another user's, who adopts it
        if lock is not None:
            yield ProcessFolder(path, lock)


def process_folders(spool: Path) -> list[Path]:
    """Return the folders of all processes, dead and alive."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(spool) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def only_one(lock: int) -> Iterator[bool]:
    """Hold a lock file's lock for a while; false if another process holds it."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(lock, fcntl.LOCK_UN)


def own_prefix() -> str:
    """Return how the names of this process's folders begin: boot, process, its start."""
    return f"{_boot()}-{os.getpid()}-{_started()}-"


def _lock(path: Path, flags: int) -> int | None:
    """Open a lock file and hold its lock; None if another process does, or it is gone."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    except OSError:  # no locks are to be had here: trying again would not help
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return "0"


def _started() -> str:
    """Return this process's start in clock ticks since boot (proc(5), field 22)."""
    try:
        return Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return str(_imported)


_imported = time.time_ns()
