"""How much may wait in a spool, and how much of the disk is left to the host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .segments import SUFFIX

FREE_BYTES = 100 * 2**20
"""With less of the disk free nothing is accepted: the host needs it more than we do."""
MOST_SEGMENTS = 10_000
"""With more, a look at them takes longer than anybody may wait: so many processes died while
the store was away, and something else is wrong than the store."""


def lack_of_disk(folder: Path) -> str | None:
    """Return why nothing more may be written to a spool's disk; ``None`` if there is room.

    :raises OSError: if the folder cannot be read
    """
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        return f"only {free >> 20} MiB are free on the disk of {folder}, not {FREE_BYTES >> 20}"
    return None


def lack_of_room(folder: Path, limit: int) -> str | None:
    """Return why nothing more may wait in a spool's folder; ``None`` if there is room.

    :param limit: bytes that may wait
    :raises OSError: if the folder cannot be read
    """
    sizes = list(segment_sizes(folder))
    if len(sizes) >= MOST_SEGMENTS:
        return f"{len(sizes)} segments wait in {folder}, and that is the most"
    if sum(sizes) >= limit:
        return f"{sum(sizes) >> 20} MiB wait in {folder}, which is spool_limit"
    return None


def segment_sizes(folder: Path) -> Iterator[int]:
    """Yield the bytes of each segment of all processes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes_in(entry.path)


def _sizes_in(folder: str) -> list[int]:
    try:
        with os.scandir(folder) as entries:
            return [entry.stat().st_size for entry in entries if entry.name.endswith(SUFFIX)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []  # it went meanwhile, or is another user's
