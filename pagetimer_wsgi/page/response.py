"""Which responses are pages, what becomes of their headers, and PEP 3333 around the scanner.

Reads environ directly: this runs on every request of the wrapped application.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .head import Scanner

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    ExceptionInformation = (
        tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
    )
    Page = tuple[str, list[tuple[str, str]], ExceptionInformation | None]

Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]

log = logging.getLogger("pagetimer")


@dataclass(frozen=True)
class Tagged:
    """What goes into one page.

    :param tag: the markup that is put before the end of the head
    :param headers: the page's headers, with what the tag asks of them; the length, digests and
        ranges of the body are settled here
    """

    tag: bytes
    headers: Headers


Dress = Callable[[Headers], "Tagged | None"]

_PAGE_METHODS = frozenset(("GET", "HEAD", "POST"))
# 200, and what the application says when it cannot; all else has no body to show, or a part of one.
_PAGE_STATUS = re.compile(r"200|[45][0-9][0-9]")
# Labels of encodings in which the bytes of `<` may be half of a letter (WHATWG Encoding, 4.2).
_FOREIGN_CHARSET = re.compile(
    r"""charset\s*=\s*["']?\s*(?:utf-?(?:16|32)|ucs-?[24]|(?:cs)?unicode(?:feff|fffe)?(?![\w-])"""
    r"""|iso-10646|(?:cs)?iso-?2022)"""
)
# The server sends a file instead of the body.
_HANDED_OVER = frozenset(("x-sendfile", "x-accel-redirect", "x-litespeed-location"))
# True of the application's bytes only.
_OF_THE_BODY = frozenset(
    (
        "accept-ranges",
        "content-digest",
        "content-length",
        "content-md5",
        "digest",
        "repr-digest",
    )
)


def respond(
    application: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    dress: Dress,
) -> Iterable[bytes]:
    """Run the application; put a tag into the page it answers with, if it is one.

    :param dress: called once for a page, with a copy of its headers, when its first chunk is
        there; None leaves the page alone
    :return: the application's own iterable wherever its bytes are left alone
    """
    if environ.get("REQUEST_METHOD") not in _PAGE_METHODS or environ.get("HTTP_UPGRADE"):
        return application(environ, start_response)
    exchange = _Exchange(start_response, dress, environ["REQUEST_METHOD"] == "HEAD")
    return exchange.body(application(environ, exchange.start))


def is_page(status: str, headers: Headers) -> bool:
    """Whether a response is a whole HTML document whose bytes may be changed."""
    if not _PAGE_STATUS.match(status):
        return False
    types = [value for name, value in headers if name.lower() == "content-type"]
    return len(types) == 1 and _is_html(types[0]) and not any(_forbids(*each) for each in headers)


def _is_html(content_type: str) -> bool:
    media_type, _, parameters = content_type.lower().partition(";")
    return media_type.strip() == "text/html" and not _FOREIGN_CHARSET.search(parameters)


def _forbids(name: str, value: str) -> bool:
    name, value = name.lower(), value.strip().lower()
    if name == "content-encoding":
        return value not in ("", "identity")
    if name == "content-disposition":
        return value.partition(";")[0].strip() == "attachment"
    if name == "cache-control":
        return "no-transform" in (directive.strip() for directive in value.split(","))
    return name == "content-range" or name in _HANDED_OVER


def _length(headers: Headers) -> int | None:
    """The body's bytes, if the application says one number."""
    values = [value.strip() for name, value in headers if name.lower() == "content-length"]
    if len(values) == 1 and values[0].isascii() and values[0].isdecimal():
        return int(values[0])
    return None


def _settled(headers: Headers, length: int | None) -> Headers:
    """The headers of a page whose bytes changed; `length` in bytes, None where it is unknown."""
    kept = [(name, value) for name, value in headers if name.lower() not in _OF_THE_BODY]
    if length is not None:
        kept.append(("Content-Length", str(length)))
    return kept


