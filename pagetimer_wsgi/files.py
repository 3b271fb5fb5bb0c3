"""Folders and files of ours: for their owner's eyes only, and owned by whoever owns the place.

The command line may run as root beside workers of another user: what root makes in a folder
belongs to the folder's owner, or the workers could not go on with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from pathlib import Path

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


def make_folder(path: Path, *, fsync: bool = False) -> None:
    """Make a folder, mode 0700, with those above it that are missing.

    :param fsync: whether the disk itself shall have their names
    :raises OSError: if it cannot be made, or a file is in its place
    """
    if path.is_dir():
        return
    make_folder(path.parent, fsync=fsync)
    with contextlib.suppress(FileExistsError):
        make_new_folder(path, fsync=fsync)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def make_new_folder(path: Path, *, fsync: bool = False) -> None:
    """Make a folder, mode 0700, in one that is there.

    :raises OSError: if it cannot be made, or is there already
    """
    path.mkdir(mode=0o700)
    path.chmod(0o700)  # whatever the host's umask has left of it
    _give_away(path)
    if fsync:
        sync_folder(path.parent)


def open_file(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a file as :func:`os.open` does; no link is followed, no child inherits it.

    :param mode: of the file, if it is made now
    """
    descriptor = os.open(path, flags | _FLAGS, mode)
    if flags & os.O_CREAT:
        _open_to_owner(descriptor)
        _give_away(path, descriptor)
    return descriptor


def make_database_file(path: Path) -> None:
    """Make an empty file for SQLite, which gives its other files the same owner and mode.

    No descriptor is opened: to close one would let go of SQLite's locks on the file. Where it
    cannot be made so, SQLite makes it, and says what is wrong.
    """
    with contextlib.suppress(OSError):
        os.mknod(path, stat.S_IFREG | 0o644)
        _open_to_owner(path)
        _give_away(path)


def write_file(path: Path, data: bytes) -> None:
    """Put a file with this content in the place of the one that is there: whole, or not at all.

    :raises OSError: if it cannot be written; nothing is left then
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}{DRAFT}")
    try:
        with open(open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as stream:
            stream.write(data)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


DRAFT = ".draft"
"""How the names of files end that a killed process may leave half written."""
_OLD = 60
"""Seconds: no file takes so long to write."""


def remove_old_drafts(folder: Path) -> None:
    """Remove what killed processes left half written; what is new may be somebody's who lives."""
    for draft in folder.glob(f"*{DRAFT}"):
        with contextlib.suppress(OSError):
            if abs(time.time() - draft.stat().st_mtime) > _OLD:
                draft.unlink()


def sync_folder(path: Path) -> None:
    """See to it that the disk itself has the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_to_owner(file: Path | int) -> None:
    """Let the owner read and write a new file, if the host's umask forbids that."""
    found = os.stat(file)
    if found.st_size == 0 and found.st_mode & 0o600 != 0o600:
        os.chmod(file, stat.S_IMODE(found.st_mode) | 0o600)


def _give_away(path: Path, descriptor: int | None = None) -> None:
    """Give what root made to the owner of the folder that it lies in."""
    if os.geteuid() != 0:
        return
    owner = path.parent.stat()
    if owner.st_uid == 0:
        return
    if descriptor is None:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    else:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
