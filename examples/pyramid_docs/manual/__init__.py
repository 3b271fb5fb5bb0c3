"""The manual of a garden telescope; ``docs.ini`` says how it is started."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.router import Router

from .people import SessionPolicy


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Return the application (``paste.app_factory``)."""
    config = Configurator(settings=settings)
    config.set_security_policy(SessionPolicy())
    config.add_static_view("static", "manual:static")
    config.add_route("contents", "/")
    config.add_route("chapter", "/chapter/{name}/")
    config.add_route("log_in", "/log-in")
    config.add_route("log_out", "/log-out")
    config.scan(".views")
    return config.make_wsgi_app()