class _Exchange:
    """One request: what the application has said, and what of it has gone on to the server."""

    def __init__(self, start_response: StartResponse, dress: Dress, headers_only: bool) -> None:
        self._start_response = start_response
        self._dress = dress
        self._headers_only = headers_only
        self._page: Page | None = None  # held until its first chunk
        self._write: Write  # the server's, from when it has begun
        self._started = False  # the server's start_response has been called
        self._scanner: Scanner | None = None  # while the place is being looked for

    def start(
        self, status: str, headers: Headers, exc_info: ExceptionInformation | None = None
    ) -> Write:
        """The application's start_response. A page's waits for its first chunk."""
        if self._page and not exc_info:
            raise AssertionError("start_response was called again without exc_info")
        self._page = None
        if not self._started and self._is_page(status, headers):
            self._page = status, list(headers), exc_info
            return self.write
        # Where the server has begun, it alone knows whether headers went out; then it raises.
        write = self._forward(status, headers, exc_info)
        self._scanner = None
        return write

    def write(self, data: bytes) -> None:
        """The imperative way to send a page: the same scanner, the server's own write()."""
        if not data and self._page:
            return
        out = self.chunk(data)
        if out:
            self._write(out)

    def body(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """What the server iterates over, made of what the application returned."""
        if self._started and not self._scanner:
            return result
        if self._page and isinstance(result, (list, tuple)):
            return self._open(self._page, result, ended=True)
        return _Body(self, result)

    def chunk(self, chunk: bytes) -> bytes:
        """What goes out for one chunk of the application's."""
        if self._page:
            return self._open(self._page, [chunk])[0]
        scanner = self._scanner
        return _guarded(scanner, lambda: scanner.feed(chunk)) if scanner else chunk

    def end(self) -> bytes:
        """What goes out when the application's body has ended."""
        if self._page:
            self._open(self._page, [], ended=True)
        return _guarded(self._scanner, self._scanner.close) if self._scanner else b""

    def _is_page(self, status: str, headers: Headers) -> bool:
        try:
            return is_page(status, headers)
        except Exception:
            log.exception("a response cannot be judged and goes out as it is")
            return False

    def _open(self, page: Page, chunks: Sequence[bytes], ended: bool = False) -> Sequence[bytes]:
        """Let the held page begin; return as many chunks as came in."""
        self._page = None
        status, headers, exc_info = page
        try:
            sent, out = self._settle(headers, chunks, ended)
        except Exception:
            log.exception("a page goes out without its tag")
            sent, out = headers, chunks
        self._forward(status, sent, exc_info)
        return out

    def _settle(
        self, headers: Headers, chunks: Sequence[bytes], ended: bool
    ) -> tuple[Headers, Sequence[bytes]]:
        """The headers and first chunks of a page, the application's own where nothing changes."""
        tagged = self._dress(list(headers))
        if tagged is None:
            return headers, chunks
        if self._headers_only:
            return _settled(tagged.headers, None), chunks
        scanner = Scanner(lambda: tagged.tag)
        out = [scanner.feed(chunk) for chunk in chunks]
        length = _length(headers)
        if ended or length == sum(map(len, chunks)):
            out[-1:] = [b"".join((*out[-1:], scanner.close()))]
        if scanner.found:
            return _settled(tagged.headers, length and length + len(tagged.tag)), out
        if scanner.done:
            return headers, chunks
        settled = _settled(tagged.headers, None)
        self._scanner = scanner
        return settled, out

    def _forward(
        self, status: str, headers: Headers, exc_info: ExceptionInformation | None
    ) -> Write:
        if exc_info:
            write = self._start_response(status, headers, exc_info)
        else:
            write = self._start_response(status, headers)
        self._started, self._write = True, write
        return write


def _guarded(scanner: Scanner, step: Callable[[], bytes]) -> bytes:
    """What the step gives; if it fails, the application's bytes and no more scanning."""
    try:
        return step()
    except Exception:
        log.exception("a page goes out without its tag")
        return scanner.release()


class _Body:
    """The iterable of a page: one chunk for each of the application's, and what is left over."""

    def __init__(self, exchange: _Exchange, result: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._result = result
        self._chunks: Iterator[bytes] | None = None  # begun when the server asks
        self._ended = False
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        if self._chunks is None:
            self._chunks = iter(self._result)
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._ended = True
            return self._rest()
        return self._exchange.chunk(chunk)

    def _rest(self) -> bytes:
        rest = self._exchange.end()
        if rest:
            return rest
        raise StopIteration

    def close(self) -> None:
        """Close the application's iterable, once, whatever came before (PEP 3333)."""
        if not self._closed:
            self._ended = self._closed = True
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
