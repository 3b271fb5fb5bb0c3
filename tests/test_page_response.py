"""Which responses are pages, their headers, and PEP 3333 to the letter."""

from __future__ import annotations

import contextlib
import gzip
import logging
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest

from pagetimer_wsgi.page import Headers, once, response
from pagetimer_wsgi.page.begin import Tagged
from pagetimer_wsgi.page.document.coding import CodingError
from pagetimer_wsgi.page.document.head import Scanner
from pagetimer_wsgi.page.headers.fields import Fields
from pagetimer_wsgi.page.response import Exchange

TAG = b"<script></script>"
PAGE = b"<!doctype html><head></head><p>a</p>"
MARKED = b"<!doctype html><head>" + TAG + b"</head><p>a</p>"
HTML = ("Content-Type", "text/html; charset=utf-8")
Application = Callable[..., Iterable[bytes]]


Dress = Callable[[Headers], Tagged | None]


class Dressed(Exchange):
    """An exchange whose pages get what a function says."""

    def __init__(self, environ: Any, start_response: Any, dress: Dress) -> None:
        super().__init__(environ, start_response)
        self.dress_by = dress

    def dress(self, fields: Fields) -> Tagged | None:
        return self.dress_by(list(fields.pairs))


def respond(application: Any, environ: Any, start_response: Any, dress: Dress) -> Any:
    return Dressed(environ, start_response, dress).respond(application)


