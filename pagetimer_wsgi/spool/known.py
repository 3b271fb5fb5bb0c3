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
        """Return the same as :meth:`identity`; what a store lacks at first is made.

        :raises StoreAway: likewise, or if it cannot be made now
        """
        if self._identity is None:
            store.check()
        return self.identity(store)

    def identity(self, store: Store) -> str:
        """Return the identity of the store that is there now, which is the one that was.

        :raises StoreAway: if it is another one or none, or cannot be asked now
        """
        found = store.identity()
        known = self._identity = self._identity or found
        if found is not None and found == known:
            return found
        if known is None:
            raise StoreAway(f"{self._address} has no tables yet.")
        raise StoreAway(
            f"{self._address} is not the database that was here when this process started: put it "
            f"back, or restart to go on with {'the one that is there' if found else 'a new one'}."
        )
