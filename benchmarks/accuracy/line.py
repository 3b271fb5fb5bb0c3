"""The line between browser and server, which can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Line:
    """A port of loopback that hands all bytes on to another one, until it is cut.

    Dropping what a browser sends is a truer «offline» than its own emulation of it, which spares
    what the page sends while it goes.

    :param port: the server's
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._is_cut = threading.Event()
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and every one that comes."""
        with self._lock:
            self._is_cut.set()
            ends, self._ends = self._ends, set()
        for end in ends:
            _close(end)

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut.clear()

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _close(self._listener)
        self.cut()

    def _listen(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:  # closed: the laboratory is done
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                _close(browser)
                continue
            self._join(browser, server)

    def _join(self, browser: socket.socket, server: socket.socket) -> None:
        with self._lock:
            if is_whole := not self._is_cut.is_set():
                self._ends |= {browser, server}
        if not is_whole:
            _close(browser)
            _close(server)
            return
        for source, sink in (browser, server), (server, browser):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with self._lock:
            self._ends -= {source, sink}
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    # Shutdown wakes the thread that reads from it; close alone does not.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
