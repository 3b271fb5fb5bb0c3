"""``run``: the sample site, wrapped, filled with a sample month and served on this machine."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..middleware import PageTimer
from ..server import FIRST_PORT, HOST, PORTS, listen, loopback_only, stoppable
from ..settings import read
from . import sample
from .site import Site
from .watch import Watch

SITE = "demo"
VISITOR = "you"

Application = Callable[..., Iterable[bytes]]


def run(port: int | None = None) -> None:
    """Serve the sample site and its dashboard until Ctrl-C or SIGTERM.

    :param port: the first one to try; the next free one is taken. Default: 8000
    :raises CannotServe: if waitress is not installed, or no port is free
    """
    with (
        stoppable(),
        tempfile.TemporaryDirectory(prefix="pagetimer-demo-", ignore_cleanup_errors=True) as folder,
    ):
        timer = wrap(Path(folder))
        try:
            _serve(timer, listen(loopback_only(name_visitor(timer)), port or FIRST_PORT, PORTS))
        finally:
            timer.close()
    print("\nThe demo is over; its data are removed.", flush=True)


def wrap(folder: Path) -> PageTimer:
    """Return the sample site inside the middleware, with its data in ``folder``."""
    options = {
        "data": folder,
        "site": SITE,
        "viewers": VISITOR,
        # The data never leave this machine, and a demo that shows no user shows little.
        "privacy_signals": "ignore",
    }
    # No environment: the demo's sample must not get into somebody's real store.
    return PageTimer.from_settings(Site(), read(options, environ={}))


def name_visitor(application: Application) -> Application:
    """Return an application whose every visitor is logged in, as ``you``."""

    def named(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = VISITOR
        return application(environ, start_response)

    return named


def _serve(timer: PageTimer, server: Any) -> None:
    """Fill the store, say where everything is, and serve until it is stopped."""
    store = timer.parts.store
    try:
        sample.fill(store, time.time_ns() // 1_000_000)
        address = f"http://{HOST}:{server.effective_port}"
        print(f"The sample site  {address}/")
        print(f"Its dashboard    {address}{timer.settings.prefix}/\n")
        print(f"Its data are in {timer.settings.data} and are removed at the end. Ctrl-C ends it.")
        print("Each page that you leave says here how long you were there.\n", flush=True)
        watch = Watch(store, SITE, lambda line: print(line, flush=True))
        watch.start()
        server.run()
        with contextlib.suppress(TimeoutError):
            timer.flush(timeout=1)
        watch.close()
    finally:
        server.close()
