"""Disks that faults happen to: small ones that fill up, and such as cannot be written to."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from browser import require


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a disk in memory on a folder, which is made."""
    folder.mkdir(parents=True)
    with _mounted("-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)):
        yield folder


@contextlib.contextmanager
def read_only_disk(folder: Path) -> Iterator[None]:
    """Let a folder be on a disk that is mounted read-only, for those who open files anew."""
    with _mounted("--bind", str(folder), str(folder)):
        _run("mount", "-o", "remount,bind,ro", str(folder))
        yield


@contextlib.contextmanager
def read_only_modes(path: Path) -> Iterator[None]:
    """Take away the right to write a file or folder; unprivileged hosts heed it."""
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        path.chmod(mode)


@contextlib.contextmanager
def full_disk(folder: Path, left: int = 0) -> Iterator[None]:
    """Fill the disk of a folder to its last page.

    :param left: pages that are left free, for half of what is written
    """
    filler = folder / "filler"
    _fill(filler)
    os.truncate(filler, filler.stat().st_size - left * resource.getpagesize())
    try:
        yield
    finally:
        filler.unlink()


def _fill(filler: Path) -> None:
    disk = os.statvfs(filler.parent)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        os.posix_fallocate(stream.fileno(), 0, (disk.f_bavail - 256) * disk.f_frsize)
        stream.seek(0, os.SEEK_END)
        while True:  # until there is no page left for anybody
            stream.write(bytes(disk.f_frsize))


@contextlib.contextmanager
def _mounted(*arguments: str) -> Iterator[None]:
    require(os.geteuid() == 0, "only root can mount disks")
    _run("mount", *arguments)
    try:
        yield
    finally:
        # Lazily: a process that is being stopped may still hold a file of it.
        _run("umount", "--lazy", arguments[-1])


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
