"""What every test may ask for by name."""

from browser import chromium, devtools
from commands import pagetimer
from databases import own_postgresql, postgresql
from servers import gunicorn
from sql_stores import place, places, store

__all__ = [
    "chromium",
    "devtools",
    "gunicorn",
    "own_postgresql",
    "pagetimer",
    "place",
    "places",
    "postgresql",
    "store",
]
