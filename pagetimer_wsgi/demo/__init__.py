"""A small sample site with its dashboard: ``pagetimer demo``."""

from .server import run

__all__ = ["run"]
