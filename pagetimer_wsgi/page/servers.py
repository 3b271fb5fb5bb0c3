"""What single servers need beyond PEP 3333."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .once import warn_once

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def takes_headers_at_return(environ: WSGIEnvironment) -> bool:
    """Tell whether the server reads status and headers when the application returns: Granian."""
    return environ.get("SERVER_SOFTWARE") == "Granian"


def must_keep_length(environ: WSGIEnvironment) -> bool:
    """Tell whether a body whose Content-Length is taken away would keep its reader waiting.

    uWSGI's ``--http11-socket`` leaves such a connection open, until its ``socket-timeout``, and
    marks no end. Said once.
    """
    if "uwsgi.version" not in environ or not _is_http11():
        return False
    warn_once(
        "uWSGI's --http11-socket needs the Content-Length of each response, so pages whose head"
        " does not end in their first chunk go out without the tag: use --http-socket, or --http"
        " with --http-keepalive and --http-auto-chunked"
    )
    return True


def _is_http11() -> bool:
    options = importlib.import_module("uwsgi").opt  # is there only inside the server
    protocols = (options.get("protocol"), options.get("socket-protocol"))
    return "http11-socket" in options or b"http11" in protocols
