"""New Relic's agent, offline: the whole of it, the same without its insertion, the insertion alone.

Imports the agent only where it is asked for, so that the other sides run without it.
"""

from __future__ import annotations

import time
from typing import Any

from server import ENVIRON, Application, Environ, Wrap


def offline_agent(insertion: bool = True) -> Any:
    """The agent, connected to the collector that it only plays; no network is asked.

    :param insertion: whether it puts its script into pages (`browser_monitoring.enabled`)
    :raises ImportError: the package is missing, or the agent does not start
    """
    from newrelic.api.application import register_application
    from newrelic.core.config import global_settings

    settings = global_settings()
    settings.enabled = settings.developer_mode = True
    settings.license_key = "0" * 40
    settings.browser_monitoring.enabled = insertion
    for vendor in vars(settings.utilization):
        if vendor.startswith("detect_"):  # by the addresses that clouds answer on
            setattr(settings.utilization, vendor, False)
    application = register_application(f"benchmark, insertion {insertion}", timeout=10)
    if not application.active:
        raise ImportError("the agent does not start")
    return application


def whole_agent(insertion: bool = True) -> Wrap:
    """What its user runs: a transaction around each request, and the insertion within."""
    agent = offline_agent(insertion)
    from newrelic.api.wsgi_application import WSGIApplicationWrapper

    return lambda application: WSGIApplicationWrapper(application, application=agent)


def insertion_alone() -> Wrap:
    """The agent's insertion and its tag: one transaction serves all requests."""
    transaction = endless_transaction()
    from newrelic.api.wsgi_application import _WSGIApplicationMiddleware

    def wrap(application: Application) -> Application:
        def insert(environ: Environ, start_response: Any) -> Any:
            transaction.rum_header_generated = False
            return _WSGIApplicationMiddleware(application, environ, start_response, transaction)

        return insert

    return wrap


def endless_transaction() -> Any:
    """Makes tags as a running transaction does, and is never recorded."""
    agent = offline_agent()
    from newrelic.api.web_transaction import WSGIWebTransaction

    class Endless(WSGIWebTransaction):
        def __del__(self) -> None:
            pass

    transaction = Endless(agent, ENVIRON.copy())
    transaction.start_time, transaction._state = time.time(), Endless.STATE_RUNNING
    return transaction
