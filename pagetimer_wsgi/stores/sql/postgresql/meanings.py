"""What PostgreSQL's errors mean, and what to do about them."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

_READ_ONLY = "takes no writes (a standby, or default_transaction_read_only); name the primary"
_SHUTTING = "is being started or shut down; it is tried again"
_GRANT = "does not give this user leave; grant CREATE on the schema, and ownership of the tables"
_USER = "refuses this user; mend user and password in the URL, or the server's pg_hba.conf"
_DATABASE = "is not there; make the database, or mend its name in the URL"
_CROWDED = "has no connection left; raise its max_connections, or put a pooler before it"

# By SQLSTATE, or the beginning of one. The first that is found counts.
_STATES = {
    "25006": _READ_ONLY,
    "25P03": "ended a transaction that stood still; it is tried again",
    "28": _USER,
    "3D000": _DATABASE,
    "3F000": "has no schema for our tables; make the first one that search_path names",
    "42501": _GRANT,
    "42P01": "lacks tables that its version should have; put back a backup",
    "42703": "lacks columns that its version should have; put back a backup",
    "53100": "cannot grow, the server's disk is full; make room",
    "53200": "is out of memory; give the server more",
    "53300": _CROWDED,
    "55P03": "is locked by another connection; find it in pg_stat_activity",
    "57014": "takes too long; find out in pg_stat_activity what keeps it busy",
    "57P": _SHUTTING,
    "58": "cannot read or write its disk; look into the server's log",
    "XX": "is damaged; look into the server's log",
}
# While connecting, psycopg knows no SQLSTATE. The first that is found counts.
_WORDS = {
    "too many": _CROWDED,
    "remaining connection slots": _CROWDED,
    "password": _USER,
    "authentication": _USER,
    "pg_hba.conf": _USER,
    "role ": _USER,
    "does not exist": _DATABASE,
    "starting up": _SHUTTING,
    "shutting down": _SHUTTING,
    "recovery": _SHUTTING,
}


def meaning(error: DBAPIError) -> str:
    """Return what an error means, what to do about it, and PostgreSQL's own words."""
    said = " ".join(str(error.orig).split())
    state = getattr(error.orig, "sqlstate", None)
    known = _by_state(state) if state else _by_words(said)
    return f"{known} (PostgreSQL: {said})"


def _by_state(state: str) -> str:
    for beginning, known in _STATES.items():
        if state.startswith(beginning):
            return known
    return "cannot be used now; it is tried again"


def _by_words(said: str) -> str:
    for words, known in _WORDS.items():
        if words in said:
            return known
    return "does not answer; see that it runs, and that host and port in the URL are right"