class Server:
    """What a server sees of one request; it sends headers with the first byte, as servers do."""

    def __init__(self, **environ: str) -> None:
        self.environ: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper, **environ}
        setup_testing_defaults(self.environ)
        self.status = ""
        self.headers: Headers = []
        self.starts = 0
        self.dressed: list[Headers] = []
        self.sent: list[bytes] = []  # one for each write or yield
        self.body: Iterable[bytes] = ()

    def start_response(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info:
            if any(self.sent):
                raise exc_info[1].with_traceback(exc_info[2])
        elif self.starts:
            raise AssertionError("start_response twice")
        self.starts += 1
        self.status, self.headers = status, headers
        return self.write

    def write(self, data: bytes) -> None:
        assert self.starts
        self.sent.append(data)

    def dress(self, headers: Headers) -> Tagged | None:
        self.dressed.append(headers)
        return Tagged(lambda said: TAG, [*headers, ("X-Dressed", "1")])

    def call(self, application: Application, dress: Any = None) -> Server:
        self.body = respond(application, self.environ, self.start_response, dress or self.dress)
        return self

    def run(self, application: Application, dress: Any = None) -> Server:
        self.call(application, dress)
        try:
            for chunk in self.body:
                assert self.starts, "nothing may be yielded before start_response"
                self.sent.append(chunk)
        finally:
            self.close()
        return self

    def close(self) -> None:
        close = getattr(self.body, "close", None)
        if close:
            close()

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2
        return values[0] if values else None

    @property
    def content(self) -> bytes:
        return b"".join(self.sent)


class Body:
    """An application's iterable that says what was done to it."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self.chunks = iter(chunks)
        self.iterated = self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self.iterated += 1
        return self

    def __next__(self) -> bytes:
        chunk = next(self.chunks)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self) -> None:
        self.closed += 1


def stream(chunks: list[bytes]) -> Body:
    return Body(*chunks)


bodies = pytest.mark.parametrize(
    ("make", "chunks"),
    [
        pytest.param(list, [PAGE], id="list"),
        pytest.param(tuple, [PAGE, PAGE], id="tuple"),
        pytest.param(stream, [PAGE, PAGE], id="stream"),
        pytest.param(stream, [b"<html>", b"</head>"], id="stream with a late place"),
    ],
)


def app(body: Any, *headers: tuple[str, str], status: str = "200 OK") -> Application:
    def application(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers or (HTML,)))
        return body

    return application


def length(content: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(content))


# --- which responses are pages ------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops", "200", "403 No"])
@pytest.mark.parametrize(
    "content_type",
    ["text/html", "TEXT/HTML ; charset=UTF-8", " text/html;charset=unicode-1-1-utf-8"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_gets_the_tag(status: str, content_type: str, method: str) -> None:
    seen = Server(REQUEST_METHOD=method).run(
        app([PAGE], ("Content-Type", content_type), length(PAGE), status=status)
    )
    assert (seen.status, seen.sent) == (status, [MARKED])
    assert seen.headers == [
        ("Content-Type", content_type),
        ("X-Dressed", "1"),
        length(MARKED),
    ]


NO_PAGES: dict[str, list[tuple[str, str]]] = {
    "JSON": [("Content-Type", "application/json")],
    "XML": [("Content-Type", "application/xml")],
    "no type": [("X-A", "text/html")],
    "two types": [HTML, HTML],
    "longer type": [("Content-Type", "text/html-x")],
    "UTF-16": [("Content-Type", "text/html; charset=utf-16")],
    "UTF-32 in quotes": [("Content-Type", 'text/html; Charset="UTF-32LE"')],
    "ISO-2022-JP": [("Content-Type", "text/html; charset=iso-2022-jp")],
    "coded by nobody knows what": [HTML, ("Content-Encoding", "x-new")],
    "attachment": [HTML, ("Content-Disposition", 'Attachment; filename="a.html"')],
    "range": [HTML, ("Content-Range", "bytes 0-1/2")],
    "no-transform": [HTML, ("Cache-Control", "public, No-Transform")],
    "X-Sendfile": [HTML, ("X-Sendfile", "/a")],
    "X-Accel-Redirect": [HTML, ("X-Accel-Redirect", "/a")],
    "X-LiteSpeed-Location": [HTML, ("x-litespeed-location", "/a")],
}


@pytest.mark.parametrize("headers", NO_PAGES.values(), ids=NO_PAGES.keys())
def test_what_is_no_page_goes_back_as_the_very_object(headers: Headers) -> None:
    body = Body(PAGE)
    given: list[Headers] = []

    def application(environ: Any, start_response: Any) -> Body:
        given.append(list(headers))
        start_response("200 OK", given[0])
        return body

    seen = Server().call(application)
    assert seen.body is body
    assert seen.headers is given[0]
    assert (seen.dressed, body.iterated) == ([], 0)


@pytest.mark.parametrize(
    "headers",
    [
        [HTML, ("Content-Encoding", "Identity")],
        [HTML, ("Content-Disposition", "inline; filename=attachment")],
        [HTML, ("Cache-Control", "max-age=1")],
    ],
    ids=["identity", "inline", "max-age"],
)
def test_what_only_looks_like_a_hindrance_is_none(headers: Headers) -> None:
    assert Server().run(app([PAGE], *headers)).content == MARKED


@pytest.mark.parametrize(
    "status", ["201 Created", "204 No Content", "205 Reset", "206 Part", "304 Same", "302 Found"]
)
def test_other_statuses_pass_untouched(status: str) -> None:
    body = [PAGE]
    seen = Server().call(app(body, HTML, length(PAGE), status=status))
    assert seen.body is body
    assert seen.headers == [HTML, length(PAGE)]


@pytest.mark.parametrize(
    "environ",
    [{"REQUEST_METHOD": "PUT"}, {"REQUEST_METHOD": "get"}, {"HTTP_UPGRADE": "websocket"}],
    ids=["PUT", "unknown method", "upgrade"],
)
def test_requests_that_ask_for_no_page_are_answered_to_the_server_at_once(
    environ: dict[str, str],
) -> None:
    met: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        met.append(start_response)
        return [PAGE]

    server = Server(**environ)
    assert server.call(application).body == [PAGE]
    (start_response,) = met
    assert start_response("200 OK", [HTML]) == server.write


def test_a_file_wrapper_survives() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/css")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))

    seen = Server().call(application)
    assert type(seen.body) is FileWrapper
    seen.close()


# --- what happens to a page ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_comes_back_as_long_and_with_its_exact_length(kind: Any) -> None:
    chunks = kind([b"<html><he", b"ad></he", b"ad><p>", b""])
    seen = Server().call(app(chunks, HTML, length(b"".join(chunks))))
    assert seen.starts == 1, "servers that read the headers at return must find them"
    assert isinstance(seen.body, (list, tuple))
    assert len(seen.body) == 4
    assert b"".join(seen.body) == b"<html><head>" + TAG + b"</head><p>"
    assert seen.header("Content-Length") == str(len(b"".join(seen.body)))


def test_a_list_that_ends_inside_its_head_gets_the_tag_at_its_end() -> None:
    assert Server().run(app([b"<html>", b"<title>a</title>"])).sent == [
        b"<html>",
        b"<title>a</title>" + TAG,
    ]


@pytest.mark.parametrize("body", [[b"<p>a", b"b"], (b"a",), [], [b""]], ids=str)
def test_a_list_without_a_place_goes_back_itself_with_its_own_headers(body: Any) -> None:
    headers = [HTML, ("ETag", '"a"'), ("Accept-Ranges", "bytes"), length(b"".join(body))]
    seen = Server().call(app(body, *headers))
    assert seen.body is body
    assert seen.headers == headers


@pytest.mark.parametrize("body", [[b"<p>a", b"b"], [b"a"], [b""], []], ids=str)
def test_a_stream_without_a_place_in_its_first_chunk_keeps_its_headers(body: list[bytes]) -> None:
    headers = [HTML, ("Accept-Ranges", "bytes"), length(b"".join(body))]
    seen = Server().run(app(Body(*body), *headers))
    assert (seen.sent, seen.headers) == (body, headers)


def test_a_stream_of_nothing_keeps_its_headers_whatever_they_say_of_its_length() -> None:
    headers = [HTML, ("Accept-Ranges", "bytes")]
    seen = Server().run(app(Body(), *headers))
    assert (seen.sent, seen.headers) == ([], headers)


@bodies
def test_a_page_without_a_place_is_no_error(
    make: Any, chunks: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    Server().run(app(make([b"<p>", *chunks])))
    assert caplog.records == []


def test_a_stream_of_which_nothing_is_held_ends_without_a_chunk_of_ours() -> None:
    chunks = [b"<html><title>never", b" closed"]
    assert Server().run(app(Body(*chunks))).sent == chunks


def test_a_place_in_the_first_chunk_keeps_the_length_exact() -> None:
    seen = Server().run(app(Body(PAGE, b"more"), HTML, length(PAGE + b"more")))
    assert seen.sent == [MARKED, b"more"]
    assert seen.header("Content-Length") == str(len(MARKED + b"more"))


def test_a_document_known_to_end_within_its_first_chunk_keeps_the_length_exact() -> None:
    page = b"<html><title>a</title>"
    seen = Server().run(app(Body(page), HTML, length(page)))
    assert seen.sent == [page + TAG]
    assert seen.header("Content-Length") == str(len(page + TAG))


@pytest.mark.parametrize("rest", [[b"d></head>"], [b"d>", b"<p>"], [b"ache>"]], ids=str)
def test_a_place_unknown_in_the_first_chunk_drops_the_length_at_once(rest: list[bytes]) -> None:
    whole = b"".join([b"<html><hea", *rest])
    seen = Server().run(app(Body(b"<html><hea", *rest), HTML, length(whole)))
    assert seen.sent[0] == b"<html>", "the first bytes never wait for the last"
    assert seen.content.replace(TAG, b"") == whole
    assert seen.header("Content-Length") is None
    assert seen.header("X-Dressed") == "1"


@pytest.mark.parametrize("value", ["x", "", "-1", "٣", "1, 1"])
def test_a_length_that_is_no_number_is_dropped(value: str) -> None:
    seen = Server().run(app(Body(PAGE), HTML, ("Content-Length", value)))
    assert (seen.content, seen.header("Content-Length")) == (MARKED, None)


@pytest.mark.parametrize("name", ["Content-MD5", "Digest", "Repr-Digest", "Content-Digest"])
@bodies
def test_what_was_true_of_the_old_bytes_only_is_dropped(
    name: str, make: Any, chunks: list[bytes]
) -> None:
    seen = Server().run(
        app(make(chunks), HTML, (name, "bytes"), ("ETag", '"a"'), (name.lower(), "b"))
    )
    assert seen.header(name) is None
    assert seen.header("ETag") == '"a"'


@bodies
def test_a_page_is_no_longer_to_be_had_in_ranges(make: Any, chunks: list[bytes]) -> None:
    seen = Server().run(app(make(chunks), HTML, ("accept-ranges", "bytes")))
    assert seen.header("Accept-Ranges") == "none"
    assert Server().run(app(make(chunks), HTML)).header("Accept-Ranges") is None


def test_dress_gets_a_copy_of_the_headers_once_when_the_first_chunk_is_there() -> None:
    server = Server()

    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        assert (server.dressed, server.starts) == ([], 0)
        yield PAGE
        assert server.starts == 1
        yield PAGE

    def dress(headers: Headers) -> Tagged:
        server.dressed.append(list(headers))
        headers.append(("X-A", "1"))
        return Tagged(lambda said: TAG, [HTML])

    assert server.run(application, dress).sent == [MARKED, PAGE]
    assert server.dressed == [[HTML]]
    assert server.headers == [HTML]


@bodies
def test_a_page_that_dress_leaves_alone_keeps_headers_and_bytes(
    make: Any, chunks: list[bytes]
) -> None:
    headers = [HTML, length(PAGE), ("Accept-Ranges", "bytes")]
    seen = Server().run(app(make(chunks), *headers), lambda copy: copy.clear())
    assert (seen.sent, seen.headers) == (chunks, headers)


@pytest.mark.parametrize("make", [list, tuple, stream])
@pytest.mark.parametrize("chunks", [[], [b""], [PAGE]], ids=["nothing", "empty", "a page"])
@pytest.mark.parametrize("coding", [[], [("Content-Encoding", "gzip")]], ids=["plain", "gzip"])
def test_head_is_answered_from_the_headers_without_a_length(
    make: Any, chunks: list[bytes], coding: Headers
) -> None:
    headers = [HTML, length(PAGE), ("Accept-Ranges", "bytes"), ("ETag", '"a"'), *coding]
    seen = Server(REQUEST_METHOD="HEAD").run(app(make(chunks), *headers))
    settled = [HTML, ("Accept-Ranges", "none"), ("ETag", '"a"'), *coding, ("X-Dressed", "1")]
    assert seen.headers == settled
    assert seen.content == b"".join(chunks)
    assert not hasattr(seen.body, "__len__"), "servers make a length of what has one"


# --- coded pages --------------------------------------------------------------------------------

CODED = ("Content-Encoding", "gzip")


def in_parts(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 20, 10_000])
@pytest.mark.parametrize(
    "said", [[length(gzip.compress(PAGE))], []], ids=["length said", "length not said"]
)
def test_a_coded_list_comes_back_as_long_and_with_its_exact_length(
    size: int, said: Headers
) -> None:
    chunks = in_parts(gzip.compress(PAGE), size)
    seen = Server().call(app(chunks, HTML, CODED, *said))
    assert isinstance(seen.body, list)
    assert len(seen.body) == len(chunks)
    coded = b"".join(seen.body)
    assert gzip.decompress(coded) == MARKED
    assert (seen.header("Content-Length"), seen.header(*CODED[:1])) == (str(len(coded)), "gzip")


def test_a_coded_stream_goes_on_in_its_coding_and_each_chunk_can_be_read_at_once() -> None:
    coder = zlib.compressobj(wbits=31)
    pieces = [b"<html><head><title>a", b"</title></head>", b"<p>one", b"<p>two"]
    coded = [coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    coded[-1] += coder.flush()
    seen = Server().run(app(Body(*coded), HTML, CODED, length(b"".join(coded))))
    reader = zlib.decompressobj(31)
    assert [reader.decompress(chunk) for chunk in seen.sent] == [
        b"<html><head><title>a",
        b"</title>" + TAG + b"</head>",
        b"<p>one",
        b"<p>two",
    ][: len(pieces)] + [b""] * (len(seen.sent) - len(pieces))
    assert reader.eof
    assert seen.header("Content-Length") is None


def test_a_coded_stream_with_the_place_in_its_first_chunk_gets_the_tag_there() -> None:
    coder = zlib.compressobj(wbits=31)
    first = coder.compress(PAGE) + coder.flush(zlib.Z_SYNC_FLUSH)
    seen = Server().run(app(Body(first, coder.compress(b"more") + coder.flush()), HTML, CODED))
    reader = zlib.decompressobj(31)
    assert [reader.decompress(chunk) for chunk in seen.sent][:2] == [MARKED, b"more"]
    assert seen.header("X-Dressed") == "1"


def test_a_coded_stream_without_a_place_in_its_first_chunk_keeps_its_bytes_and_headers() -> None:
    coder = zlib.compressobj(wbits=31)
    first = coder.compress(b"<p>a fragment") + coder.flush(zlib.Z_SYNC_FLUSH)
    chunks = [first, coder.compress(PAGE) + coder.flush()]
    headers = [HTML, CODED, ("Accept-Ranges", "bytes"), length(b"".join(chunks))]
    seen = Server().run(app(Body(*chunks), *headers))
    assert (seen.sent, seen.headers) == (chunks, headers)


def test_a_coded_stream_whose_first_chunk_is_all_keeps_an_exact_length() -> None:
    coded = gzip.compress(PAGE)
    seen = Server().run(app(Body(coded), HTML, CODED, length(coded)))
    assert gzip.decompress(seen.content) == MARKED
    assert seen.header("Content-Length") == str(len(seen.content))


@pytest.mark.parametrize("make", [list, stream])
@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"<p>a fragment"), b"no gzip at all", gzip.compress(PAGE)[:-12] + b"broken"],
    ids=["fragment", "not coded so", "broken"],
)
def test_a_coded_body_in_whose_first_chunk_nothing_changes_keeps_its_bytes_and_headers(
    make: Any, content: bytes
) -> None:
    headers = [HTML, CODED, length(content), ("Accept-Ranges", "bytes")]
    seen = Server().run(app(make([content]), *headers))
    assert (seen.sent, seen.headers) == ([content], headers)


def test_a_coded_page_without_a_place_in_the_end_is_the_same_when_decoded() -> None:
    page = b"<html><!-- never closed" + b"x" * 1000
    seen = Server().run(app(Body(*in_parts(gzip.compress(page, 0), 100)), HTML, CODED))
    assert gzip.decompress(seen.content) == page


def test_a_coded_stream_that_breaks_later_ends_there_with_an_error_to_the_server() -> None:
    coder = zlib.compressobj(wbits=31)
    first = coder.compress(b"<html><title>") + coder.flush(zlib.Z_SYNC_FLUSH)
    body = Body(first, b"this is not deflate", b"nor this")
    server = Server()
    with pytest.raises(CodingError):
        server.run(app(body, HTML, CODED))
    assert zlib.decompressobj(31).decompress(server.content) == b"<html><title>"
    assert body.closed == 1
    assert list(server.body) == [], "nothing of the old coding follows"


def test_a_coded_stream_that_is_cut_off_stays_cut_off() -> None:
    chunks = in_parts(gzip.compress(b"<html><head></head>" + b"a" * 99, 0), 30)[:-1]
    seen = Server().run(app(Body(*chunks), HTML, CODED))
    reader = zlib.decompressobj(31)
    assert reader.decompress(seen.content).startswith(b"<html><head>" + TAG + b"</head>a")
    assert not reader.eof


def test_a_coding_that_is_not_known_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    once.times.cache_clear()
    for _ in range(3):
        Server().run(app([PAGE], HTML, ("Content-Encoding", "x-new")))
    (record,) = caplog.records
    assert "x-new" in record.getMessage()


def test_xhtml_is_read_by_the_rules_of_xml() -> None:
    page = b'<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head></html>'
    kind = ("Content-Type", "application/xhtml+xml; charset=utf-8")
    assert Server().run(app([page], kind)).content == page.replace(b"</head>", TAG + b"</head>")
    assert Server().run(app([MARKED[:21]], kind)).content == MARKED[:21], "nothing is implied"


# --- single servers -----------------------------------------------------------------------------


def test_granian_gets_status_and_headers_when_the_application_returns() -> None:
    server = Server(SERVER_SOFTWARE="Granian").call(
        app(Body(PAGE), HTML, length(PAGE), ("Accept-Ranges", "bytes"))
    )
    assert server.headers == [HTML, ("Accept-Ranges", "none"), ("X-Dressed", "1")]
    assert list(server.body) == [MARKED]


def test_granian_gets_a_list_with_its_exact_length() -> None:
    server = Server(SERVER_SOFTWARE="Granian").call(app([PAGE], HTML))
    assert server.header("Content-Length") == str(len(MARKED))
    assert server.body == [MARKED]


def test_what_starts_too_late_for_granian_passes_untouched() -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield PAGE

    server = Server(SERVER_SOFTWARE="Granian").run(application)
    assert (server.content, server.headers, server.dressed) == (PAGE, [HTML], [])


@pytest.mark.parametrize(
    ("options", "keeps"),
    [
        ({"http11-socket": b"127.0.0.1:8000"}, True),
        ({"protocol": b"http11"}, True),
        ({"socket-protocol": b"http11"}, True),
        ({"http-socket": b"127.0.0.1:8000"}, False),
    ],
    ids=str,
)
def test_uwsgis_http11_socket_never_loses_a_length_and_that_is_said_once(
    options: dict[str, bytes],
    keeps: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    once.times.cache_clear()
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))
    chunks = [b"<html><head>", b"</head>"]
    for _ in range(2):
        server = Server(**{"uwsgi.version": "2.0.31"})
        server.run(app(Body(*chunks), HTML, length(b"".join(chunks))))
        assert (server.header("Content-Length") == "19", server.sent == chunks) == (keeps, keeps)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * keeps
    assert all("--http11-socket" in record.getMessage() for record in caplog.records)
    for body, *headers in ((Body(PAGE), HTML, length(PAGE)), (Body(*chunks), HTML)):
        nothing_lost = Server(**{"uwsgi.version": "2.0.31"}).run(app(body, *headers))
        assert TAG in nothing_lost.content


# --- errors of ours -----------------------------------------------------------------------------


def fail(*_: Any) -> Any:
    raise RuntimeError("ours")


@pytest.mark.parametrize("at", ["dress", "scanner", "judge", "headers"])
@bodies
def test_an_error_of_ours_yields_the_applications_own_response(
    at: str,
    make: Any,
    chunks: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if at == "scanner":
        monkeypatch.setattr(Scanner, "_scan", fail)
    if at == "judge":
        monkeypatch.setattr(response, "may_be_page", fail)
    if at == "headers":
        monkeypatch.setattr(response, "settled", fail)
    headers = [HTML, length(PAGE), ("Accept-Ranges", "bytes")]
    seen = Server().run(app(make(chunks), *headers), fail if at == "dress" else None)
    assert (seen.sent, seen.headers) == (chunks, headers)
    assert [(each.name, each.levelno) for each in caplog.records] == [("pagetimer", logging.ERROR)]


@pytest.mark.parametrize("step", ["_scan", "_insert", "close"])
def test_an_error_of_ours_before_the_first_changed_byte_loses_no_byte(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server().call(app(Body(b"<html><hea", b"d><met", b"a><link")))
    chunks = iter(server.body)
    server.sent.append(next(chunks))
    monkeypatch.setattr(Scanner, step, fail)
    server.sent.extend(chunks)
    assert server.content == b"<html><head><meta><link"
    assert len(caplog.records) == 1


# --- PEP 3333 -----------------------------------------------------------------------------------


def test_the_application_is_called_positionally() -> None:
    def application(this: Any, that: Any, /) -> Any:
        that("200 OK", [HTML])
        return [PAGE]

    assert Server().run(application).content == MARKED


def test_two_arguments_are_all_that_start_response_gets_while_nothing_fails() -> None:
    def start_response(status: str, headers: Headers, /) -> Any:
        return None

    server = Server()
    server.start_response = start_response  # type: ignore[assignment,method-assign]
    for content_type, sent in (("text/html", MARKED), ("text/plain", PAGE)):
        assert list(server.call(app(Body(PAGE), ("Content-Type", content_type))).body) == [sent]


def test_a_generator_application_starts_when_the_server_asks() -> None:
    begun: list[int] = []

    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        begun.append(1)
        start_response("200 OK", [HTML])
        yield PAGE

    server = Server().call(application)
    assert begun == []
    assert not hasattr(server.body, "__len__")
    assert list(server.body) == [MARKED]


@pytest.mark.parametrize("content_type", ["text/html", "text/plain"])
def test_no_iteration_starts_before_the_server_asks(content_type: str) -> None:
    body = Body(PAGE)
    seen = Server().call(app(body, ("Content-Type", content_type)))
    assert body.iterated == 0
    assert len(list(seen.body)) == 1
    assert body.iterated == 1


def test_chunks_of_a_generator_that_is_no_page_pass_unchanged() -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield from (PAGE, b"", PAGE)

    assert Server().run(application).sent == [PAGE, b"", PAGE]


def test_every_yield_of_the_application_is_a_yield_to_the_server() -> None:
    page = b"<!doctype html><head><title>a</title></head><p>"
    body = Body(*[page[place : place + 1] for place in range(len(page))])
    server = Server().call(app(body))
    sent = [next(iter(server.body)) for _ in page]
    assert sent[0] == b""
    assert b"".join(sent) == page.replace(b"</head>", TAG + b"</head>")


def test_an_empty_first_chunk_is_yielded_with_the_headers_settled() -> None:
    seen = Server().run(app(Body(b"", PAGE), HTML, length(PAGE)))
    assert seen.sent == [b"", MARKED]
    assert seen.header("Content-Length") is None


def test_a_page_may_be_written() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [HTML, length(PAGE)])
        write(b"")
        assert not server.starts
        write(b"<ht")
        write(b"ml><he")
        write(b"ad></hea")
        return [b"d>", b"<p>"]

    server = Server()
    assert server.run(application).sent == [b"<html>", b"<head>", TAG + b"</head>", b"<p>"]
    assert (len(server.dressed), server.header("Content-Length")) == (1, None)


def test_a_page_that_is_only_written_is_ended() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [HTML])(b"<html><title>a</title><li")
        return []

    assert Server().run(application).content == b"<html><title>a</title>" + TAG + b"<li"


def test_write_of_what_is_no_page_is_the_servers_own() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        assert start_response("200 OK", [("Content-Type", "text/plain")]) == server.write
        return []

    server = Server()
    server.run(application)


@pytest.mark.parametrize("content_type", ["text/html", "text/plain"])
@pytest.mark.parametrize("take", [0, 1, 2, 9])
def test_close_is_called_once_however_far_the_server_got(content_type: str, take: int) -> None:
    body = Body(b"<html>", b"</head>", b"<p>")
    server = Server().call(app(body, ("Content-Type", content_type)))
    chunks = iter(server.body)
    for _ in range(take):
        next(chunks, None)
    server.close()
    assert body.closed == 1


def test_a_list_that_wants_to_be_closed_is_closed() -> None:
    class Closing(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    body = Closing([PAGE])
    assert Server().run(app(body)).content == MARKED
    assert body.closed == 1


def test_a_second_close_is_none_for_the_application() -> None:
    body = Body(PAGE)
    server = Server().call(app(body))
    server.close()
    server.close()
    assert (body.closed, body.iterated, list(server.body)) == (1, 0, [])


@pytest.mark.parametrize("error", [KeyError("a"), OSError(5)], ids=repr)
def test_exceptions_reach_the_server_as_raised_and_close_is_called(error: Exception) -> None:
    for before in ([], [b"<html><he"], [PAGE]):
        body = Body(*before, error)
        with pytest.raises(type(error)) as raised:
            Server().run(app(body))
        assert raised.value is error
        assert body.closed == 1


@pytest.mark.parametrize("error", [StopIteration("a"), KeyError("a")], ids=repr)
def test_exceptions_of_the_call_reach_the_server_as_raised(error: Exception) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [HTML])
        raise error

    server = Server()
    with pytest.raises(type(error)) as raised:
        server.call(application)
    assert raised.value is error
    assert server.starts == 1, "the server has heard what the application said, as without us"
    assert (server.headers, server.sent) == ([HTML], [])


@pytest.mark.parametrize("error", [StopIteration("a"), KeyError("a")], ids=repr)
def test_what_fails_to_begin_fails_for_the_server(error: Exception) -> None:
    class Unwilling:
        def __iter__(self) -> Iterator[bytes]:
            raise error

    server = Server().call(app(Unwilling()))
    with pytest.raises(type(error)) as raised:
        iter(server.body)
    assert raised.value is error
    assert (server.starts, server.headers) == (1, [HTML])


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_headers_that_can_be_read_but_once_are_all_there(content_type: str) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", zip(("X-A", "Content-Type"), ("1", content_type), strict=True))
        return [PAGE]

    seen = Server().run(application)
    assert (seen.header("X-A"), seen.header("Content-Type")) == ("1", content_type)
    assert isinstance(seen.headers, list)


def test_what_the_application_said_before_it_failed_is_heard_by_the_server() -> None:
    server = Server()
    with pytest.raises(KeyError):
        server.run(app(Body(KeyError("a")), HTML, length(PAGE)))
    assert (server.starts, server.headers, server.sent) == (1, [HTML, length(PAGE)], [])


def test_a_body_that_failed_says_nothing_again() -> None:
    server = Server().call(app(Body(KeyError("a"))))
    chunks = iter(server.body)
    with pytest.raises(KeyError):
        next(chunks)
    assert (list(chunks), server.starts) == ([], 1)


@pytest.mark.parametrize("change", [{"REQUEST_METHOD": "GET"}, {}], ids=["other", "emptied"])
def test_a_method_that_the_application_changes_is_still_the_servers(change: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        environ.clear()
        environ.update(change)
        start_response("200 OK", [HTML, length(PAGE)])
        return [PAGE]

    seen = Server(REQUEST_METHOD="HEAD").run(application)
    assert (seen.content, seen.header("Content-Length")) == (PAGE, None)
    assert Server().run(application).content == MARKED


def test_the_applications_iterable_is_closed_if_the_server_refuses_its_headers() -> None:
    body = Body(PAGE)

    def refuse(status: str, headers: Headers) -> Any:
        raise KeyError("refused")

    server = Server(SERVER_SOFTWARE="Granian")
    with pytest.raises(KeyError, match="refused"):
        respond(app(body), server.environ, refuse, server.dress)
    assert body.closed == 1


def test_an_error_of_the_application_is_told_even_where_its_headers_are_refused() -> None:
    def refuse(status: str, headers: Headers) -> Any:
        raise ValueError("refused")

    server = Server()
    with pytest.raises(KeyError):
        next(iter(respond(app(Body(KeyError("a"))), server.environ, refuse, server.dress)))


@pytest.mark.parametrize("make", [list, stream])
def test_head_without_a_chunk_yields_an_empty_one(make: Any) -> None:
    assert Server(REQUEST_METHOD="HEAD").run(app(make([]), HTML, length(PAGE))).sent == [b""]


def restarting(*chunks: bytes, content_type: str = "text/html") -> Application:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [HTML, ("X-First", "1")])
        try:
            yield from chunks
            raise KeyError("late")
        except KeyError:
            start_response("500 Oops", [("Content-Type", content_type)], sys.exc_info())
        yield PAGE

    return application


def test_exc_info_before_the_first_chunk_makes_a_new_page() -> None:
    seen = Server().run(restarting())
    assert (seen.status, seen.content, seen.starts) == ("500 Oops", MARKED, 1)
    assert seen.header("X-First") is None


def test_exc_info_before_the_first_chunk_may_make_something_else() -> None:
    seen = Server().run(restarting(content_type="text/plain"))
    assert (seen.status, seen.content) == ("500 Oops", PAGE)


def test_exc_info_while_all_bytes_are_held_forgets_them() -> None:
    seen = Server().run(restarting(b"<ht"))
    assert (seen.status, seen.content) == ("500 Oops", PAGE)


def failing_again(environ: Any, start_response: Any) -> Any:
    try:
        raise KeyError("late")
    except KeyError:
        start_response("500 Oops", [HTML], sys.exc_info())
        raise


@pytest.mark.parametrize("application", [restarting(), failing_again], ids=["page", "failure"])
def test_exc_info_goes_on_to_the_server_with_what_it_came_with(application: Application) -> None:
    told: list[Any] = []

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> Any:
        told.append((status, exc_info[0]))

    server = Server()
    server.start_response = start_response  # type: ignore[method-assign]
    with contextlib.suppress(KeyError):
        assert list(server.call(application).body) == [MARKED]
    assert told == [("500 Oops", KeyError)]


def test_a_page_that_goes_on_after_its_exc_info_was_raised_again_is_still_scanned() -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [HTML])
        yield b"<html><head><met"
        try:
            raise OSError(5)
        except OSError:
            with contextlib.suppress(OSError):
                start_response("500 Oops", [HTML], sys.exc_info())
        yield b"a></head>"

    assert Server().run(application).content == b"<html><head><meta>" + TAG + b"</head>"


def test_a_body_whose_headers_the_server_refused_has_ended() -> None:
    def refuses(*_: Any) -> Any:
        raise ValueError("no such header")

    body = Body(PAGE, PAGE)
    server = Server()
    server.start_response = refuses  # type: ignore[method-assign]
    chunks = iter(server.call(app(body)).body)
    with pytest.raises(ValueError, match="no such header"):
        next(chunks)
    assert list(chunks) == []
    server.close()
    assert body.closed == 1


def test_exc_info_is_raised_again_after_headers_went_out() -> None:
    server = Server()
    with pytest.raises(KeyError, match="late"):
        server.run(restarting(b"<html><he"))
    assert (server.status, server.sent) == ("200 OK", [b"<html>"])


def test_starting_twice_without_exc_info_is_an_error() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [HTML])
        start_response("200 OK", [HTML])

    with pytest.raises(AssertionError):
        Server().call(application)


def test_headers_are_a_list_of_its_own() -> None:
    headers = [HTML]

    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", headers)
        headers.append(("X-Late", "1"))
        yield b"<p>"

    assert Server().run(application).headers == [HTML]


SHAPES: dict[str, Callable[[], Any]] = {
    "list": lambda: [PAGE, b"more"],
    "empty list": list,
    "iterable": lambda: Body(b"<ht", b"", b"ml></hea", b"d><p>"),
    "empty iterable": Body,
    "fragment": lambda: Body(b"<p>", b"a"),
    "unended": lambda: Body(b"<html>", b"<title>a</title>", b"<li"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("content_type", ["text/html", "text/plain"])
def test_wsgiref_validate_is_silent_on_both_sides(
    shape: Callable[[], Any], method: str, content_type: str
) -> None:
    inner = validator(app(shape(), ("Content-Type", content_type)))
    server = Server(REQUEST_METHOD=method, QUERY_STRING="")

    def middleware(environ: Any, start_response: Any) -> Any:
        return respond(inner, environ, start_response, server.dress)

    body = validator(middleware)(server.environ, server.start_response)
    sent = b"".join(body)
    body.close()
    plain = shape()
    assert sent.replace(TAG, b"") == b"".join(plain if isinstance(plain, list) else plain.chunks)


# --- what frameworks return ---------------------------------------------------------------------

old_modules = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # WebOb imports cgi


def flask_app() -> Application:
    site = flask.Flask(__name__)
    site.add_url_rule("/", view_func=lambda: PAGE, endpoint="page")
    return site


def pyramid_app() -> Application:
    from pyramid.config import Configurator
    from pyramid.response import Response

    with Configurator() as config:
        config.add_route("page", "/")
        config.add_view(lambda request: Response(PAGE), route_name="page")
        application: Application = config.make_wsgi_app()
    return application


def django_like_app() -> Application:
    """Django's handler starts the response, then returns it: an iterable with close()."""
    return app(Body(PAGE), HTML, length(PAGE))


def webob_app() -> Application:
    import webob

    application: Application = webob.Response(app_iter=iter([PAGE]), content_length=len(PAGE))
    return application


FRAMEWORKS = {
    "Flask": flask_app,
    "Pyramid": pyramid_app,
    "like Django": django_like_app,
    "WebOb": webob_app,
}


@old_modules
@pytest.mark.parametrize("make", FRAMEWORKS.values(), ids=FRAMEWORKS.keys())
def test_pages_of_frameworks_get_the_tag(make: Callable[[], Application]) -> None:
    seen = Server().run(make())
    assert seen.content == MARKED
    assert seen.header("Content-Length") in (None, str(len(MARKED)))


@old_modules
@pytest.mark.parametrize("make", FRAMEWORKS.values(), ids=FRAMEWORKS.keys())
def test_frameworks_answer_head_without_a_length(make: Callable[[], Application]) -> None:
    seen = Server(REQUEST_METHOD="HEAD").run(make())
    assert (seen.status, seen.header("Content-Length")) == ("200 OK", None)
