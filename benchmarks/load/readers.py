"""Who sends beats."""

READERS = 10_000
PATHS = 500
"""Pages that they read."""


def session_key(reader: int) -> str:
    """Return the name of a reader's session, which the cookie carries."""
    return f"{reader:032x}"
