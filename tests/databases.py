"""A real PostgreSQL server for the tests: Debian's, in a temporary folder, as nobody's service."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from browser import require

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "..",  # counted from the data folder
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "timezone": "Asia/Kathmandu",  # no time of ours may depend on it
}
_OWNER = "postgres"
_READY = 30.0


class PostgreSQL:
    """A server of which the tests may do as they like: stop it, freeze it, change its password.

    It listens on a port of loopback, and on a socket in its folder. Its role ``pagetimer`` may
    make no databases and owns those that :meth:`database` makes; :meth:`psql` is the superuser.

    :param folder: an empty one, which the server's user can reach
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.password = "secret"
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._initialise()
        self.start()
        self.psql("CREATE ROLE pagetimer LOGIN PASSWORD 'secret'")
        self.url = self.database()

    def database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"pagetimer_{next(self._numbers)}"
        self.psql(f"CREATE DATABASE {name} OWNER pagetimer TEMPLATE template0")
        return f"postgresql://pagetimer:{self.password}@127.0.0.1:{self.port}/{name}"

    def schema(self) -> str:
        """Make an empty schema in the first database, which takes less time, and return its URL."""
        name = f"schema_{next(self._numbers)}"
        self.psql(f"CREATE SCHEMA {name} AUTHORIZATION pagetimer", self.url)
        return f"{self.url}?options=-csearch_path%3D{name}"

    def psql(self, statement: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser and return its rows.

        :param url: whose database and schema it is run in; none: one with nothing of ours
        """
        import psycopg

        place = url or f"postgresql://127.0.0.1:{self.port}/postgres"
        owner = {"user": _OWNER, "password": "owner", "connect_timeout": 10}
        with psycopg.connect(place, autocommit=True, **owner) as connection:
            rows = connection.execute(statement)
            return rows.fetchall() if rows.description else []

    def change_password(self, password: str) -> None:
        """Give the role another password; URLs made before keep the old one."""
        self.psql(f"ALTER ROLE pagetimer PASSWORD '{password}'")
        self.password = password

    def start(self) -> None:
        """Start the server and return when it answers."""
        options = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", "data", f"--port={self.port}", *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_as_owner(),
            )
        self._wait_until_ready(self._process)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server, a frozen one too, and return when it is gone.

        :param how: SIGINT ends all connections (fast), SIGTERM waits for them (smart), SIGQUIT
            ends as a crash would (immediate)
        """
        if self._process is not None:
            self.thaw()
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def restart(self) -> None:
        """Stop the server, ending all connections, and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop every process of the server where it is: it neither answers nor hangs up."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the processes of a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None, "the server does not run"
        self._process.send_signal(what)
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(int(child), what)

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text("owner")
        # ICU's order of texts is not that of code points, as on most servers.
        command = "-D data --auth=scram-sha-256 --pwfile=password --no-sync --encoding=UTF8"
        language = "--no-locale --locale-provider=icu --icu-locale=en"
        subprocess.run(
            [_program("initdb"), *command.split(), *language.split()],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_owner(),
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        import psycopg

        deadline = time.monotonic() + _READY
        while True:
            try:
                self.psql("SELECT 1")
                return
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text()) from None
            time.sleep(0.02)


@contextmanager
def serving_postgresql() -> Iterator[PostgreSQL]:
    """Give a server of one's own; skip the test where there is no PostgreSQL."""
    require(_program("postgres"), "no PostgreSQL on this machine")
    require(importlib.util.find_spec("psycopg"), "psycopg is not installed")
    # Not pytest's folder: the server's user could not reach it, and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="pagetimer-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_OWNER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        server = PostgreSQL(folder)
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server that all tests share, each in a database of its own (``postgresql.database()``)."""
    with serving_postgresql() as server:
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSQL]:
    """A server for one test, which may stop or freeze it."""
    with serving_postgresql() as server:
        yield server


def _program(name: str) -> str | None:
    # Debian keeps each version's programs apart, and puts only some of them on the path.
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, newest_first), os.defpath]))


def _as_owner() -> dict[str, Any]:
    # PostgreSQL refuses to be run by root.
    if os.geteuid() != 0:
        return {}
    owner = pwd.getpwnam(_OWNER)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
