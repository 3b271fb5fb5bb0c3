"""The sides: each is the site's own pages, with a script, and a server for what that says."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

import pytest
from accuracy.ours import Ours
from accuracy.side import Call, Side
from accuracy.site import Site, serve
from accuracy.trackers import load
from accuracy.trackers.tracker import Tracker

pytest.importorskip("waitress")


class Echo(Tracker):
    """A tracker whose collector says what it was told."""

    name = "echo"
    head = "<script src=/echo.js></script>"

    address = "/echo.js"

    def __init__(self) -> None:
        self.script = b"echo()"

    def respond(self, call: Call) -> tuple[str, str, bytes]:
        return "202 Accepted", "text/plain", call.query.encode() + call.body

    def answers(self, calls: list[Call]) -> dict[str, float]:
        return {call.path: 1.0 for call in calls}


def ask(site: Site, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", site.line.port, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_another_has_its_script_its_markup_and_its_collector() -> None:
    side: Side = Echo()
    with serve(side) as site:
        assert Echo.head.encode() in ask(site, "GET", "/a")[1]
        assert ask(site, "GET", "/echo.js") == (200, b"echo()")
        assert site.calls == []
        assert ask(site, "POST", "/collect?q", b"said") == (202, b"qsaid")
        assert ask(site, "GET", "/settings?q") == (202, b"q")
        assert [call.path for call in site.calls] == ["/collect", "/settings"]
        assert side.answers(site.calls) == {"/collect": 1.0, "/settings": 1.0}


def test_one_without_a_file_has_its_script_in_the_page(tmp_path: Path) -> None:
    side = load("60 s ping", tmp_path)
    assert side.script == side.head.encode()
    assert not side.is_script("")


def test_ours_tells_what_its_store_keeps() -> None:
    side: Side = Ours()
    view = f"{0:012x}{1:020x}"
    body = f"v={view}&n=1&t=1500&e=500&d=2000&w=leave&p=/a".encode()
    try:
        with serve(side) as site:
            assert b"/_pagetimer/pagetimer.js" in ask(site, "GET", "/a")[1]
            assert ask(site, "GET", "/_pagetimer/pagetimer.js") == (200, side.script)
            assert ask(site, "POST", "/_pagetimer/beat", body) == (204, b"")
            assert len(site.calls) == 1
            assert side.answers(site.calls) == {"/a": 1.5}
    finally:
        side.close()


def test_the_size_of_a_call_is_that_of_its_line_and_its_body() -> None:
    assert Call(0, "POST", "/a", "", {}, b"xy").size == len(b"POST /a HTTP/1.1\r\nxy")
    assert Call(0, "GET", "/a", "q=1", {}, b"").size == len(b"GET /a?q=1 HTTP/1.1\r\n")
