"""SQLite: a file on this machine's disk."""
