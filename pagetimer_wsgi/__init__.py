"""How long your users really spend on each page of a Python web application.

``PageTimer`` is WSGI middleware; the rest of the names are for those who write a store.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .errors import PageTimerError, SettingsError, StoreAway
    from .events import Beat, PageView
    from .middleware import PageTimer, main
    from .stores import Store

__all__ = [
    "Beat",
    "PageTimer",
    "PageTimerError",
    "PageView",
    "SettingsError",
    "Store",
    "StoreAway",
    "__version__",
    "main",
]

_ROOMS = {
    "Beat": "events",
    "PageTimer": "middleware",
    "PageTimerError": "errors",
    "PageView": "events",
    "SettingsError": "errors",
    "Store": "stores",
    "StoreAway": "errors",
    "main": "middleware",
}


def __getattr__(name: str) -> Any:
    """Fetch a public name from its room when it is first asked for (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value
