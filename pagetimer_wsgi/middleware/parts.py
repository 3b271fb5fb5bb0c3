"""The wiring: every room's parts, made of plain values out of the settings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from webob import Request, Response

from ..beat.endpoints import BeatEndpoint, Door, ScriptEndpoint
from ..beat.figures import HealthEndpoint, MetricsEndpoint
from ..beat.older import OlderCalls
from ..beat.rate import Rates
from ..beat.sender import Senders
from ..logs import log
from ..page.tag import Script, client_options
from ..settings import Settings
from ..spool.quarantine import Quarantine
from ..spool.retention import Limits, Retention
from ..spool.spool import Spool
from ..spool.writer import Writer, share_writer
from ..stores.base import open_store, without_password
from ..who.keys import KeyRing, NoSecret
from ..who.sources import Environ, Pair, as_text, read_pair
from ..who.viewers import may_view
from .reserved import Reserved
from .tags import TagMaker


class Parts:
    """Everything that one ``PageTimer`` is made of. Making it touches neither disk nor network."""

    def __init__(self, application: Callable[..., Iterable[bytes]], settings: Settings) -> None:
        self.application = application
        self.settings = settings
        self.script = Script()
        self.key_ring = KeyRing(settings.secret, settings.secret_file, settings.data / "secret")
        self.writer = self._writer()
        self.spool, self.store = self.writer.spool, self.writer.store
        self.tags = self._tag_maker()
        self.senders = self._senders()
        self.reserved = self._reserved()
        log.info(
            "pagetimer is on: %s, store %s, spool %s",
            settings.prefix,
            without_password(settings.store),
            self.spool.folder,
        )

    def who_asks(self, environ: Environ) -> Pair:
        """Return who asks on one of our own addresses, where the application does not run."""
        user = session = None
        if self.settings.identify is not None:
            environ["pagetimer.application"] = self.application
            try:
                user, session = map(as_text, self.settings.identify(environ) or (None, None))
            except Exception as error:
                self.spool.health.say("identify", f"it failed: {error!r}")
        named = self._read_pair(environ)
        return Pair(user or named.user, session or named.session)

    def may_view(self, environ: Environ) -> bool:
        """Tell whether who asks is a viewer."""
        user = self.who_asks(environ).user
        return may_view(environ, user, self.settings.viewers, self._viewer_token())

    def _read_pair(self, environ: Environ) -> Pair:
        try:
            return read_pair(environ, self.settings.user_key, self.settings.session_key)
        except Exception as error:  # the application's own objects are asked
            self.spool.health.say("who", f"user or session cannot be read: {error!r}")
            return Pair()

    def _viewer_token(self) -> str | None:
        file = self.settings.viewer_token_file
        if self.settings.viewer_token or file is None:
            return self.settings.viewer_token
        try:
            return file.read_text().strip() or None
        except (OSError, UnicodeDecodeError) as error:
            self.spool.health.say("viewer_token_file", str(error))
            return None

    def _writer(self) -> Writer:
        settings = self.settings
        store = open_store(
            settings.store,
            lambda: self.key_ring.get().purging,
            fsync=settings.fsync,
            migrate=settings.migrate,
        )
        spool = Spool(settings.spool, settings.store, settings.spool_limit, settings.fsync)
        quarantine = Quarantine(settings.data / "quarantine" / f"{spool.name}.jsonl")
        limits = Limits(settings.keep_beats, settings.keep_page_views, settings.keep_rows)
        retention = Retention(store, spool.folder, limits)
        switched_on = settings.writer == "auto"
        return share_writer(
            spool.folder, lambda: Writer(spool, store, quarantine, switched_on, retention)
        )

    def _tag_maker(self) -> TagMaker:
        settings = self.settings
        return TagMaker(
            prefix=settings.prefix,
            url=settings.url,
            trusted_proxies=settings.trusted_proxies,
            version=self.script.version,
            options=client_options(
                settings.idle_after,
                settings.query_parameters,
                settings.fragments,
                settings.automation,
            ),
            inject=settings.inject,
            exclude_users=settings.exclude_users,
            read_pair=self._read_pair,
            measures=self._measures if settings.include or settings.exclude else None,
            key_ring=self.key_ring,
            say=self._say,
        )

    def _measures(self, path: str) -> bool:
        settings = self.settings
        if settings.include and not any(glob.fullmatch(path) for glob in settings.include):
            return False
        return not any(glob.fullmatch(path) for glob in settings.exclude)

    def _senders(self) -> Senders:
        settings = self.settings
        return Senders(
            read_pair=self._read_pair,
            visitor=settings.visitor,
            ip=settings.ip,
            trusted_proxies=settings.trusted_proxies,
            privacy_signals=settings.privacy_signals,
            measures_path=self._measures if settings.include or settings.exclude else None,
            exclude_users=settings.exclude_users,
            exclude_ips=settings.exclude_ips,
            cookie_path=lambda environ: urlsplit(self.tags.base(environ)).path,
        )

    def _reserved(self) -> Reserved:
        settings = self.settings
        door = Door(
            spool=self.spool,
            senders=self.senders,
            rates=Rates(*settings.rate_limit, all_addresses=settings.trusted_proxies > 0),
            key_ring=self.key_ring,
            site=settings.site,
            query_parameters=settings.query_parameters,
            fragments=settings.fragments,
            token_max_age=settings.token_max_age,
        )
        older = OlderCalls(door, self.who_asks, settings.interval * 1000)
        return Reserved(
            settings.prefix,
            BeatEndpoint(door, self.writer.after_beat),
            {
                "/pagetimer.js": ("GET HEAD", ScriptEndpoint(self.script)),
                "/health": ("GET HEAD", HealthEndpoint(self.spool, self.may_view)),
                "/metrics": ("GET HEAD", MetricsEndpoint(self.spool, self.may_view)),
                "/log/": ("POST", lambda request: older.log(request, 204)),
                "/logs/": ("POST", lambda request: older.log(request, 201)),
                "/track/": ("POST", lambda request: older.log(request, 201)),
                "/endpoint/": ("POST", older.ping),
                "/": ("GET HEAD", self._look),
                "/api/report": ("GET HEAD", self._look),
                "/api/export": ("GET HEAD", self._look),
            },
            self._failed,
        )

    def _look(self, request: Request) -> Response:
        """Hand a request for what people look at to the dashboard, made on first use."""
        from ..dashboard.app import Dashboard

        settings = self.settings
        you = self.who_asks(request.environ)
        opens = may_view(request.environ, you.user, settings.viewers, self._viewer_token())
        dashboard = Dashboard(self.store, settings.time_zone, bool(self._viewer_token()))
        session = None
        with contextlib.suppress(NoSecret):
            session = self.key_ring.get().session_key(you.session) if you.session else None
        path = request.path_info.removeprefix(settings.prefix)
        return dashboard.answer(request, path, opens, Pair(you.user, session))

    def _say(self, part: str, message: str) -> None:
        self.spool.health.say(part, message)  # of the process that it happens in

    def _failed(self, path: str, error: Exception) -> None:
        self.spool.health.say("reserved", f"{path}: {error!r}")
        log.debug("reserved address failed", exc_info=error)
