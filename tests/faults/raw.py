"""Requests as bytes on a socket: what no HTTP library would send."""

from __future__ import annotations

import gzip
import socket
from dataclasses import dataclass, field

from .strange import PREFIX, Strange

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass
class Raw:
    """A request for ``beat``, byte for byte.

    :param ends: whether the client says after it that no more comes
    """

    headers: Headers
    body: bytes
    ends: bool = True
    method: bytes = b"POST"

    def send(self, port: int, timeout: float = 3.0) -> int | None:
        """Send it to loopback, and return the answer's status; ``None``: none came."""
        head = [b"%s %s/beat HTTP/1.1" % (self.method, PREFIX.encode()), b"Host: localhost"]
        head += [b"%s: %s" % header for header in (*self.headers, (b"Connection", b"close"))]
        said = b""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout) as connection:
                connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + self.body)
                if self.ends:
                    connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65_536):
                    said += chunk
        except OSError:  # the server hangs up on a body that it will not read, or waits for more
            pass
        version, _, rest = said.partition(b" ")
        return int(rest[:3]) if version.startswith(b"HTTP/1.") else None


def _chunked(body: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body) + end


def framed(how: str, body: bytes) -> tuple[Raw, Strange]:
    """Return a body framed in one of the ways of :data:`FRAMES`, and what may arrive of it."""
    length = str(len(body)).encode()
    headers, wire = FRAMES[how](body, length)
    content = b"text/plain;charset=UTF-8"
    arrives = body[:-7] if how == "a length that is less" else body
    strange = Strange("/beat", arrives, whole=how in ("right", "chunked"))
    return Raw((*headers, (b"Content-Type", content)), wire), strange
