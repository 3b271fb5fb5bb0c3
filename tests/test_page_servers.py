"""What goes out through real WSGI servers, wrapped and unwrapped side by side."""

from __future__ import annotations

import http.client
import re
import socket
import time
import uuid
import zlib
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from servers import Answer
from wsgi_servers import COMMANDS, TAG, Client, Received, WsgiServer, finish, serving_site
from wsgi_site import FILE, HEAD, PAGE, START

KEEPS_OPEN = "uwsgi-http11"  # and marks no end of a body of unknown length: tested by itself
SERVERS = [name for name in COMMANDS if name != KEEPS_OPEN]

NO_FILE_WRAPPER = "has no wsgi.file_wrapper"
READS_AT_RETURN = "reads status and headers when the application returns"
TAKES_NO_ERROR = "start_response raises SystemError where it is given exc_info"
CANNOT = {
    ("granian", "/write"): "has no write()",
    ("granian", "/generator"): READS_AT_RETURN,
    ("granian", "/file"): NO_FILE_WRAPPER,
    ("granian", "/file-page"): NO_FILE_WRAPPER,
    ("cheroot", "/file"): NO_FILE_WRAPPER,
    ("cheroot", "/file-page"): NO_FILE_WRAPPER,
    ("uwsgi", "/error-page"): TAKES_NO_ERROR,
    ("uwsgi", "keep-alive"): "closes after each answer and does not say so; --http11-socket keeps",
}
"""(server, what it cannot do even unwrapped) -> why; each is held to be so."""

# granian takes the headers when the application returns: before the first chunk is known.
WITHOUT_LENGTH = {
    ("granian", "/stream-of-known-length"),
    ("granian", "/broken-midway-of-known-length"),
}

FIRST = {
    "/stream": HEAD,
    "/stream-of-known-length": HEAD,
    "/later": START,
    "/later-of-known-length": START,
    "/gzip-stream": HEAD,
    "/no-place": b"<p>low",
    "/json": b'{"tide": ',
}
"""path -> what is there before the application goes on."""

STATUS = {"/not-found": 404, "/error-page": 503}
PAGES = [
    "/list",
    "/one",
    "/tuple",
    "/stream",
    "/stream-of-known-length",
    "/later",
    "/later-of-known-length",
    "/generator",
    "/write",
    "/file-page",
    "/not-found",
    "/gzip",
    "/gzip-stream",
    "/validated",
]
MAY_DIFFER = frozenset(
    {"connection", "content-length", "date", "etag", "server", "transfer-encoding"}
)


