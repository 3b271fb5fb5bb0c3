"""Strange requests: bodies that were a beat or a call and are changed, and every odd header."""

from __future__ import annotations

import io
import json
import random
import secrets
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from .mutations import MUTATIONS
from .oddities import ADDRESSES, LOOKS, METHODS, ODD_HEADERS, ODD_PATHS

PREFIX = "/_pagetimer"
LONG = "/" + "a" * 600
DATES = ("2026-01-31T09:30:00Z", "2026-01-31", "0001-01-01", "9999-12-31", "")
DATES += ("10000-01-01", "2026-13-01", "2026-01-31T25:00", "yesterday", "1969-12-31")


BREAKS = (
    ConnectionResetError("the client has gone"),
    TimeoutError("the client is too slow"),
    ValueError("bad chunk transfer size"),  # as cheroot says
    Exception("a trailer that is none"),  # gunicorn's own errors are such
)


@dataclass
class Broken:
    """A body that cannot be read to its end."""

    error: Exception

    def read(self, size: int = -1) -> bytes:
        """Fail."""
        raise self.error


@dataclass
class Strange:
    """A request: where it goes, its body, and what else environ says.

    :param whole: whether address, method, length and headers are those of a client of ours, so
        that the body alone decides
    """

    path: str
    body: bytes
    method: str = "POST"
    environ: dict[str, Any] = field(default_factory=dict)
    whole: bool = True

    def arrives(self) -> bytes:
        """Return as much of the body as its length says."""
        length = self.environ.get("CONTENT_LENGTH") or ""
        return self.body[: int(length)] if length.isdecimal() and len(length) < 9 else self.body

    def as_environ(self) -> dict[str, Any]:
        """Return a WSGI environ of it (PEP 3333)."""
        usual = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": PREFIX + self.path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "text/plain;charset=UTF-8",
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        environ = {**usual, **self.environ}
        return {name: value for name, value in environ.items() if value is not None}


class Stranger:
    """Makes strange requests, the same ones for the same seed.

    :param tokens: of pages, which beats may carry: right ones, cut ones, forged ones
    """

    def __init__(self, seed: int, tokens: tuple[str, ...] = ("1.AAAA",)) -> None:
        self._choice = random.Random(seed)
        self._tokens = tokens

    def request(self) -> Strange:
        """Return the next one."""
        choice = self._choice
        kind = choice.random()
        if kind < 0.6:
            return Strange("/beat", self.body())
        path = choice.choice(ADDRESSES)
        make = self._beat if path == "/beat" else self._call
        body = make() if choice.random() < 0.5 else self._mutated(make())
        if kind > 0.9:
            path = choice.choice(ADDRESSES + LOOKS + ODD_PATHS)
        request = Strange(path, body, whole=False)
        if choice.random() < 0.2:
            request.method = choice.choice(METHODS)
        for name in choice.sample(sorted(ODD_HEADERS), choice.randrange(4)):
            request.environ[name] = choice.choice(ODD_HEADERS[name])
        if choice.random() < 0.2:
            request.environ["CONTENT_LENGTH"] = choice.choice(self._lengths(body))
        if choice.random() < 0.1:
            request.environ |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            request.environ["CONTENT_LENGTH"] = choice.choice(("", None))
        if choice.random() < 0.05:
            request.environ["wsgi.input"] = Broken(choice.choice(BREAKS))
        return request

    def body(self) -> bytes:
        """Return the next body that is, or once was, a beat's."""
        return self._mutated(self._beat())

    def _beat(self) -> bytes:
        choice = self._choice
        now = time.time_ns() // 1_000_000
        began = choice.choice((now - 2_000, now - 10**9, 0, now + 10**8, 2**44, 2**48 - 1))
        age = choice.choice((0, 1_900, 1_900, 10**6, 10**8, 2**52))
        fields: dict[str, object] = {
            "v": f"{began:012x}" + secrets.token_hex(10),
            "n": choice.choice((0, 1, 7, 2**53, 2**53 + 1)),
            "t": choice.choice((0, 1_900, 10**7, 2**53)),
            "e": choice.choice((0, 1_200, "", 2**53)),
            "p": choice.choice(("/tides", "/?q=1#f", "/caf\u00e9/\U0001f30a", "tides", LONG)),
            "d": max(0, min(began + age, 2**53)),
            "w": choice.choice(("start", "beat", "leave", "later", "never", "")),
            "r": choice.choice(("", "/before", "http://[", "\u202e")),
            "l": choice.choice(("", 0, 250, 2**53 + 1)),
            "k": choice.choice(("", *self._tokens)),
        }
        for name in choice.sample(sorted(fields), choice.choice((0, 0, 0, 1, 2))):
            del fields[name]
        return urllib.parse.urlencode(fields).encode()

    def _call(self) -> bytes:
        choice = self._choice
        fields = {
            "path": choice.choice(("/tides", "", "tides", "\u202e", LONG)),
            "date": choice.choice(DATES),
            "referer": choice.choice(("", "/before", "http://[")),
        }
        as_json = json.dumps(fields | choice.choice(({}, {"path": 7}, {"date": None}, {"a": [{}]})))
        parts = "".join(
            f'--tide\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        bodies = (urllib.parse.urlencode(fields), as_json, parts + "--tide--\r\n")
        return choice.choice(bodies).encode()

    def _mutated(self, body: bytes) -> bytes:
        for _ in range(self._choice.choice((0, 1, 1, 1, 2, 3, 6))):
            body = self._choice.choice(MUTATIONS)(self._choice, body)
        return body

    def _lengths(self, body: bytes) -> tuple[str, ...]:
        right = len(body)
        return (
            *(
                "",
                "-1",
                "+5",
                " 5",
                "1e3",
                "0x10",
                "5,5",
                "\u0663",
                "\xb2",
                "9" * 400,
                "9" * 5_000,
                "16385",
            ),
            *(str(right + 7), str(max(0, right - 7)), f"{right:09}", f"{right:012}", "0"),
        )
