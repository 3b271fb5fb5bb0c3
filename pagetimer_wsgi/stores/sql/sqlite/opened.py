"""Connections to a file, and why a forked child may have none.

SQLite keeps its account of a file's locks in the process, and POSIX locks do not pass to a
child: one that was forked while a connection was open believes in locks that it does not hold
(https://sqlite.org/howtocorrupt.html, 2.6). It would find the file locked for ever, or read
what another process is overwriting.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

FORKED = "forked while it was in use"
_STATEMENTS = 32
"""That are kept ready; fewer than the driver's 128, since those that put rows take a megabyte."""

# Process, file, and which connection of theirs; as a fork finds it, so the child has it.
_open: set[tuple[int, Path, object]] = set()


class _Noted(sqlite3.Connection):
    note: tuple[int, Path, object] | None = None

    def close(self) -> None:
        """Close the connection, and note that it is closed."""
        super().close()
        _open.discard(self.note)


def connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    """Open a connection to a file.

    :param mode: ``rw``, or ``rwc`` to make the file
    :param timeout: seconds for which it waits for another one's lock
    :raises sqlite3.Error: if it cannot be opened, or may not be, for it was open at a fork
    """
    pid = os.getpid()
    if any(other != pid and path == file for other, file, _ in tuple(_open)):
        raise sqlite3.OperationalError(FORKED)
    note = (pid, path, object())
    _open.add(note)
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=timeout,
            isolation_level=None,  # SQLAlchemy begins; the driver never does by itself
            check_same_thread=False,
            cached_statements=_STATEMENTS,
            factory=_Noted,
        )
    except BaseException:
        _open.discard(note)
        raise
    connection.note = note
    return connection