@pytest.fixture(scope="module", params=SERVERS)
def server(request, tmp_path_factory) -> Iterator[WsgiServer]:
    with serving_site(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server
        assert "goes out without" not in server.log()


@pytest.fixture(scope="module")
def http11(tmp_path_factory) -> Iterator[WsgiServer]:
    with serving_site(KEEPS_OPEN, tmp_path_factory.mktemp(KEEPS_OPEN)) as server:
        yield server


@pytest.fixture
def name() -> str:
    """A name that no page was asked with before."""
    return uuid.uuid4().hex


def both(server: WsgiServer, path: str, method: str = "GET") -> tuple[Received, Received]:
    """Return the answers as the application gave them, and as PageTimer did."""
    return server.ask(f"/alone{path}", method), server.ask(f"/wrapped{path}", method)


def names(answer: Answer, but: frozenset[str] = frozenset({"date"})) -> list[tuple[str, str]]:
    """Return the headers, comparable; ``but`` names in lower case those that are left out."""
    headers = ((name.lower(), value) for name, value in answer.headers)
    return sorted(header for header in headers if header[0] not in but)


def text(answer: Answer) -> bytes:
    if answer.header("Content-Encoding") == "gzip":
        return inflate(answer.body)
    return answer.body


def inflate(body: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(body)


def is_right(answer: Received, path: str, content: bytes = PAGE) -> bool:
    """Tell whether the page of the path came as it was written."""
    said = answer.status == STATUS.get(path, 200) and answer.header("Content-Type") is not None
    return said and answer.whole and text(answer) == content


def cannot(server: WsgiServer, path: str, content: bytes = PAGE) -> bool:
    """Tell whether this server cannot do it, wrapped or not; and hold that it is so."""
    if (server.name, path) not in CANNOT:
        return False
    alone, wrapped = both(server, path)
    assert not is_right(alone, path, content), "it can now: take it out of the table"
    assert (wrapped.status, wrapped.whole) == (alone.status, alone.whole)
    return True


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_what_it_is_unwrapped_with_one_tag_in_its_head(server, path):
    if cannot(server, path):
        return
    alone, wrapped = both(server, path)
    assert is_right(alone, path)
    tag = TAG.search(text(wrapped))[0]
    assert text(wrapped) == PAGE.replace(b"</head>", tag + b"</head>")
    assert wrapped.whole
    assert wrapped.status == alone.status
    assert names(wrapped, MAY_DIFFER) == names(alone, MAY_DIFFER)


@pytest.mark.parametrize("path", FIRST)
@pytest.mark.parametrize("mount", ["alone", "wrapped"])
def test_what_the_application_has_said_is_there_before_it_goes_on(server, name, mount, path):
    with server.client() as client:
        answer = client.begin(f"/{mount}{path}?{name}")
        decode = inflate if answer.getheader("Content-Encoding") else bytes
        begun = b""
        while len(TAG.sub(b"", decode(begun))) < len(FIRST[path]):
            begun += answer.read1()
            assert begun, "it ended"
        assert TAG.sub(b"", decode(begun)) == FIRST[path]
        server.let_go(name)
        end = finish(answer, begun)
    assert end.whole
    alone = server.ask(f"/alone{path}")
    assert TAG.sub(b"", text(end)) == text(alone)
    assert server.closed(name) == ["closed at its end"]


@pytest.mark.parametrize("path", ["/list", "/one", "/tuple", "/gzip", "/stream-of-known-length"])
def test_a_page_whose_place_is_in_its_first_chunk_goes_out_with_its_exact_length(server, path):
    answer = server.ask(f"/wrapped{path}")
    if (server.name, path) in WITHOUT_LENGTH:
        assert answer.header("Content-Length") is None
    else:
        assert answer.header("Content-Length") == str(len(answer.body))


@pytest.mark.parametrize("path", ["/later-of-known-length", "/later", "/no-place", "/gzip-stream"])
def test_a_page_whose_place_comes_later_goes_out_without_a_length(server, path):
    answer = server.ask(f"/wrapped{path}")
    assert answer.header("Content-Length") is None
    assert answer.whole


@pytest.mark.parametrize("path", ["/list", "/later-of-known-length", "/stream", "/gzip", "/one"])
def test_a_reader_of_http_1_0_that_would_keep_the_connection_gets_the_page_whole(server, path):
    request = f"GET /wrapped{path} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(request.encode())
        with http.client.HTTPResponse(connection, method="GET") as response:
            response.begin()
            answer = finish(response)
    assert TAG.sub(b"", text(answer)) == PAGE
    assert answer.whole
    assert answer.header("Transfer-Encoding") is None


# --- HEAD, 304, files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/list",
        "/one",
        "/tuple",
        "/head",
        "/stream",
        "/later-of-known-length",
        "/gzip",
        "/validated",
        "/not-found",
    ],
)
def test_a_head_has_the_headers_of_its_page_and_never_another_length(server, path):
    page, head = (server.ask(f"/wrapped{path}", method) for method in ("GET", "HEAD"))
    transport = frozenset({"connection", "content-length", "date", "transfer-encoding"})
    assert (head.status, head.body) == (page.status, b"")
    assert names(head, transport) == names(page, transport)
    assert head.header("Content-Length") in (None, page.header("Content-Length"))


