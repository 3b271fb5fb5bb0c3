"""``pagetimer demo``, ``run`` and ``dashboard``: what serves something."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request
from webob.exc import HTTPNotFound

from ..middleware import PageTimer
from ..server import FIRST_PORT, HOST, PORTS, listen, loopback_only, stoppable
from ..who.sources import Pair
from .common import Commands, UsageError, add_settings, settings_of, store_of

Application = Callable[..., Iterable[bytes]]


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    demo = commands.add_parser(
        "demo",
        help="a small sample site with its dashboard, to see how it works",
        description="Serve a small sample site, wrapped, with a sample month on its dashboard.",
    )
    demo.set_defaults(run=_demo)
    run = commands.add_parser(
        "run",
        help="serve any WSGI application, wrapped",
        description="Serve any WSGI application, wrapped, with no change to it.",
        epilog="Example: pagetimer run 'shop.web:make_app(debug=False)' --port 8000",
    )
    run.add_argument(
        "application", metavar="MODULE:APP", help="also a call: \"MODULE:make_app(root='x')\""
    )
    run.set_defaults(run=_run)
    dashboard = commands.add_parser(
        "dashboard",
        help="only the dashboard, for this machine alone",
        description="Serve only the dashboard, on loopback, open to whoever is on this machine.",
    )
    dashboard.set_defaults(run=_dashboard)
    for parser in (demo, run, dashboard):
        parser.add_argument("--port", type=_port, help="default: the next free one from 8000 on")
    for parser in (run, dashboard):
        add_settings(parser)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a number from 0 to 65535 is needed, not {text!r}")
    return int(text)


def load_application(target: str) -> Application:
    """Return the application that ``MODULE:APP`` or ``MODULE:make_app('x', key=1)`` names.

    :raises UsageError: if there is none; the arguments of a call must be literals
    """
    module, _, expression = target.partition(":")
    try:
        node = ast.parse(expression or "application", mode="eval").body
        call = node if isinstance(node, ast.Call) else None
        names = _names(call.func if call else node)
        arguments = [ast.literal_eval(argument) for argument in call.args] if call else []
        words = call.keywords if call else []
        keywords = {str(word.arg): ast.literal_eval(word.value) for word in words}
        if not module or module.startswith("."):
            raise ValueError("a module's name begins with no dot")
    except (SyntaxError, ValueError) as error:
        reason = "MODULE:APP or MODULE:make_app('x', key=1) is needed, with literals only"
        raise UsageError(f"{target!r}: {reason} ({error})") from error
    try:
        found: Any = importlib.import_module(module)
        for name in names:
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{target!r} cannot be loaded: {error}") from error
    if call:
        _check_call(target, found, arguments, keywords)
        found = found(*arguments, **keywords)
    if not callable(found):
        raise UsageError(f"{target!r} is a {type(found).__name__}, and no WSGI application")
    application: Application = found
    return application


def _check_call(target: str, found: Any, arguments: list[Any], keywords: dict[str, Any]) -> None:
    """See to it that this can be called so; what it then raises itself is its own."""
    try:
        inspect.signature(found).bind(*arguments, **keywords)
    except (TypeError, ValueError) as error:  # ValueError: it has no signature to look at
        if isinstance(error, ValueError) and callable(found):
            return
        raise UsageError(f"{target!r} cannot be called so: {error}") from error


def _names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*_names(node.value), node.attr]
    raise ValueError("no name")


def _demo(chosen: argparse.Namespace) -> None:
    from ..demo import run

    run(chosen.port)


def _run(chosen: argparse.Namespace) -> None:
    sys.path.insert(0, "")
    settings = settings_of(chosen)
    logging.getLogger("pagetimer").setLevel(logging.INFO)
    timer = PageTimer.from_settings(load_application(chosen.application), settings)
    _serve(timer, chosen, chosen.application, timer.close)


def _dashboard(chosen: argparse.Namespace) -> None:
    from ..dashboard.app import Dashboard

    settings = settings_of(chosen)
    store = store_of(settings)
    dashboard = Dashboard(store, settings.time_zone, has_password=False)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        if request.path_info not in ("/", "/api/report", "/api/export"):
            return HTTPNotFound("There is nothing here.")(environ, start_response)
        response = dashboard.answer(request, request.path_info, True, Pair())
        return response(environ, start_response)

    _serve(loopback_only(application), chosen, "The dashboard", store.close)


def _serve(
    application: Application, chosen: argparse.Namespace, name: str, at_end: Callable[[], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM: on the port that was asked for, else on the next free one."""
    asked = chosen.port is not None
    server = listen(application, chosen.port if asked else FIRST_PORT, 1 if asked else PORTS)
    print(f"{name} is at http://{HOST}:{server.effective_port}/", flush=True)
    with stoppable():
        try:
            server.run()
        finally:
            server.close()
            at_end()
