"""The sides: who takes the beats in, and where they are then."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .bodies import SECRET
from .older.environment import Environment
from .workers import WORKERS, Server, serving

OURS = "/_pagetimer/beat"
EMPTY = "empty WSGI application"
VIEWER = "the-password-of-a-benchmark's-viewer"


@dataclass(frozen=True)
class Side:
    """One of those that are compared.

    :param path: where it takes beats in
    :param target: what gunicorn serves
    :param environment: what the application finds in its environment
    :param count: how many beats its store holds
    :param is_ours: whether a writer stores the beats after the answer
    """

    name: str
    path: str
    target: str
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    count: Callable[[], int] | None = None
    is_ours: bool = False

    @contextlib.contextmanager
    def serve(self, mode: str, folder: Path, workers: int = WORKERS) -> Iterator[Server]:
        """Serve it by gunicorn in one of its modes, until the block ends."""
        with serving(self.python, self.target, mode, folder, self.environment, workers) as server:
            yield server


def plain_sides(data: Path) -> list[Side]:
    """Return those that store nothing."""
    off = Side("ours, writer off", OURS, "load.applications:ours()", ours(data / "off"))
    off.environment["PAGETIMER_WRITER"] = "off"
    return [
        Side(EMPTY, "/beat", "load.applications:empty"),
        Side("empty Django view", "/beat", "load.applications:django()"),
        off,
    ]


def storing_sides(where: str, url: str, data: Path, older: Environment | None) -> list[Side]:
    """Return those that store in this database, which must be theirs alone.

    :param where: the database's name, as the table says it
    :param older: where the two older packages run
    """
    environment = ours(data) | {"PAGETIMER_STORE": url}
    sides = [
        Side(
            f"ours, {where}",
            OURS,
            "load.applications:ours()",
            environment,
            count=lambda: count(url, "pagetimer_beat"),
            is_ours=True,
        )
    ]
    if older:
        sides += older_sides(where, url, older)
    return sides


def older_sides(where: str, url: str, older: Environment) -> list[Side]:
    """Return the two older packages, in a database of their own."""
    environment = {
        "BENCHMARK_DATABASE": url,
        "DJANGO_SETTINGS_MODULE": "load.older.settings",
    }
    older.make_tables(environment)
    return [
        Side(
            f"{name}, {where}",
            path,
            "load.older.wsgi:application",
            environment,
            older.python,
            count=lambda table=table: count(url, table),
        )
        for name, path, table in (
            ("django-pagetimer", "/pagetimer/endpoint/", "pagetimer_pagevisit"),
            ("djaffar", "/djaffar/log/", "djaffar_activity"),
        )
    ]


def ours(data: Path) -> dict[str, str]:
    """Return the configuration of ours."""
    return {
        "PAGETIMER_DATA": str(data),
        "PAGETIMER_SECRET": SECRET,
        "PAGETIMER_VIEWER_TOKEN": VIEWER,
    }


def count(url: str, table: str) -> int:
    """Return how many rows a table has; none where there is no table yet."""
    connect: Any
    if url.startswith("sqlite"):
        connect, where, missing = sqlite3.connect, url.partition("///")[2], sqlite3.OperationalError
    else:
        import psycopg

        connect, where, missing = psycopg.connect, url, psycopg.errors.UndefinedTable
    with contextlib.closing(connect(where)) as connection:
        try:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        except missing:
            return 0
