"""``PageTimer``, the middleware."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..ini import read_ini
from ..settings import Settings, read
from .outgoing import Outgoing
from .parts import Parts

Application = Callable[..., Iterable[bytes]]


class PageTimer:
    """WSGI middleware that measures how long people spend on each page of an application.

    It puts one script tag into the HTML pages that go out, takes the script's beats in under
    ``prefix``, and stores them from a thread of its own. The application and its templates
    stay as they are; no failure of ours changes what it answers. ::

        app = PageTimer(app, user_key="REMOTE_USER", store="sqlite:///pagetimer.db")

    Put it where environ names the user: inside the middleware that logs people in, or with a
    hook of ``pagetimer_wsgi.flask``, ``.django`` or ``.pyramid`` in the application.

    :param application: any WSGI application (PEP 3333)
    :param options: the option table's names, as texts or ready values
    :raises SettingsError: if the text of an option is wrong
    """

    def __init__(self, application: Application, **options: Any) -> None:
        self._set_up(application, read(options))

    @classmethod
    def from_ini(cls, application: Application, config: str | Path, **options: Any) -> PageTimer:
        """Return the middleware as an ini file configures it.

        :param config: its path; ``[pagetimer]`` is read, or the ``[filter:…]`` that uses us
        :param options: come before the file's
        :raises SettingsError: if the file cannot be read, or the text of an option is wrong
        """
        return cls.from_settings(application, read(options, *read_ini(config)))

    @classmethod
    def from_settings(cls, application: Application, settings: Settings) -> PageTimer:
        """Return the middleware with settings that were read before."""
        timer = cls.__new__(cls)
        timer._set_up(application, settings)
        return timer

    def _set_up(self, application: Application, settings: Settings) -> None:
        self.application = application
        self.settings = settings
        self.parts = Parts(application, settings)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request that is ours; let the application answer all others."""
        parts = self.parts
        try:
            if parts.reserved.has(environ.get("PATH_INFO", "")):
                return parts.reserved(environ, start_response)
            return Outgoing(parts.tags, environ, start_response).respond(self.application)
        finally:
            parts.writer.start()

    def flush(self, timeout: float = 5) -> None:
        """Return once everything that this process accepted so far is in the store.

        :param timeout: seconds
        :raises TimeoutError: if it is not by then; it goes on waiting in the spool
        """
        self.parts.writer.flush(timeout)

    def close(self) -> None:
        """Stop the writer's thread; what is not stored within a second waits in the spool."""
        self.parts.writer.close()


def main(application: Application, global_conf: dict[str, str], **local_conf: str) -> PageTimer:
    """Return the middleware for PasteDeploy (``paste.filter_app_factory``)."""
    here = Path(global_conf.get("here") or os.getcwd())
    where = global_conf.get("__file__", "the ini file")
    return PageTimer.from_settings(application, read({}, local_conf, here, where))
