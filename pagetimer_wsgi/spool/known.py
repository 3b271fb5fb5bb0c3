"""Which store it is that this host stores into, for another one may come to its address."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..errors import StoreAway
from ..files import write_file
from ..stores.base import Store
from .folders import own_prefix, runs

NOTE = "store"


class Note(msgspec.Struct, frozen=True):
    """Into which store a process stores."""

    store: str
    process: str


class Known:
    """The store that was there when this process, or one beside it, first stored something.

    A database file that was moved, replaced or lost with its volume is none to go on with by
    ourselves, and nothing is made in its place: what waits for it would be gone.

    :param address: the store's URL, as it may be shown
    :param note: the file by which the host's processes tell each other
    """

    def __init__(self, address: str, note: Path) -> None:
        self._address = address
        self._note = note
        self._identity: str | None = None

    def made(self, store: Store) -> str:
        """Return the identity of the store that is there now; what it lacks at first is made.

        :raises StoreAway: if it is not the one that was, or cannot be asked or made now
        """
        if self._identity is None:
            store.check()
        found = self._identity = self.identity(store)
        if found is None:
            raise StoreAway(f"{self._address} has no tables, although they were made just now.")
        return found

    def identity(self, store: Store) -> str | None:
        """Return the same; ``None`` if there is no store and was none. Nothing is made.

        :raises StoreAway: if it is not the one that was, or cannot be asked now
        """
        found = store.identity()
        if found != (self._identity or found):
            raise StoreAway(
                f"{self._address} is not the database that was here when this process started: "
                f"put it back, or restart to go on with {'this' if found else 'a new'} one."
            )
        return found

    def learn(self) -> None:
        """Believe what a process of this host that still runs said, if we know nothing."""
        if self._identity is None:
            note = self._read()
            if note is not None and runs(note.process):
                self._identity = note.store

    def tell(self) -> None:
        """Let the host's other processes know.

        :raises OSError: if it cannot be written
        """
        if self._identity is None:
            return
        note = self._read()
        if note is None or note.store != self._identity or not runs(note.process):
            write_file(self._note, msgspec.json.encode(Note(self._identity, own_prefix())))

    def _read(self) -> Note | None:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=Note)
        except (OSError, msgspec.DecodeError):
            return None
