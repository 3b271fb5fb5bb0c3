"""The middleware: ours or theirs, and the wiring of all rooms."""

from .timer import PageTimer, main

__all__ = ["PageTimer", "main"]
