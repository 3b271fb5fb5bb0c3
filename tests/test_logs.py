"""The log: what the host's own handlers and filters raise."""

from __future__ import annotations

import logging

import pytest

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.logs import log
from pagetimer_wsgi.spool.health import Health


class Raises(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no log today")


def refuse(record: logging.LogRecord) -> bool:
    raise RuntimeError("nor a filter")


@pytest.fixture(params=["handler", "filter"])
def host(request):
    """A host whose logging raises."""
    logger = logging.getLogger("pagetimer")
    handler = Raises() if request.param == "handler" else logging.NullHandler()
    logger.addHandler(handler)
    if request.param == "filter":
        logger.addFilter(refuse)
    yield
    logger.removeFilter(refuse)
    logger.removeHandler(handler)


@pytest.mark.parametrize("method", ["debug", "info", "warning", "error"])
def test_a_hosts_logging_that_raises_is_no_failure_of_ours(host, method, caplog):
    caplog.set_level(logging.DEBUG)
    getattr(log, method)("%s", "said")


def test_a_failure_is_counted_though_it_cannot_be_logged(host):
    health = Health()
    health.fails("store", "it is away")
    assert (health.figures.errors, health.figures.failing) == (1, {"store": "it is away"})
    health.works("store")
    assert not health.figures.failing


def test_a_start_is_not_stopped_by_the_log(host, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    PageTimer(lambda environ, start_response: [], data=tmp_path, secret="x" * 20).close()
