"""PEP 3333 around the scanner: one response, from the application to the server.

Reads environ directly: this runs on every request of the wrapped application.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from . import Headers
from .coded import CodedScanner
from .head import Scanner
from .kind import Kind, kind_of
from .servers import must_keep_length, takes_headers_at_return
from .xhtml import XmlScanner

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from .said import Said

    ExceptionInformation = (
        tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
    )

Write = Callable[[bytes], object]

log = logging.getLogger("pagetimer")


@dataclass(frozen=True)
class Tagged:
    """What goes into one page.

    :param tag: gives the markup that is put before the end of the head, or nothing, for what
        the head has said before
    :param headers: the page's headers, with what the tag asks of them; the length, digests and
        ranges of the body are settled here
    """

    tag: Callable[[Said], bytes]
    headers: Headers


Dress = Callable[[Headers], "Tagged | None"]
AnyScanner = Scanner | XmlScanner | CodedScanner

_PAGE_METHODS = frozenset(("GET", "HEAD", "POST"))
# True of the application's bytes only.
_OF_THE_BODY = frozenset(
    ("content-digest", "content-length", "content-md5", "digest", "repr-digest")
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
    exchange = _Exchange(environ, start_response, dress)
    return exchange.body(application(environ, exchange.start))


def _settled(headers: Headers, length: int | None) -> Headers:
    """The headers of a page whose bytes changed; `length` in bytes, None where it is unknown."""
    kept = [
        (name, "none" if name.lower() == "accept-ranges" else value)
        for name, value in headers
        if name.lower() not in _OF_THE_BODY
    ]
    if length is not None and not any(name.lower() == "transfer-encoding" for name, _ in kept):
        kept.append(("Content-Length", str(length)))
    return kept


class _Page(NamedTuple):
    """What the application said of a page."""

    status: str
    headers: Headers
    exc_info: ExceptionInformation | None
    kind: Kind


class _Exchange:
    """One request: what the application has said, and what of it has gone on to the server."""

    def __init__(
        self, environ: WSGIEnvironment, start_response: StartResponse, dress: Dress
    ) -> None:
        self._environ = environ
        self._start_response = start_response
        self._dress = dress
        self._headers_only = environ["REQUEST_METHOD"] == "HEAD"
        self._page: _Page | None = None  # held until its first chunk
        self._write: Write  # the server's, from when it has begun
        self._started = False  # the server's start_response has been called
        self._is_theirs = False  # the application's own iterable has gone back
        self._scanner: AnyScanner | None = None  # while bytes may change

    def start(
        self, status: str, headers: Headers, exc_info: ExceptionInformation | None = None
    ) -> Write:
        """The application's start_response. A page's waits for its first chunk."""
        if self._page and not exc_info:
            raise AssertionError("start_response was called again without exc_info")
        self._page = None
        kind = None if self._started or self._is_theirs else self._kind(status, headers)
        if kind:
            self._page = _Page(status, list(headers), exc_info, kind)
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
        at_once = takes_headers_at_return(self._environ)
        if self._page is None:
            # Where headers are taken now, what the application says later is never heard.
            self._is_theirs = self.passes or (at_once and not self._started)
            return result if self._is_theirs else _Body(self, result)
        if isinstance(result, (list, tuple)) and not self._headers_only:
            return self._open(self._page, result, ended=True)
        if at_once:
            self._open(self._page, [])
        return _Body(self, result)

    @property
    def passes(self) -> bool:
        """Whether nothing that is still to come can change."""
        return self._started and not self._scanner

    def chunk(self, chunk: bytes) -> bytes:
        """What goes out for one chunk of the application's."""
        if self._page:
            return self._open(self._page, [chunk])[0]
        scanner = self._scanner
        if scanner is None:
            return chunk
        out = self._guarded(scanner, lambda: scanner.feed(chunk))
        if scanner.done and not isinstance(scanner, CodedScanner):
            self._scanner = None
        return out

    def end(self) -> bytes:
        """What goes out when the application's body has ended."""
        if self._page:
            self._open(self._page, [], ended=True)
        scanner, self._scanner = self._scanner, None
        return self._guarded(scanner, scanner.close) if scanner else b""

    def _kind(self, status: str, headers: Headers) -> Kind | None:
        try:
            return kind_of(status, headers)
        except Exception:
            log.exception("a response cannot be judged and goes out as it is")
            return None

    def _open(self, page: _Page, chunks: Sequence[bytes], ended: bool = False) -> Sequence[bytes]:
        """Let the held page begin; return as many chunks as came in."""
        self._page = None
        try:
            headers, out = self._settle(page, chunks, ended)
        except Exception:
            log.exception("a page goes out without its tag")
            headers, out = page.headers, chunks
        self._forward(page.status, headers, page.exc_info)
        return out

    def _settle(
        self, page: _Page, chunks: Sequence[bytes], ended: bool
    ) -> tuple[Headers, Sequence[bytes]]:
        """The headers and first chunks of a page, the application's own where nothing changes."""
        tagged = self._dress(list(page.headers))
        if tagged is None:
            return page.headers, chunks
        if self._headers_only:
            return _settled(tagged.headers, None), chunks
        scanner = self._scanner_for(page.kind, tagged.tag)
        out = [scanner.feed(chunk) for chunk in chunks]
        came = sum(map(len, chunks))
        whole = ended or page.kind.length == came
        if whole:
            out[-1:] = [b"".join((*out[-1:], scanner.close()))]
        cut_off = whole and isinstance(scanner, CodedScanner) and not scanner.is_whole
        if cut_off or (scanner.done and not scanner.found):
            return page.headers, chunks
        length = None
        if whole:
            length = sum(map(len, out))
        elif page.kind.coding or not scanner.done:
            self._scanner = scanner
        elif page.kind.length is not None:
            length = page.kind.length + sum(map(len, out)) - came
        if length is None and page.kind.length is not None and must_keep_length(self._environ):
            self._scanner = None
            return page.headers, chunks
        return _settled(tagged.headers, length), out

    def _scanner_for(self, kind: Kind, tag: Callable[[Said], bytes]) -> AnyScanner:
        scanner = kind.scanner(tag)
        return CodedScanner(scanner, kind.coding) if kind.coding else scanner

    def _guarded(self, scanner: AnyScanner, step: Callable[[], bytes]) -> bytes:
        """What the step gives; if it fails, the application's bytes and no more scanning.

        A page that was coded anew cannot go on in its old coding: there the server is told.
        """
        if isinstance(scanner, CodedScanner):
            return step()
        try:
            return step()
        except Exception:
            log.exception("a page goes out without its tag")
            return scanner.release()

    def _forward(
        self, status: str, headers: Headers, exc_info: ExceptionInformation | None
    ) -> Write:
        if exc_info:
            write = self._start_response(status, headers, exc_info)
        else:
            write = self._start_response(status, headers)
        self._started, self._write = True, write
        return write


class _Body:
    """The iterable of a page: one chunk for each of the application's, and what is left over."""

    def __init__(self, exchange: _Exchange, result: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._result = result
        self._chunks: Iterator[bytes] | None = None  # begun when the server asks
        self._passes = False  # nothing is to be done any more
        self._ended = False
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        if self._chunks is None:
            self._chunks = iter(self._result)
        if self._passes:
            return next(self._chunks)
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._ended = True
            return self._rest()
        return self._pass_on(chunk)

    def _pass_on(self, chunk: bytes) -> bytes:
        try:
            out = self._exchange.chunk(chunk)
        except BaseException:
            self._ended = True
            raise
        self._passes = self._exchange.passes
        return out

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
