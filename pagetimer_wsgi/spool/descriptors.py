"""Descriptors that stay ours in a process whose host may close or reuse any number."""

from __future__ import annotations

import fcntl
import os
import resource

_OUT_OF_THE_WAY = 8192
"""From here on, where the process may have so many: hosts close low numbers, 4096 at the most."""
_LEFT_TO_HOST = 256
"""So many numbers below its limit a process with a low one keeps for itself."""


class Descriptor:
    """An open file of ours, known by what it is and not by its number alone.

    :param number: as :func:`os.open` gave it; nothing may be locked by it yet, for it may move
    """

    def __init__(self, number: int) -> None:
        self.number = _move(number)
        status = os.fstat(self.number)
        self._file = (status.st_dev, status.st_ino)

    def status(self) -> os.stat_result | None:
        """Return the file's status; ``None`` if the number is no longer ours."""
        try:
            status = os.fstat(self.number)
        except OSError:
            return None
        return status if (status.st_dev, status.st_ino) == self._file else None

    def has_name(self) -> bool:
        """Tell whether the number is ours and the file has not been removed."""
        try:
            status = os.fstat(self.number)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file and status.st_nlink > 0

    def close(self) -> None:
        """Close the file, if the number is still ours."""
        if self.status() is not None:
            os.close(self.number)


def _move(number: int) -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most != resource.RLIM_INFINITY and most <= _OUT_OF_THE_WAY + _LEFT_TO_HOST:
        lowest = most - _LEFT_TO_HOST
    else:
        lowest = _OUT_OF_THE_WAY
    try:
        moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, max(lowest, number))
    except OSError:  # none is free up there
        return number
    os.close(number)
    return moved
