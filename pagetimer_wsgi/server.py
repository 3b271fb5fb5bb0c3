"""The server of our own commands: waitress, on loopback, stopped by Ctrl-C or a signal."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import PageTimerError

HOST = "127.0.0.1"
FIRST_PORT = 8000
PORTS = 100
_LOOPBACK = (HOST, "localhost", "[::1]")

Application = Callable[..., Iterable[bytes]]


class CannotServe(PageTimerError):
    """Nothing can be served: waitress is missing, or no port is free."""


def listen(application: Application, port: int, tries: int = 1) -> Any:
    """Return a waitress server that listens on the first free port of so many from ``port`` up.

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
    return waitress.create_server(application, sockets=[_bind(port, tries)], threads=8)


def _bind(port: int, tries: int) -> socket.socket:
    """Return a socket that listens on the first free port.

    Waitress would leave open each socket that it cannot bind.
    """
    for number in range(port, min(port + tries, 65536)):
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
    raise CannotServe(f"port {port} is not free" + (", nor any after it" if tries > 1 else ""))


def loopback_only(application: Application) -> Application:
    """Return the application for those who ask for this machine by its own name.

    A foreign name that leads here is another site's trick (DNS rebinding).
    """

    def guarded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", HOST)
        if re.sub(r":\d*$", "", host) in _LOOPBACK:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", "19")])
        return [b"Ask for 127.0.0.1.\n"]

    return guarded


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
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
