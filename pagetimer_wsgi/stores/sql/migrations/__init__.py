"""The migrations (Alembic), and how the store runs them on a connection of its own."""

from __future__ import annotations

import os
import threading

from sqlalchemy import Connection, inspect, text

HEAD = "0001"
"""The version of the tables that this code reads and writes."""
VERSION_TABLE = "pagetimer_alembic_version"

# By process id: a child that was forked while its parent held the lock has one of its own.
_LOCKS: dict[int, threading.Lock] = {}


class NewerTables(Exception):
    """The tables were made by a newer version of this package."""


def version(connection: Connection) -> str | None:
    """Return the version of the tables that are there; ``None`` where there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found


def upgrade(connection: Connection) -> None:
    """Bring the tables to :data:`HEAD`, in the transaction that the connection is in.

    Alembic is imported here, since most starts find nothing to do.

    :raises NewerTables: if their version is not known to this code
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", __path__[0].replace("%", "%%"))
    config.attributes["connection"] = connection
    found = version(connection)
    # Alembic keeps what it is at in its modules: a process can run one migration at a time.
    with _LOCKS.setdefault(os.getpid(), threading.Lock()):
        try:
            ScriptDirectory.from_config(config).get_revision(found or HEAD)
        except CommandError as error:
            raise NewerTables(found) from error
        command.upgrade(config, HEAD)
