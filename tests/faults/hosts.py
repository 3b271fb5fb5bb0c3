"""Hosts that faults happen to: real servers with ``site``, and their workers' process ids."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser import require
from servers import stop
from wsgi_servers import free_port

from .load import Pulse
from .memory import memory

_SITE = Path(__file__).with_name("site.py")
VIEWER = "the-password-of-the-viewers"
_UWSGI = Path(sys.executable).with_name("uwsgi")
_APACHE = Path("/usr/sbin/apache2")
_APACHE_CONF = Path(__file__).with_name("apache.conf")
_MOD_WSGI = Path("/usr/lib/apache2/modules/mod_wsgi.so")
# Of capabilities(7) nothing is left: root is an ordinary user who owns its files.
_WITHOUT_PRIVILEGES = (
    ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
)


def _module(name: str, *arguments: str) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        require(importlib.util.find_spec(name), f"{name} is not installed")
        return [sys.executable, "-m", name, *(each.format(port=port) for each in arguments)]

    return command


def _gunicorn(*arguments: str) -> Callable[[int], Sequence[str]]:
    quiet = ("--bind=127.0.0.1:{port}", "--no-control-socket", "--log-level=warning")
    return _module("gunicorn", *quiet, *arguments, "site_of_faults:application")


def _uwsgi(*arguments: str, old: bool = False) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        require(_UWSGI.exists(), "uWSGI is not installed")
        program = _old_uwsgi() if old else [str(_UWSGI)]
        where = [f"--virtualenv={sys.prefix}", "--module=site_of_faults:application"]
        bind = f"--http-socket=127.0.0.1:{port}"
        # Where workers die often, its master sleeps, and does not wake to end with them.
        bears = ("--forkbomb-delay=0", "--no-orphans", "--die-on-term", "--need-app")
        return [*program, bind, "--master", "--disable-logging", *bears, *where, *arguments]

    return command


@functools.cache
def _old_uwsgi() -> Sequence[str]:
    """Return the command of the last uWSGI that runs no threads unless told to, 2.0.26."""
    folder = tempfile.mkdtemp(prefix="pagetimer-uwsgi-")
    atexit.register(shutil.rmtree, folder)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["--no-deps", f"--target={folder}", "pyuwsgi==2.0.26"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True)
    require(done.returncode == 0, f"pip: {done.stderr.strip()[-300:]}")
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); import pyuwsgi; pyuwsgi.run()"
    return [sys.executable, "-c", start, folder]


def _apache(*arguments: str) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        require(_APACHE.exists() and _MOD_WSGI.exists(), "Apache and mod_wsgi are not installed")
        packages = os.environ.get("PAGETIMER_TESTS_MOD_WSGI")
        own, theirs = "{}.{}".format(*sys.version_info), _MOD_WSGI.resolve().name.partition("-")[2]
        require(packages or own == theirs, f"mod_wsgi is for Python {theirs}, and this is {own}")
        packages = packages or sysconfig.get_path("purelib")
        where = f'FOLDER="$PWD" PORT={port} PACKAGES="{packages}"'
        start = f"exec env {where} {_APACHE} -f {_APACHE_CONF} -D FOREGROUND {' '.join(arguments)}"
        return ["setsid", "sh", "-c", start]  # it ends its whole process group

    return command


COMMANDS: dict[str, Callable[[int], Sequence[str]]] = {
    "gunicorn-sync": _gunicorn("--workers=3"),
    "gunicorn-gthread": _gunicorn("--workers=3", "--worker-class=gthread", "--threads=4"),
    "gunicorn-gevent": _gunicorn("--workers=3", "--worker-class=gevent"),
    "gunicorn-alone": _gunicorn("--workers=1"),
    "gunicorn-eight": _gunicorn("--workers=8"),
    "gunicorn-preload": _gunicorn("--workers=3", "--preload"),
    "uwsgi": _uwsgi("--processes=3", "--enable-threads"),
    "uwsgi-without-threads": _uwsgi("--processes=2", old=True),
    "uwsgi-alone-without-threads": _uwsgi("--processes=1", old=True),
    "granian": _module(
        "granian",
        "--interface=wsgi",
        "--workers=2",
        "--respawn-failed-workers",
        "--respawn-interval=0.2",
        "--port={port}",
        "site_of_faults:application",
    ),
    "cheroot": _module("cheroot", "--bind=127.0.0.1:{port}", "site_of_faults:application"),
    "mod_wsgi": _apache(),
    "mod_wsgi-embedded": _apache("-D EMBEDDED"),
    "waitress": _module("waitress", "--listen=127.0.0.1:{port}", "site_of_faults:application"),
}
"""name -> the command that serves the site on a port of loopback."""


@dataclass(frozen=True)
class Host:
    """A server with the site.

    :param folder: its working folder
    :param data: what PAGETIMER_DATA says
    :param store: the URL of its store
    """

    name: str
    port: int
    folder: Path
    data: Path
    store: str
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """Return the process ids of its children that live; its own where it has none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split() if _lives(pid)] or [self.process.pid]

    def kill_a_worker(self, which: int) -> None:
        """Kill one worker by SIGKILL, if it still lives.

        granian ends where the same one of its workers dies twice in 5.5 s, so there it is the
        eldest's turn, whatever ``which`` says.
        """
        workers = self.workers()
        with contextlib.suppress(ProcessLookupError):
            os.kill(workers[0 if self.name == "granian" else which % len(workers)], signal.SIGKILL)

    def health(self) -> dict[str, Any]:
        """Return what it says of how it goes, as viewers are told."""
        address = f"http://127.0.0.1:{self.port}/_pagetimer/health"
        headers = {"Authorization": f"Bearer {VIEWER}"}
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            said: dict[str, Any] = json.load(answer)
        return said

    def until(
        self, holds: Callable[[dict[str, Any]], object], timeout: float = 60.0
    ) -> dict[str, Any]:
        """Return what health says as soon as something holds for it."""
        end = time.monotonic() + timeout
        while not holds(said := self.health()):
            assert time.monotonic() < end, f"after {timeout} s it still says {said}"
            time.sleep(0.1)
        return said

    def says(self, part: str, words: str) -> None:
        """Return once a part of it fails, for a reason that holds these words."""
        self.until(lambda said: words in said["reasons"].get(part, ""))

    def recovers(self) -> None:
        """Return once nothing fails any longer."""
        self.until(lambda said: said["state"] == "ok")

    def complaints(self, part: str) -> list[str]:
        """Return the lines of its log that say of a part that it fails."""
        lines = [line for line in self.log().splitlines() if line.startswith(f"{part}: ")]
        return [line for line in lines if not line.endswith(": works again")]

    def drain(self, *more: str) -> str:
        """Store what waits by hand, beside it; return what that prints."""
        return drain(self.data, self.store, *more)

    def leave(self, *segments: bytes) -> None:
        """Leave a folder as a process leaves it that dies; something was accepted before."""
        folder = next((self.data / "spool").iterdir()) / f"died-{time.monotonic_ns()}"
        folder.mkdir()
        for number, content in enumerate(segments, 1):
            (folder / f"{number:012d}.jsonl").write_bytes(content)
        (folder / "lock").touch()

    def quarantined(self) -> list[dict[str, Any]]:
        """Return what lies in its quarantine."""
        files = (self.data / "quarantine").glob("*.jsonl")
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]

    def memory(self) -> float:
        """Return the MiB that its processes hold by themselves, the greatest one's."""
        return max(memory(pid) for pid in {self.process.pid, *self.workers()})

    def log(self) -> str:
        """Return what it wrote to its standard output and error."""
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def hosting(
    name: str,
    folder: Path,
    *,
    store: str | None = None,
    environment: Mapping[str, str] | None = None,
    unprivileged: bool = False,
    before: Sequence[str] = (),
    site: Path = _SITE,
) -> Iterator[Host]:
    """Serve the site by the server of this name, until the block ends.

    :param folder: a folder for it; a second host on the same one goes on with the first's data
    :param store: the URL of its store; default: SQLite in its data
    :param environment: more of it, ``PAGETIMER_…`` options above all
    :param unprivileged: whether the modes of files count for it, though it be root's
    :param before: a command that runs the server's, which is added to it
    :param site: the module that it serves, if another one than ``site.py``
    """
    port = free_port()
    privileges = _WITHOUT_PRIVILEGES if unprivileged else ()
    command = [*before, *privileges, *COMMANDS[name](port)]
    shutil.copy(site, folder / "site_of_faults.py")
    data = folder / "data"
    options = {
        "PAGETIMER_DATA": str(data),
        "PAGETIMER_SECRET": "the-secret-of-the-fault-tests",
        "PAGETIMER_VIEWER_TOKEN": VIEWER,
    }
    if store:
        options["PAGETIMER_STORE"] = store
    inherited = {key: value for key, value in os.environ.items() if "PAGETIMER_" not in key}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**inherited, **options, **(environment or {})},
            stdout=log,
            stderr=log,
        )
    url = store or f"sqlite:///{data}/pagetimer.db"
    host = Host(name, port, folder, data, url, process)
    try:
        _wait(host)
        yield host
    finally:
        stop(process)


def drain(data: Path, store: str, *more: str) -> str:
    """Store what waits by hand: ``pagetimer drain``; return what that prints."""
    program = "import sys; from pagetimer_wsgi.cli import main; sys.exit(main())"
    options = ("-o", f"data={data}", "-o", f"store={store}", *more)
    command = [sys.executable, "-c", program, "drain", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait(host: Host, timeout: float = 60.0) -> None:
    end = time.monotonic() + timeout
    pulse = Pulse(host.port, pause=0.05)
    with pulse:
        while 200 not in pulse.statuses:
            assert host.process.poll() is None, f"{host.name} ended at its start: {host.log()}"
            assert time.monotonic() < end, f"{host.name} does not come up: {host.log()}"
            time.sleep(0.05)
