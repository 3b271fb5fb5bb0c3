"""A gunicorn with two workers, what it is sent by wrk, and the CPU time that its threads took."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKERS = 2
MODES = {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "8")}
CONNECTIONS = 16
_CONNECTIONS_AT_A_RATE = 64
WRITER = "pagetimer writer"
_SECONDS_TO_START = 30.0


@dataclass(frozen=True)
class Sent:
    """What wrk sent.

    :param answered: requests that were answered with less than 400
    :param refused: those that were answered with more, and connections that broke
    :param seconds: how long it took
    """

    answered: int
    refused: int
    seconds: float


@dataclass(frozen=True)
class Server:
    """A gunicorn on loopback."""

    port: int
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        master = self.process.pid
        return [int(pid) for pid in _read(f"/proc/{master}/task/{master}/children").split()]

    def cpu(self) -> dict[int, float]:
        """Return the seconds of CPU time that each thread of its workers has taken so far."""
        return {
            int(task): int(_read(f"/proc/{worker}/task/{task}/schedstat").split()[0]) / 1e9
            for worker in self.workers()
            for task in os.listdir(f"/proc/{worker}/task")
        }

    def writers(self) -> set[int]:
        """Return the writer's thread of each worker; they start with the first answers."""
        found: dict[int, set[int]] = {}
        until = time.monotonic() + _SECONDS_TO_START
        while len(found) < WORKERS and time.monotonic() < until:
            answer = json.loads(self.get("/threads"))
            threads = {int(key) for key, name in answer["threads"].items() if name == WRITER}
            if threads:
                found[answer["process"]] = threads
        return set().union(*found.values())

    def get(self, path: str) -> bytes:
        """Return what it answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def send(
        self, path: str, bodies: Path, seconds: int, number: int, rate: float | None = None
    ) -> Sent:
        """Send bodies for so long.

        :param number: of the first beats; a thousand further ones are as good as taken
        :param rate: so many a second; as many as it answers if there is none
        """
        connections = CONNECTIONS if rate is None else _CONNECTIONS_AT_A_RATE
        url = f"http://127.0.0.1:{self.port}{path}"
        command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        command += ["-s", str(HERE / "wrk.lua"), url, "--", str(bodies), str(number)]
        command += [] if rate is None else [str(rate)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
        found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+)$", said.stdout, re.M)
        if found is None:
            raise RuntimeError(f"wrk failed: {said.stdout}{said.stderr}")
        requests, microseconds, refused, broken = map(int, found.groups())
        return Sent(requests - refused, refused + broken, microseconds / 1e6)


@contextlib.contextmanager
def serving(
    python: str,
    target: str,
    mode: str,
    folder: Path,
    environment: Mapping[str, str],
    workers: int = WORKERS,
) -> Iterator[Server]:
    """Serve an application until the block ends.

    :param python: the interpreter, of which gunicorn is a package
    :param target: module:application
    :param folder: the working folder, for its log too
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PAGETIMER_")
    }
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        command = [python, "-m", "gunicorn", "--workers", str(workers), *MODES[mode]]
        command += [f"--bind=fd://{listener.fileno()}", "--log-level=warning", "--timeout=120"]
        command += ["--no-control-socket", target]
        with open(folder / "log", "ab") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                env={**inherited, "PYTHONPATH": _path(), **environment},
            )
        server = Server(listener.getsockname()[1], process)
    try:
        _wait(server, folder / "log")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Server, log: Path) -> None:
    """Wait until it answers, whatever it says."""
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until and server.process.poll() is None:
        with contextlib.suppress(OSError):
            with contextlib.suppress(urllib.error.HTTPError):
                server.get("/nothing-here")
            return
        time.sleep(0.1)
    raise RuntimeError(f"it does not answer; its log: {log.read_text()[-2000:]}")


def _path() -> str:
    return os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


def _read(path: str) -> str:
    return Path(path).read_text()