@pytest.mark.parametrize("path", ["/not-modified", "/no-content", "/json", "/folder"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_no_page_goes_out_as_it_is(server, path, method):
    alone, wrapped = both(server, path, method)
    assert (wrapped.status, wrapped.body, wrapped.whole) == (alone.status, alone.body, True)
    assert names(wrapped) == names(alone)


def test_a_reader_who_has_the_page_is_told_so(server):
    page = server.ask("/wrapped/validated")
    mark = page.header("ETag")
    assert mark.startswith('W/"tides-pt')
    again = server.ask("/wrapped/validated", **{"If-None-Match": mark})
    assert (again.status, again.body, again.header("ETag")) == (304, b"", mark)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_that_the_server_sends_arrives_whole_with_its_own_headers(server, method):
    if cannot(server, "/file", FILE):
        return
    alone, wrapped = both(server, "/file", method)
    assert alone.body == (FILE if method == "GET" else b"")
    assert (wrapped.status, wrapped.body, wrapped.whole) == (200, alone.body, True)
    assert names(wrapped) == names(alone)
    if (server.name, method) == ("uwsgi", "GET"):  # which alone writes down how it sent a file
        server.ask("/alone/list")
        assert re.search(r"GET /wrapped/file => .* via sendfile\(\)", server.log())


# --- errors and early ends ----------------------------------------------------------------------


def outcome(server: WsgiServer, path: str, name: str) -> tuple[int, bytes, bool] | str:
    """Return status, body without tag and whether it is whole; or that no answer came."""
    with server.client() as client:
        try:
            response = client.begin(f"{path}?{name}")
        except http.client.RemoteDisconnected:
            return "no answer"
        answer = finish(response, meanwhile=lambda: server.let_go(name))
        return answer.status, answer.without_tag, answer.whole


@pytest.mark.parametrize(
    "path",
    [
        "/broken",
        "/broken-after-start",
        "/broken-at-first",
        "/broken-midway",
        "/broken-midway-of-known-length",
        "/error-page-too-late",
    ],
)
def test_an_error_ends_the_answer_as_it_does_unwrapped(server, name, path):
    alone = outcome(server, f"/alone{path}", f"{name}-alone")
    wrapped = outcome(server, f"/wrapped{path}", name)
    if (server.name, path) in WITHOUT_LENGTH:
        alone = (*alone[:2], True)  # granian ends such a body as if nothing had been
    assert wrapped == alone
    assert is_right(server.ask("/alone/list"), "/list")


@pytest.mark.parametrize("path", ["/broken-at-first", "/broken-midway", "/error-page-too-late"])
@pytest.mark.parametrize("mount", ["alone", "wrapped"])
def test_a_body_that_fails_is_closed_once(server, name, mount, path):
    outcome(server, f"/{mount}{path}", name)
    once = server.closed(name)
    server.ask("/alone/list")
    assert server.closed(name) == once
    assert len(once) == 1


def test_an_error_page_takes_the_place_of_a_page_that_could_not_be_made(server):
    if cannot(server, "/error-page"):
        return
    answer = server.ask("/wrapped/error-page")
    assert (answer.status, answer.without_tag, answer.whole) == (503, PAGE, True)
    assert len(TAG.findall(answer.body)) == 1
    assert answer.header("X-Tide") is None


@pytest.mark.parametrize("mount", ["alone", "wrapped"])
def test_a_reader_who_leaves_early_ends_the_page_and_it_is_closed_once(server, name, mount):
    with server.client() as client:
        answer = client.begin(f"/{mount}/endless?{name}")
        assert answer.read1()
        answer.close()
    server.let_go(name)
    assert server.closed(name) == ["closed early"]
    assert is_right(server.ask("/alone/list"), "/list")
    assert server.closed(name) == ["closed early"]


# --- one connection -----------------------------------------------------------------------------

VISIT = [
    ("GET", "/list"),
    ("GET", "/later-of-known-length"),
    ("HEAD", "/head"),
    ("GET", "/not-modified"),
    ("GET", "/tuple"),
    ("HEAD", "/not-modified"),
    ("GET", "/no-content"),
    ("GET", "/stream-of-known-length"),
    ("GET", "/json"),
    ("GET", "/gzip-stream"),
    ("GET", "/no-place"),
    ("GET", "/one"),
    ("GET", "/list"),
]
# Whose answer lets the connection live unwrapped, and has its length kept by us.
KEPT = {"/list", "/tuple", "/json", "/not-modified", "/no-content"}


def visit(client: Client, mount: str) -> Iterator[tuple[bool, Received]]:
    """Ask for one page after the other, over as few connections as the server lets.

    Each answer comes with whether its connection ends with it.
    """
    for method, path in VISIT:
        answer = client.begin(f"/{mount}{path}", method)
        closes = answer.will_close
        yield closes, finish(answer)


def test_pages_follow_each_other_over_one_connection_and_none_hangs(server):
    with server.client() as first, server.client() as second:
        if (server.name, "keep-alive") in CANNOT:
            with pytest.raises(ConnectionError):
                list(visit(first, "alone"))
            return
        visits = zip(VISIT, visit(first, "alone"), visit(second, "wrapped"), strict=True)
        for (_, path), (closed, alone), (closes, wrapped) in visits:
            assert wrapped.whole, path
            assert TAG.sub(b"", text(wrapped)) == text(alone), path
            assert closes == closed or path not in KEPT, path


# --- our own addresses --------------------------------------------------------------------------


def test_the_tags_script_and_its_beat_are_answered(server):
    source = TAG.search(server.ask("/wrapped/list").body)[0].split(b'"')[3].decode()
    script = server.ask(source)
    assert (script.status, script.whole) == (200, True)
    assert script.header("Content-Length") == str(len(script.body))
    now = int(time.time() * 1000)
    fields = {"v": f"{now:012x}{0:020x}", "n": 0, "t": 0, "e": 0, "p": "/list", "d": now}
    with server.client() as client:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        client.connection.request(
            "POST", "/wrapped/_pagetimer/beat", urlencode({**fields, "w": "start"}), form
        )
        assert client.connection.getresponse().status == 204


# --- uWSGI's --http11-socket --------------------------------------------------------------------


def test_where_a_length_is_needed_pages_keep_theirs_and_one_line_says_why(http11):
    for _ in range(2):
        answer = http11.ask("/wrapped/later-of-known-length")
        assert answer.header("Content-Length") == str(len(answer.body))
        assert answer.without_tag == PAGE
    assert http11.log().count("--http11-socket") == 1


def test_where_a_length_is_needed_and_known_pages_follow_each_other_with_their_tag(http11):
    with http11.client() as client:
        for path in ["/list", "/one", "/tuple", "/stream-of-known-length", "/gzip", "/file-page"]:
            answer = client.begin(f"/wrapped{path}")
            assert not answer.will_close
            body = finish(answer)
            assert body.header("Content-Length") == str(len(body.body))
            assert len(TAG.findall(text(body))) == 1


def test_servers_that_need_no_length_are_not_named(server):
    server.ask("/wrapped/later-of-known-length")
    assert "http11" not in server.log()
