"""``PostgresqlDatabase``: connections to a server, kept no longer than they are of use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError

from ....errors import StoreAway
from ..database import BUSY_SECONDS, Database
from .bulk import PostgresqlBulk
from .connection import BoundedConnection
from .meanings import meaning
from .url import defaults, name_of, url_of

STATEMENT_SECONDS = 20
_WRITERS = int.from_bytes(b"pagetime", "big")
"""The advisory lock that writers hold, on whichever hosts: they read, fold, and write back."""
_SECOND = 1_000

_LIMITS = {
    "statement_timeout": STATEMENT_SECONDS * _SECOND,
    "lock_timeout": int(BUSY_SECONDS * _SECOND),
    # A host that is stopped in the middle of a transaction must not stop the others.
    "idle_in_transaction_session_timeout": STATEMENT_SECONDS * _SECOND,
}
# What is there already is found by its key, however large the table and old its statistics.
_BY_KEY = dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off")


class PostgresqlDatabase(Database):
    """One database of a PostgreSQL server.

    :param fsync: whether each commit waits for the server's disk, where its default would not
    """

    def __init__(self, url: str, *, fsync: bool, migrate: bool) -> None:
        self._url = url_of(url)
        super().__init__(name_of(self._url), PostgresqlBulk(), migrate=migrate)
        settings = _LIMITS | _BY_KEY | ({"synchronous_commit": "on"} if fsync else {})
        self._to_write = _set(settings)
        # Not by psycopg: its next transaction would write whatever the server's default is.
        self._to_read = _set(_LIMITS | {"transaction_read_only": "on"})

    @contextmanager
    def _begin_writing(self) -> Iterator[Connection]:
        with self._engine().begin() as connection:
            self._look_at_encoding(connection)
            connection.execute(self._to_write)
            connection.execute(select(func.pg_advisory_xact_lock(_WRITERS)))
            yield connection

    @contextmanager
    def _begin_reading(self) -> Iterator[Connection]:
        with self._engine().connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                connection.execute(self._to_read)
                yield connection

    def _new_engine(self) -> Engine:
        engine = create_engine(
            self._url,
            connect_args=defaults(self._url),
            pool_size=1,
            max_overflow=-1,
            pool_pre_ping=True,
            use_native_hstore=False,
        )

        @event.listens_for(engine, "do_connect")
        def connect(_: object, __: object, arguments: Any, options: dict[str, Any]) -> Any:
            # No prepared statements: a pooler gives each transaction another connection.
            return BoundedConnection.connect(*arguments, prepare_threshold=None, **options)

        return engine

    def _look_at_encoding(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        encoding = driver.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreAway(f"{self.name} is encoded in {encoding}; make it anew in UTF8")

    def _meaning(self, error: DBAPIError) -> str:
        return meaning(error)


def _set(settings: dict[str, Any]) -> Any:
    """Return the statement that sets these until the transaction ends."""
    # By function, not SET: one round trip for all.
    return select(*(func.set_config(name, str(value), True) for name, value in settings.items()))
