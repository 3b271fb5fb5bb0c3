"""The server of our own commands: waitress, on loopback, on the next free port."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterable
from typing import Any

from .common import UsageError

_FIRST_PORT = 8000
_TRIES = 100


def listen(application: Callable[..., Iterable[bytes]], port: int | None) -> tuple[Any, str]:
    """Return a server that listens on loopback, and its address.

    :param port: this one and no other; None: the next free one from 8000 on
    :raises UsageError: if there is no such port, or waitress is not installed
    """
    try:
        from waitress import create_server
    except ImportError as error:
        raise UsageError(
            "waitress serves this; install it with: pip install 'pagetimer-wsgi[serve]'"
        ) from error
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: a number from 0 to 65535 is needed")
    ports = [port] if port is not None else range(_FIRST_PORT, _FIRST_PORT + _TRIES)
    for candidate in ports:
        try:
            server = create_server(application, host="127.0.0.1", port=candidate)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            raise UsageError(f"--port {candidate}: {error.strerror}") from error
        return server, f"http://127.0.0.1:{server.effective_port}"
    raise UsageError(f"no port from {_FIRST_PORT} to {_FIRST_PORT + _TRIES - 1} is free")


def serve(server: Any, at_end: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; then end quietly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        at_end()
