"""PEP 3333 around the scanner: one response, from the application to the server.

Reads environ directly: this runs on every request of the wrapped application.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from ..logs import log
from . import Headers
from .begin import AnyScanner, Tagged, begin, settled
from .document.coded import CodedScanner
from .headers.fields import Fields
from .kind import Kind, kind_of, may_be_page
from .servers import must_keep_length, takes_headers_at_return

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    ExceptionInformation = (
        tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
    )

Write = Callable[[bytes], object]


_PAGE_METHODS = frozenset(("GET", "HEAD", "POST"))


class _Page(NamedTuple):
    """What the application said of a page."""

    status: str
    fields: Fields
    exc_info: ExceptionInformation | None
    kind: Kind


class Exchange(ABC):
    """One request: what the application has said, and what of it has gone on to the server.

    :param environ: as the server gave it
    :param start_response: the server's
    """

    _page: _Page | None = None  # held until its first chunk
    _write: Write  # the server's, from when it has begun
    _started = False  # the server's start_response has been called
    _is_theirs = False  # the application's own iterable has gone back
    _scanner: AnyScanner | None = None  # while bytes may change
    _sent: Headers | None = None  # what the server got
    _amends = False  # `amend` has something to say
    _asks_for_headers = False  # HEAD

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response

    @abstractmethod
    def dress(self, fields: Fields) -> Tagged | None:
        """Return what goes into a page; None leaves it alone.

        Called once, when its first chunk is there.

        :param fields: the page's headers
        """

    def failed(self, error: Exception) -> None:
        """Take note of an error of ours, for which a page goes out without its tag."""
        log.error("a page goes out without its tag: %r", error)

    def amend(self, status: str, headers: Headers) -> Headers:
        """Return the headers with which any response goes to the server."""
        return headers

    def respond(self, application: WSGIApplication) -> Iterable[bytes]:
        """Run the application; put a tag into the page it answers with, if it is one.

        :return: the application's own iterable wherever its bytes are left alone
        """
        environ = self._environ
        method = environ.get("REQUEST_METHOD")  # now, for the application may change it
        if method not in _PAGE_METHODS or environ.get("HTTP_UPGRADE"):
            return application(environ, self._forward)
        self._asks_for_headers = method == "HEAD"
        try:
            result = application(environ, self.start)
        except BaseException:
            self.give_up()
            raise
        return self._body(result)

    def start(
        self, status: str, headers: Headers, exc_info: ExceptionInformation | None = None
    ) -> Write:
        """The application's start_response. A page's waits for its first chunk."""
        if self._page and not exc_info:
            raise AssertionError("start_response was called again without exc_info")
        self._page = None
        if not isinstance(headers, list):  # PEP 3333 wants one; servers take what they can read
            headers = list(headers)
        try:
            if not (self._started or self._is_theirs) and may_be_page(status, headers):
                self._page = _page(status, headers, exc_info)
        except Exception as error:
            self.failed(error)
        if self._page:
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
        out = self._guarded(scanner, scanner.feed, chunk)
        if scanner.done and not isinstance(scanner, CodedScanner):
            self._scanner = None
        return out

    def end(self) -> bytes | None:
        """What goes out when the application's body has ended; None for nothing."""
        if self._page:
            self._open(self._page, [], ended=True)
            # Of no chunk at all wsgiref makes a Content-Length, which is not the page's.
            return b"" if self._asks_for_headers else None
        scanner, self._scanner = self._scanner, None
        return (self._guarded(scanner, scanner.close) or None) if scanner else None

    def give_up(self) -> None:
        """Let the server hear what the application had said before it failed."""
        page, self._page = self._page, None
        if page:
            with contextlib.suppress(Exception):  # the application's own error is the one to tell
                self._forward(page.status, page.fields.pairs, page.exc_info)

    def _body(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """What the server iterates over, made of what the application returned."""
        if self._page is None:
            # Where headers are taken now, what the application says later is never heard.
            passes = self.passes if self._started else takes_headers_at_return(self._environ)
            self._is_theirs = passes
            return result if passes else _Body(self, result)
        if _is_plain_list(result) and not self._asks_for_headers:
            return self._open(self._page, result, ended=True)
        body = _Body(self, result)
        if takes_headers_at_return(self._environ):
            try:
                self._open(self._page, [])
            except BaseException:
                body.close()
                raise
        return body

    def _open(self, page: _Page, chunks: Sequence[bytes], ended: bool = False) -> Sequence[bytes]:
        """Let the held page begin; return as many chunks as came in."""
        self._page = None
        try:
            headers, out = self._settle(page, chunks, ended)
        except Exception as error:
            self.failed(error)
            headers, out = page.fields.pairs, chunks
        self._forward(page.status, headers, page.exc_info)
        return out

    def _settle(
        self, page: _Page, chunks: Sequence[bytes], ended: bool
    ) -> tuple[Headers, Sequence[bytes]]:
        """The headers and first chunks of a page, the application's own where nothing changes."""
        tagged = self.dress(page.fields)
        if tagged and self._asks_for_headers:
            return settled(tagged.headers, None), chunks
        begun = begin(page.kind, tagged.tag, chunks, ended) if tagged else None
        if tagged is None or begun is None:
            return page.fields.pairs, chunks
        loses_length = begun.length is None and page.kind.length is not None
        if loses_length and must_keep_length(self._environ):
            return page.fields.pairs, chunks
        headers = settled(tagged.headers, begun.length)
        self._scanner = begun.scanner  # last: until here, an error leaves the page as it was
        return headers, begun.chunks

    def _guarded(self, scanner: AnyScanner, step: Callable[..., bytes], *chunk: bytes) -> bytes:
        """What the step gives; if it fails, the application's bytes and no more scanning.

        A page that was coded anew cannot go on in its old coding: there the server is told.
        """
        try:
            return step(*chunk)
        except Exception as error:
            if isinstance(scanner, CodedScanner):
                raise
            self.failed(error)
            return scanner.release()

    def _forward(
        self, status: str, headers: Headers, exc_info: ExceptionInformation | None = None
    ) -> Write:
        self._sent = headers = self.amend(status, headers) if self._amends else headers
        if exc_info:
            write = self._start_response(status, headers, exc_info)
        else:
            write = self._start_response(status, headers)
        self._started, self._write = True, write
        return write


def _page(status: str, headers: Headers, exc_info: ExceptionInformation | None) -> _Page | None:
    fields = Fields(list(headers))
    kind = kind_of(fields)
    return kind and _Page(status, fields, exc_info, kind)


def _is_plain_list(result: Iterable[bytes]) -> TypeGuard[Sequence[bytes]]:
    return isinstance(result, (list, tuple)) and not hasattr(result, "close")


class _Body:
    """The iterable of a page: one chunk for each of the application's, and what is left over."""

    def __init__(self, exchange: Exchange, result: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._result = result
        self._chunks: Iterator[bytes]  # begun when the server asks
        self._begun = False
        self._passes = False  # nothing is to be done any more
        self._ended = False
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        if not (self._begun or self._ended):
            self._begin()
        return self

    def __next__(self) -> bytes:
        if self._passes:
            return next(self._chunks)
        if self._ended:
            raise StopIteration
        if not self._begun:
            self._begin()
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._ended = True
            return self._rest()
        except BaseException:
            self._exchange.give_up()
            raise
        return self._pass_on(chunk)

    def _begin(self) -> None:
        try:
            self._chunks, self._begun = iter(self._result), True
        except BaseException:
            self._exchange.give_up()
            raise

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
        if rest is None:
            raise StopIteration
        return rest

    def close(self) -> None:
        """Close the application's iterable, once, whatever came before (PEP 3333)."""
        if not self._closed:
            self._passes, self._ended, self._closed = False, True, True
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
