"""Requests as bytes on a socket, with bodies framed as no HTTP library would frame them."""

from __future__ import annotations

import contextlib
import gzip
import socket
from collections.abc import Callable
from dataclasses import dataclass

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Frame:
    """How a body is framed (RFC 9112, 6).

    :param headers: length -> the headers that say how
    :param wire: body -> what goes over the wire
    :param whole: whether the body arrives as it is
    :param ends: whether the client says after it that no more comes
    """

    headers: Callable[[bytes], tuple[Header, ...]]
    wire: Callable[[bytes], bytes] = bytes
    whole: bool = False
    ends: bool = False


def _length(*lengths: bytes) -> Callable[[bytes], tuple[Header, ...]]:
    return lambda body: tuple((b"Content-Length", length) for length in lengths)


def _right(body: bytes) -> tuple[Header, ...]:
    return ((b"Content-Length", b"%d" % len(body)),)


def _coded(coding: bytes) -> Callable[[bytes], tuple[Header, ...]]:
    return lambda body: ((b"Transfer-Encoding", coding),)


def _chunks(body: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"%x\r\n%s\r\n%s" % (len(body), body, end)


_CHUNKED = _coded(b"chunked")
FRAMES = {
    "right": Frame(_right, whole=True),
    "right, asking first": Frame(lambda b: (*_right(b), (b"Expect", b"100-continue")), whole=True),
    "a length that is more": Frame(
        lambda b: ((b"Content-Length", b"%d" % (len(b) + 7)),), ends=True
    ),
    "a length below 0": Frame(_length(b"-1")),
    "a length with a sign": Frame(_length(b"+5")),
    "a length of two numbers": Frame(_length(b"5,7")),
    "two lengths": Frame(lambda b: (*_right(b), (b"Content-Length", b"7"))),
    "a length of 3 GB": Frame(_length(b"3000000000")),
    "a length of 30 digits": Frame(_length(b"9" * 30)),
    "a length of 5,000 digits": Frame(_length(b"9" * 5_000)),
    "a length that is no number": Frame(_length(b"long")),
    "no length": Frame(_length()),
    "chunked": Frame(_CHUNKED, _chunks),
    "chunked, with a trailer": Frame(_CHUNKED, lambda b: _chunks(b, b"0\r\nTide: ebb\r\n\r\n")),
    "chunked, with a bad trailer": Frame(_CHUNKED, lambda b: _chunks(b, b"0\r\n\xff\x00\r\n\r\n")),
    "chunked, without an end": Frame(_CHUNKED, lambda b: _chunks(b, b""), ends=True),
    "chunked, over 16 KiB": Frame(_CHUNKED, lambda b: _chunks(b * 200)),
    "a chunk of no size": Frame(_CHUNKED, lambda b: b"zz\r\n" + _chunks(b)),
    "a chunk below 0": Frame(_CHUNKED, lambda b: b"-5\r\n" + _chunks(b)),
    "chunked and a length": Frame(lambda b: (*_CHUNKED(b), *_right(b)), _chunks),
    "in an unknown coding": Frame(_coded(b"tide")),
    "compressed chunks": Frame(_coded(b"gzip, chunked"), lambda b: _chunks(gzip.compress(b))),
    "compressed": Frame(
        lambda b: (*_right(gzip.compress(b, mtime=0)), (b"Content-Encoding", b"gzip")),
        lambda b: gzip.compress(b, mtime=0),
    ),
}
"""name -> a way to frame a body."""


def send_raw(port: int, frame: Frame, body: bytes, timeout: float = 2.0) -> int | None:
    """Post a body to ``beat`` on loopback.

    :param timeout: seconds in which nothing comes
    :return: the answer's status; ``None``: no answer came
    """
    headers = ((b"Content-Type", b"text/plain;charset=UTF-8"), (b"Connection", b"close"))
    head = [b"POST /_pagetimer/beat HTTP/1.1", b"Host: localhost"]
    head += [b"%s: %s" % header for header in (*frame.headers(body), *headers)]
    said = b""
    # A server may hang up on a body that it will not read, or wait for more.
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout) as connection,
    ):
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + frame.wire(body))
        if frame.ends:
            connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65_536):
            said += chunk
    *_, last = said.split(b"HTTP/1.1 ")  # after 100 Continue
    return int(last[:3]) if last[:3].isdigit() else None
