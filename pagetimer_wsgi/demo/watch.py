"""One line in the terminal for each page that is left."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from ..errors import StoreAway
from ..events import PageView
from ..reports.formats import duration
from ..stores.base import Store
from ..stores.query import Query

_PAUSE = 0.5
_LATELY = 26 * 3600 * 1000  # the oldest page that may still be open
_MOST = 200


class Watch:
    """Asks the store which page views were left since it looked last, and says so.

    :param site: whose page views
    :param say: takes a line
    """

    def __init__(self, store: Store, site: str, say: Callable[[str], None]) -> None:
        self._store = store
        self._site = site
        self._say = say
        self._said: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pagetimer demo", daemon=True)

    def start(self) -> None:
        """Begin to look, twice a second."""
        self._thread.start()

    def close(self) -> None:
        """Look a last time, and stop."""
        self._stop.set()
        self._thread.join(timeout=2)
        self.look()

    def look(self) -> None:
        """Say a line for each page that was left, in the order in which they were."""
        query = Query(
            started_from=time.time_ns() // 1_000_000 - _LATELY,
            site=self._site,
            newest_first=True,
            limit=_MOST,
        )
        views = []
        with contextlib.suppress(StoreAway):  # it is asked again; pagetimer's log says why
            views = [view for view in self._store.page_views(query) if view.ended == "exact"]
        for view in sorted(views, key=lambda view: (view.last_seen_at, view.started_at)):
            self._left(view)

    def _left(self, view: PageView) -> None:
        """Say it once; and once more if the page was hidden only, and was read on since."""
        times = _times(view)
        before = self._said.get(view.view_id)
        if times != before:
            self._said[view.view_id] = times
            self._say(f"{view.path}  {times}{' in all, after coming back' if before else ''}")

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE):
            self.look()


def _times(view: PageView) -> str:
    return f"{duration(view.visible_ms)} visible, {duration(view.engaged_ms)} engaged"
