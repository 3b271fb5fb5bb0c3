"""Page views in a SQL database: SQLite. SQLAlchemy is imported when ``SqlStore`` is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .store import SqlStore

__all__ = ["SqlStore"]


def __getattr__(name: str) -> Any:
    if name != "SqlStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .store import SqlStore

    return SqlStore
