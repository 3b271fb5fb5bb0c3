"""The line between browser and server: what is cut is cut for real."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from accuracy.line import Line


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to a server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        with Line(listener.getsockname()[1]) as line:
            yield line
        # Wakes the thread that waits for the next connection.
        listener.shutdown(socket.SHUT_RDWR)


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            end, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_say_back, args=(end,), daemon=True).start()


def _say_back(end: socket.socket) -> None:
    with end:
        while said := end.recv(1024):
            end.sendall(said)


def call(line: Line) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=5)


def ask(end: socket.socket, text: bytes = b"hello") -> bytes:
    """Return what comes back; nothing where the line is cut."""
    try:
        end.sendall(text)
        return end.recv(1024)
    except ConnectionError:
        return b""


def test_all_bytes_pass_both_ways(line: Line) -> None:
    with call(line) as end:
        assert ask(end, b"one") == b"one"
        assert ask(end, b"\0two\n") == b"\0two\n"


def test_connections_stand_beside_each_other(line: Line) -> None:
    with call(line) as one, call(line) as other:
        assert ask(other, b"other") == b"other"
        assert ask(one, b"one") == b"one"


def test_the_end_of_one_side_reaches_the_other(line: Line) -> None:
    with call(line) as end:
        end.shutdown(socket.SHUT_WR)
        assert end.recv(1024) == b""


def test_a_cut_breaks_what_is_connected(line: Line) -> None:
    with call(line) as end:
        assert ask(end) == b"hello"
        line.cut()
        assert ask(end) == b""


def test_nothing_passes_a_line_that_is_cut_until_it_is_mended(line: Line) -> None:
    line.cut()
    with call(line) as end:
        assert ask(end) == b""
    line.mend()
    with call(line) as end:
        assert ask(end) == b"hello"


def test_a_server_that_is_gone_breaks_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Line(port) as line, call(line) as end:
        assert ask(end) == b""


def test_nobody_listens_once_it_is_closed() -> None:
    with Line(9) as line:
        pass
    with pytest.raises(ConnectionError):
        call(line)
