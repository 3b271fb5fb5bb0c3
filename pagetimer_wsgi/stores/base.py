"""``Store``: what every place that keeps page views can do, and how one is opened by its URL."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from typing import Literal

from ..errors import SettingsError
from ..events import Beat, KeptBeat, PageView
from .purges import Key
from .query import Query
from .totals import Totals, total

Kept = Literal["page_views", "beats"]
REMEMBERED_SECONDS = 30 * 86_400

ENTRY_POINTS = "pagetimer_wsgi.stores"
_ONE_INTERPRETER = "under mod_wsgi, give each application a WSGIDaemonProcess of its own"


class Store(ABC):
    """Where page views and beats are kept and asked.

    A store is made without touching disk or network: the first call that needs them may
    raise :class:`~pagetimer_wsgi.errors.StoreAway`, and a later one may work again.
    Its methods may be called from several threads.
    """

    @classmethod
    @abstractmethod
    def open(
        cls, url: str, *, key: Key | None = None, fsync: bool = False, migrate: bool = True
    ) -> Store:
        """Return the store at ``url``.

        :param key: gives what users are hashed with where a purge is remembered
        :param fsync: whether what is written must survive a power loss
        :param migrate: whether the store makes its tables, and brings them up to date, itself
        :raises ValueError: if the URL's text is wrong or its driver is not installed
        """

    @abstractmethod
    def identity(self) -> str | None:
        """Return what tells this very store from another one at the same address.

        Nothing is made: ``None`` where no store is yet.

        :raises StoreAway: if it cannot be asked now
        """

    @abstractmethod
    def write(
        self, beats: Sequence[Beat], page_views: Sequence[PageView] = ()
    ) -> list[Beat | PageView]:
        """Keep these, joined with what is there already, in one transaction. Idempotent.

        :return: those that the store refuses one by one while it takes others
        :raises StoreAway: if all should wait; then nothing was written
        """

    @abstractmethod
    def page_views(self, query: Query) -> Iterator[PageView]:
        """Yield the page views that the query means, in its order.

        :raises StoreAway: if it cannot be asked now
        """

    @abstractmethod
    def beats(self, query: Query) -> Iterator[KeptBeat]:
        """Yield the beats of the page views that the query means, by view id and seq."""

    def count(self, query: Query, of: Kept = "page_views") -> int:
        """Return how many page views the query means, or how many beats they have.

        :raises StoreAway: if it cannot be asked now
        """
        found: Iterator[object] = (
            self.page_views(query) if of == "page_views" else self.beats(query)
        )
        return sum(1 for _ in found)

    @abstractmethod
    def purge_by_steps(
        self, query: Query, of: Kept = "page_views", remembered: int | None = None
    ) -> Iterator[int]:
        """Remove what the query means, the oldest first, and yield how many went at each step.

        A step is one short transaction. Who asks for no more of them stops there. Where a page
        view goes, its beats go too; where only its beats go, its totals stay.

        :param remembered: seconds, after a page view was last seen, for which its id is
            remembered; ``None``: nothing is, and what is written again is there again
        :raises StoreAway: if the store cannot be written now; what went is gone
        """

    def purge(
        self,
        query: Query,
        of: Kept = "page_views",
        dry: bool = False,
        remembered: int = REMEMBERED_SECONDS,
    ) -> int:
        """Remove what the query means, and return how many page views or beats that were.

        Page views stay away: what was received before, and comes to be written only afterwards
        from wherever it lay, is dropped. The store remembers user (as a hash), session, path,
        site and times of the query, and the page views' ids.

        :param of: whether page views go, beats and all, or only their beats
        :param dry: only count them
        :param remembered: seconds, after a page view was last seen, for which its id is
        :raises StoreAway: if the store cannot be asked or written now; what went is gone
        """
        if dry:
            return self.count(query, of)
        return sum(self.purge_by_steps(query, of, remembered if of == "page_views" else None))

    def strange_purges(self) -> int:
        """Return how many purges by user were made with another key, so that they do not hold here.

        :raises StoreAway: if it cannot be asked now
        """
        return 0

    def upkeep(self, seconds: float) -> bool:
        """Tidy up after what was removed, for no longer than this; tell whether all is done.

        :raises StoreAway: if the store cannot be written now
        """
        return True

    def size(self) -> int | None:
        """Return the bytes of disk that the store takes; ``None`` where that says nothing.

        :raises StoreAway: if it cannot be asked now
        """
        return None

    def totals(self, query: Query, by: Sequence[str] = ()) -> list[Totals]:
        """Return one row for each different value of ``by``, most visible time first.

        :param by: names out of :data:`~pagetimer_wsgi.stores.query.BY`; none: one row for all
        """
        return total(self.page_views(query), by, query.time_zone)

    @abstractmethod
    def check(self) -> str:
        """Try for real whether the store can be reached and written to; say what it is.

        :raises StoreAway: with what is wrong
        """

    def without_waiting(self) -> Store | None:
        """Return this store as one that never waits for another's lock.

        ``None``, the default, if it is not on this machine's disk: the network may let us wait.
        """
        return None

    def close(self) -> None:  # noqa: B027  (a store may have nothing to close)
        """Let go of connections and files."""


def open_store(
    url: str, key: Key | None = None, *, fsync: bool = False, migrate: bool = True
) -> Store:
    """Return the store at ``url``, chosen by its scheme.

    :param key: gives what users are hashed with where a purge is remembered, the same on all
        hosts of the store; it is asked when it is needed. Without it none is purged by user
    :param fsync: whether what is written must survive a power loss
    :param migrate: whether the store makes its tables, and brings them up to date, itself
    :raises SettingsError: if nobody offers the scheme, its driver is not installed, or the
        URL's text is wrong
    """
    scheme = url.partition(":")[0].partition("+")[0]
    offered = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if scheme not in offered:
        names = ", ".join(f"{name}://" for name in sorted(offered)) or "none at all"
        raise SettingsError("store", f"no store is offered for {scheme}://; there is {names}", url)
    try:
        store: Store = offered[scheme].load().open(url, key=key, fsync=fsync, migrate=migrate)
    except ImportError as error:  # Cython's modules say so of mod_wsgi's second application
        advice = f"; {_ONE_INTERPRETER}" if "interpreter" in str(error) else ""
        raise SettingsError("store", f"{error}{advice}", url) from error
    except ValueError as error:
        raise SettingsError("store", str(error), url) from error
    return store


def without_password(url: str) -> str:
    """Return a store's URL as it may be shown; a password may stand among the parameters, too."""
    return re.sub(r"([?&]password=)[^&]*", r"\1", re.sub(r"(://[^:/@]*):[^@]*@", r"\1@", url))
