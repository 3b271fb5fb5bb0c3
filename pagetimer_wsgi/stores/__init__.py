"""Where page views are kept and asked."""

from .base import Store, open_store
from .query import BY, Query
from .totals import Spread, Totals

__all__ = ["BY", "Query", "Spread", "Store", "Totals", "open_store"]
