"""What every test may ask for by name."""

from browser import chromium, devtools
from servers import gunicorn

__all__ = ["chromium", "devtools", "gunicorn"]
