"""What waits beside a spool for other stores, of which one may be none that there is any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import write_file
from .waiting import Waiting, what_waits

_ADDRESS = "address"


@dataclass(frozen=True)
class Other:
    """A spool in which beats wait for another store.

    :param address: the store's URL without its password; empty, if nobody has said it
    """

    folder: Path
    address: str
    waiting: Waiting


def introduce(spool: Path, address: str) -> None:
    """Let others know for which store beats wait in a spool.

    :raises OSError: if it cannot be written
    """
    if not (spool / _ADDRESS).exists():
        write_file(spool / _ADDRESS, address.encode())


def others(spool: Path) -> Iterator[Other]:
    """Yield the other spools of the same folder in which beats wait.

    What this user may not read is passed over: another user's, or a disk's ``lost+found``.

    :raises OSError: if one cannot be read
    """
    for folder in sorted(spool.parent.iterdir()) if spool.parent.is_dir() else ():
        if folder != spool and folder.is_dir() and not folder.is_symlink():
            with contextlib.suppress(PermissionError):
                if (waiting := what_waits(folder)).beats:
                    yield Other(folder, _address(folder), waiting)


def _address(spool: Path) -> str:
    with contextlib.suppress(OSError):
        return (spool / _ADDRESS).read_text("utf-8", "replace")
    return ""
