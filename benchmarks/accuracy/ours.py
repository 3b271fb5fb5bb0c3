"""Our side: the whole product, with a store of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs

from pagetimer_wsgi import PageTimer, PageView
from pagetimer_wsgi.stores import open_store
from pagetimer_wsgi.stores.query import Query

from .side import Application, Call


class Ours:
    """``PageTimer`` around the site, SQLite in a temporary folder.

    :param options: of ``PageTimer``
    """

    name = "pagetimer"
    head = ""
    prefix = "/_pagetimer"
    tells_engaged = False  # both times are told, each by its own name

    def __init__(self, **options: object) -> None:
        self.script = files("pagetimer_wsgi.page").joinpath("client/pagetimer.min.js").read_bytes()
        self._open = ExitStack()
        self._data = self._open.enter_context(TemporaryDirectory(prefix="pagetimer-accuracy-"))
        self._options = {"automation": True, "data": self._data, **options}

    def wrap(self, application: Application) -> Application:
        """Return the site with us around it."""
        self._timer = PageTimer(application, **self._options)
        self._open.callback(self._timer.close)
        return self._timer

    def is_script(self, path: str) -> bool:
        """Say whether this is our client's address."""
        return path == f"{self.prefix}/pagetimer.js"

    def answers(self, calls: Sequence[Call]) -> dict[str, float]:
        """Return what the store says, path -> visible seconds."""
        answers: dict[str, float] = {}
        for view in self.page_views():
            if view.visible_ms is not None:
                answers[view.path] = answers.get(view.path, 0.0) + view.visible_ms / 1000
        return answers

    def page_views(self) -> list[PageView]:
        """Return the page views in the store, by their beginning."""
        self._timer.flush(timeout=10)
        store = open_store(f"sqlite:///{Path(self._data) / 'pagetimer.db'}")
        try:
            return sorted(store.page_views(Query()), key=lambda view: view.started_at)
        finally:
            store.close()

    def close(self) -> None:
        """Stop what runs, and remove what was stored."""
        self._open.close()


def beats_of(page_view: PageView, calls: Iterable[Call]) -> list[Call]:
    """Return those calls that are beats of the page view.

    The server may rewrite the first 12 digits of its id, the clock's; the others stay.
    """
    return [call for call in calls if _view_id(call)[12:] == page_view.view_id[12:]]


def _view_id(call: Call) -> str:
    return parse_qs(call.body.decode()).get("v", [""])[0]
