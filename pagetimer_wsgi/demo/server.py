"""``run``: the sample site, wrapped, filled with a sample month and served on this machine."""

from __future__ import annotations

import contextlib
import errno
import logging
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import PageTimerError
from ..middleware import PageTimer
from ..settings import read
from . import sample
from .site import Site
from .watch import Watch

HOST = "127.0.0.1"
FIRST_PORT = 8000
SITE = "demo"
VISITOR = "you"
_PORTS = 100

Application = Callable[..., Iterable[bytes]]


class CannotServe(PageTimerError):
    """The demo cannot be served: waitress is missing, or no port is free."""


def run(port: int | None = None) -> None:
    """Serve the sample site and its dashboard until Ctrl-C or SIGTERM.

    :param port: the first one to try; the next free one is taken. Default: 8000
    :raises CannotServe: if waitress is not installed, or no port is free
    """
    with (
        _stoppable(),
        tempfile.TemporaryDirectory(prefix="pagetimer-demo-", ignore_cleanup_errors=True) as folder,
    ):
        timer = wrap(Path(folder))
        try:
            _serve(timer, listen(name_visitor(timer), port or FIRST_PORT))
        finally:
            timer.close()
    print("\nThe demo is over; its data are removed.", flush=True)


def listen(application: Application, port: int) -> Any:
    """Return a waitress server that listens on the first free port from ``port`` up.

    :raises CannotServe: if waitress is not installed, or no port is free
    """
    try:
        import waitress
    except ImportError:
        raise CannotServe(
            "waitress is needed to serve; it comes with: pip install 'pagetimer-wsgi[serve]'"
        ) from None
    # A browser opens more connections at once than there are threads, and that is no trouble.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return waitress.create_server(application, sockets=[_bind(port)], threads=8)


def _bind(port: int) -> socket.socket:
    """Return a socket that listens on the first free port.

    Waitress would leave open each socket that it cannot bind.
    """
    for number in range(port, min(port + _PORTS, 65536)):
        bound = socket.socket()
        # As servers do: a port that was in use a moment ago is free.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, number))
            bound.listen()  # only then is it ours: two may be bound to one port
        except OSError as error:
            bound.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise CannotServe(f"port {number} cannot be used: {error}") from error
        else:
            return bound
    raise CannotServe(f"no port is free from {port} up")


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


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """End the block in good order on Ctrl-C, SIGTERM and a closed terminal."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(*_: Any) -> None:
        for number in signals:  # a second one must not disturb the tidying up
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
