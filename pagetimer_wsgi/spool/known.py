"""Which store it is that this process stores into, for another one may come to its address."""

from __future__ import annotations

from ..errors import StoreAway
from ..stores.base import Store


class Known:
    """The store that was there when this process first stored something.

    A database file that was moved, replaced or lost with its volume is none to go on with by
    ourselves, and nothing is made in its place: what waits for it would be gone.

    :param address: the store's URL, as it may be shown
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._identity: str | None = None

    def made(self, store: Store) -> str:
        """Return the identity of the store that is there now; what it lacks at first is made.

        :raises StoreAway: if it is not the one that was, or cannot be asked or made now
        """
        if self._identity is None:
            store.check()
        found = self.identity(store)
        if found is None:
            raise StoreAway(f"{self._address} has no tables, although they were made just now.")
        return found

    def identity(self, store: Store) -> str | None:
        """Return the same; ``None`` if there is no store and was none. Nothing is made.

        :raises StoreAway: if it is not the one that was, or cannot be asked now
        """
        found = store.identity()
        known = self._identity = self._identity or found
        if found != known:
            raise StoreAway(
                f"{self._address} is not the database that was here when this process started: "
                f"put it back, or restart to go on with {'this' if found else 'a new'} one."
            )
        return found
