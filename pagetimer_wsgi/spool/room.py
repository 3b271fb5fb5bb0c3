"""How much may wait in a spool, and how much of the disk is left to the host."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .folders import process_folders
from .segments import SUFFIX

FREE_BYTES = 100 * 2**20
"""With less of the disk free nothing is accepted: the host needs it more than we do."""
MOST_SEGMENTS = 10_000
"""With more, each look at them would take longer than a host's request may: they are as many
processes that died while the store was away, and something else is wrong then."""


def lack_of_room(folder: Path, limit: int) -> str | None:
    """Return why nothing more may wait in a spool's folder; ``None`` if there is room.

    :param limit: bytes that may wait
    :raises OSError: if the folder cannot be read
    """
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        return f"only {free >> 20} MiB are free on the disk of {folder}, not {FREE_BYTES >> 20}"
    sizes = segment_sizes(folder)
    if len(sizes) >= MOST_SEGMENTS:
        return f"{len(sizes)} segments wait in {folder}, and that is the most"
    if sum(sizes) >= limit:
        return f"{sum(sizes) >> 20} MiB wait in {folder}, which is spool_limit"
    return None


def segment_sizes(folder: Path) -> list[int]:
    """Return the bytes of each segment of all processes."""
    return [size for each in process_folders(folder) for size in _sizes_in(each)]


def _sizes_in(folder: Path) -> list[int]:
    sizes = []
    try:
        for entry in os.scandir(folder):
            if entry.name.endswith(SUFFIX):
                sizes.append(entry.stat().st_size)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # it went meanwhile, or is another user's
    return sizes
