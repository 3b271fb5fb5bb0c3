"""The PostgreSQL server that the tests use: Debian's, in a temporary folder."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from .workers import HERE


class Missing(Exception):
    """It cannot be had here; the message says why."""


@contextlib.contextmanager
def serving_postgresql() -> Iterator[Any]:
    """Give a server that ends with the block.

    :raises Missing: without PostgreSQL, its driver, or a store that uses it
    """
    if "postgresql" not in entry_points(group="pagetimer_wsgi.stores").names:
        raise Missing("this version has no such store")
    sys.path.append(str(HERE.parents[1] / "tests"))
    try:
        databases = importlib.import_module("databases")
        importlib.import_module("psycopg")
    except ImportError as error:
        raise Missing(str(error)) from error
    if databases._program("postgres") is None:
        raise Missing("Debian's package postgresql is not installed")
    with databases.serving_postgresql() as server:
        yield server
