"""The server of our own commands."""

import socket
import sys

import pytest

from pagetimer_wsgi import server


def application(environ, start_response):
    start_response("204 No Content", [])
    return []


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind((server.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = server.listen(application, port, server.PORTS)
        try:
            assert int(found.effective_port) > port
        finally:
            found.task_dispatcher.shutdown()
            found.close()


def test_without_waitress_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "waitress", None)
    with pytest.raises(server.CannotServe, match=r"pip install 'pagetimer-wsgi\[serve\]'"):
        server.listen(application, 8000)


def test_a_port_that_was_asked_for_and_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind((server.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(server.CannotServe, match=f"port {port} is not free"):
            server.listen(application, port)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", "204 No Content"),
        ("localhost", "204 No Content"),
        ("[::1]:8000", "204 No Content"),
        ("evil.example:8000", "403 Forbidden"),
        ("127.0.0.1.evil.example", "403 Forbidden"),
    ],
)
def test_a_foreign_name_that_leads_here_is_not_answered(host, status):
    answers = []
    server.loopback_only(application)(
        {"HTTP_HOST": host}, lambda *answer: answers.append(answer[0])
    )
    assert answers == [status]
