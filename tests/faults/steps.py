"""Processes of ours that are ended, or halted, at one step of what they do.

A step is whatever another process can see or miss: a file of the data folder opened, made,
renamed, removed or locked, a statement sent to the database, a commit and its return.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401 - here once, and not in each process that is forked
from sqlalchemy import Engine, event

from pagetimer_wsgi import PageTimer
from pagetimer_wsgi.cli import main

from .ledger import Ledger, SentBeat
from .site import page

SECRET = "the-secret-of-the-fault-tests"
_FILES = frozenset(
    ["open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.rmdir"]
)
_LOCKS = frozenset({"fcntl.lockf", "fcntl.fcntl"})


@dataclass(frozen=True)
class Step:
    """The step at which a process is interrupted.

    :param number: which one, from 1
    :param how: the signal that it sends to itself just before it: SIGKILL or SIGSTOP
    """

    number: int
    how: signal.Signals

    def interrupt(self, folder: Path) -> None:
        """Count the steps of this process from now on; nothing undoes that."""
        inside = os.fspath(folder)
        left = self.number

        def count() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), self.how)

        def hook(name: str, arguments: tuple[Any, ...]) -> None:
            if name in _LOCKS or (name in _FILES and _within(inside, arguments[0])):
                count()

        sys.addaudithook(hook)
        if self.how is signal.SIGSTOP:
            return  # who is halted in a transaction keeps all others waiting, and rightly so
        event.listen(Engine, "before_cursor_execute", lambda *_: count())
        event.listen(Engine, "commit", lambda *_: count())


def _within(folder: str, path: object) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(folder)


@dataclass(frozen=True)
class Process:
    """A process that was forked from this one."""

    pid: int

    def join(self, timeout: float = 60.0) -> int:
        """Wait until it ends; return its exit status, or the signal that ended it, negative.

        :param timeout: seconds
        """
        assert self.ends(timeout), f"process {self.pid} still runs after {timeout} s"
        _living.discard(self)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def ends(self, timeout: float) -> bool:
        """Wait until it ends, so many seconds at most; tell whether it did."""
        end = time.monotonic() + timeout
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    def kill(self) -> None:
        """Kill it, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)
        self.join()

    def is_halted(self) -> bool:
        """Wait until it is halted or ends; tell which. Who is halted is to go on."""
        halted = os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])
        if not halted:
            _living.discard(self)
        return halted

    def go_on(self) -> None:
        """Let it go on where it was halted."""
        os.kill(self.pid, signal.SIGCONT)


def fork(role: Callable[..., object], *arguments: object) -> Process:
    """Let a process of its own play a role; its exit status is 0 if it plays it to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn beside threads
        pid = os.fork()
    if pid:
        process = Process(pid)
        _living.add(process)
        return process
    _living.clear()  # those are its parent's
    status = 1
    try:
        role(*arguments)
        end_all()
        status = 0
    except BaseException:
        traceback.print_exc()
        end_all()
    finally:
        os._exit(status)


def end_all() -> None:
    """Kill those that nobody has waited for."""
    for process in list(_living):
        process.kill()


_living: set[Process] = set()


@dataclass(frozen=True)
class Site:
    """A data folder and its store, used by one process after another.

    :param folder: what the option ``data`` says
    :param store: the URL of its store
    """

    folder: Path
    store: str

    def timer(self, **options: str) -> PageTimer:
        """Return the middleware, as a process of the host has it."""
        return PageTimer(page, data=self.folder, store=self.store, secret=SECRET, **options)

    def drain(self, step: Step | None = None) -> None:
        """Drain by hand, as an administrator does."""
        if step:
            step.interrupt(self.folder)
        status = main(["drain", "-o", f"data={self.folder}", "-o", f"store={self.store}"])
        assert status == 0, status

    def left(self) -> list[Path]:
        """Return the folders of processes that are still there."""
        return [path for path in (self.folder / "spool").glob("*/*") if path.is_dir()]

    def lose_lock(self) -> None:
        """Let whoever drains no longer keep others from it."""
        for lock in (self.folder / "spool").glob("*/drain.lock"):
            lock.unlink()

    def grow_old(self) -> None:
        """Let what lies in the spool, the folders of processes above all, be two days older."""
        for path in (self.folder / "spool").glob("*/*"):
            os.utime(path, (time.time() - 2 * 86_400,) * 2)


def post(timer: PageTimer, beat: SentBeat) -> int:
    """Send a beat to a middleware in this process; return the answer's status."""
    body = beat.body()
    said: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/_pagetimer/beat",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "a reader",
        "CONTENT_TYPE": "text/plain;charset=UTF-8",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    chunks = timer(environ, lambda status, *_: said.append(status))
    b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return int(said[-1][:3])


class Answers:
    """What processes of ours sent and were answered, in a file that outlives them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self, timer: PageTimer, beats: Iterable[SentBeat]) -> None:
        """Send beats to a middleware in this process, and note each and its answer."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for beat in beats:
                said = f"{beat.view_id} {beat.seq} {beat.visible_ms}"
                os.write(descriptor, f"{said} sent\n".encode())
                os.write(descriptor, f"{said} {post(timer, beat)}\n".encode())
        finally:
            os.close(descriptor)

    def tell(self, ledger: Ledger) -> None:
        """Note in a ledger what the file knows, and forget it."""
        for line in self._path.read_text().splitlines():
            view_id, seq, visible_ms, what = line.split()
            beat = SentBeat(view_id, int(seq), int(visible_ms))
            if what == "sent":
                ledger.send(beat)
            else:
                ledger.answer(beat, int(what))
        self._path.unlink()
