"""Where a spool may lie: on a local disk, and in the hands of one machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from pathlib import Path

from ..files import DRAFT, write_file

MARK = "machine"
"""The file that says whose the spool is. Its time is when that machine last touched it."""
_TOUCH = 10
"""Seconds after which the living touch it."""
_GONE = 60
"""Seconds after which a machine that has not touched it is taken for gone."""
_MOUNTS = Path("/proc/self/mountinfo")
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id"))
# As mountinfo names them, without "fuse.".
_NETWORK = re.compile(
    "acfs|afs|beegfs|ceph|ceph-fuse|cifs|coda|curlftpfs|davfs|gcsfuse|glusterfs|gpfs|juicefs|"
    "lustre|mfs|moosefs|ncpfs|nfs4?|orangefs|panfs|pvfs2|rclone|s3fs|smb3|smbfs|sshfs|wekafs"
)


class Place:
    """One spool's folder, as a place to keep something safe.

    :param folder: it must be there when it is looked at
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._device = -1
        self._network: str | None = None
        self._machine = machine_id()
        self._seen: object = None
        self._since = 0.0

    def objection(self) -> str | None:
        """Return why nothing may be kept or drained here now; ``None`` if all is well.

        :raises OSError: if it cannot be looked at
        """
        return self._of_file_system() or self._of_machine()

    def _of_file_system(self) -> str | None:
        device = os.stat(self._folder).st_dev
        if device != self._device:
            self._network = network_file_system(device)
            self._device = device
        if self._network is None:
            return None
        return (
            f"{self._folder} lies on a network file system ({self._network}), whose locks and "
            "writes can fail unseen; set the option spool to a folder on a disk of this machine"
        )

    def _of_machine(self) -> str | None:
        path = self._folder / MARK
        try:
            found, status = path.read_bytes(), path.stat()
        except FileNotFoundError:
            _make_first(path, self._machine)
            return self._of_machine()
        if found != self._machine:
            return self._of_other(path, (found, status.st_ino, status.st_mtime_ns))
        if abs(time.time() - status.st_mtime) >= _TOUCH:
            os.utime(path)
        return None

    def _of_other(self, path: Path, seen: tuple[bytes, int, int]) -> str:
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        # The other machine's clock may be a day off: then only what we see ourselves counts.
        if time.time() - seen[2] / 1e9 < _GONE and now - self._since < _GONE:
            return (
                f"another machine uses {self._folder}; where the folder has moved here from it, "
                f"beats are taken {_GONE} seconds after its last one"
            )
        # Two may do so at once: the next look shows whose it is.
        write_file(path, self._machine)
        return f"{self._folder} is being taken over from another machine"


def network_file_system(device: int) -> str | None:
    """Return the type of the network file system that a device is; ``None`` if it is none."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = [line.split() for line in _MOUNTS.read_text(errors="replace").splitlines()]
    except OSError:
        return None
    for mount in mounts:  # proc_pid_mountinfo(5): the type stands behind the "-"
        if mount[2] == number:
            kind = mount[mount.index("-") + 1]
            return kind if _NETWORK.fullmatch(kind.removeprefix("fuse.")) else None
    return None


def machine_id() -> bytes:
    """Return what stands for this machine. The id itself is nobody's business (machine-id(5))."""
    for path in _MACHINE_IDS:
        with contextlib.suppress(OSError):
            if found := re.fullmatch(rb"[0-9a-f-]{32,36}", path.read_bytes().strip()):
                return hashlib.blake2b(found[0], key=b"pagetimer").hexdigest()[:32].encode()
    return b"unknown"


def _make_first(path: Path, content: bytes) -> None:
    """Make the mark, unless another is faster: a link is never seen half written."""
    draft = path.with_name(f"{MARK}.{secrets.token_hex(4)}{DRAFT}")
    write_file(draft, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # this file system knows no links
        write_file(path, content)
    finally:
        draft.unlink()
