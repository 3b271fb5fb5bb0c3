"""What a ``postgresql://`` URL says."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_EXAMPLE = "postgresql://user:password@host/database"
_DEFAULTS: dict[str, Any] = {
    "application_name": "pagetimer",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    # A network that swallows packets: seconds, but the last in milliseconds.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def url_of(text: str) -> URL:
    """Return the URL with psycopg as its driver.

    :raises ValueError: if its text is wrong
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValueError(f"it is no database URL; {_EXAMPLE} is one") from error
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ValueError(f"{name_of(url)}: the driver for PostgreSQL is psycopg, {_EXAMPLE}")
    if not url.database:
        raise ValueError(f"{name_of(url)}: it names no database; {_EXAMPLE} does")
    try:
        make_conninfo("", **{name: str(value) for name, value in url.query.items()})
    except psycopg.ProgrammingError as error:
        raise ValueError(f"{name_of(url)}: {str(error).strip()}") from error
    return url.set(drivername="postgresql+psycopg")


def name_of(url: URL) -> str:
    """Return the URL as it may be shown: neither a password nor parameters, where one may be."""
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()


def defaults(url: URL) -> dict[str, Any]:
    """Return what a connection is told besides the URL, unless that says it itself."""
    return {name: value for name, value in _DEFAULTS.items() if name not in url.query}
