"""Writes to the spool that the system refuses: none counts, and all goes on once it lets us."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from browser import require

from .hosts import Host, hosting
from .ledger import Ledger
from .load import Load, Pulse

SIZE = 2_000
"""Bytes: some lines, and a part of one."""


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        pytest.param("write", "EIO", "Input/output error", id="a disk that fails"),
        pytest.param("write", "EDQUOT", "Disk quota exceeded", id="a quota that is used up"),
        pytest.param("fsync", "EIO", "Input/output error", id="a disk that fails later"),
    ],
)
def test_what_could_not_be_written_is_refused_and_pages_go_out(
    call: str, error: str, says: str, ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-alone", tmp_path, environment={"PAGETIMER_FSYNC": "yes"}) as host:
        refused_for_a_while(failing(host, call, error), says, host, ledger)


def test_what_was_written_by_half_is_refused_and_pages_go_out(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-alone", tmp_path) as host:
        refused_for_a_while(small_files(host), "bytes could be written", host, ledger)


@contextlib.contextmanager
def failing(host: Host, call: str, error: str) -> Iterator[None]:
    """Let a system call of the worker fail.

    It is the kernel that is told so, by ptrace(2): disks fail, and quotas end, on machines of
    their own kinds only.
    """
    require(shutil.which("strace"), "strace is not installed")
    [worker] = host.workers()
    command = ["strace", "-f", f"--attach={worker}", "-o", str(host.folder / "strace")]
    process = subprocess.Popen([*command, f"--trace={call}", f"--inject={call}:error={error}"])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def small_files(host: Host) -> Iterator[None]:
    """Let no file of the worker grow over some lines (setrlimit(2), RLIMIT_FSIZE)."""
    [worker] = host.workers()
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (SIZE, before[1]))
    try:
        yield
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)


def refused_for_a_while(
    fault: AbstractContextManager[None], says: str, host: Host, ledger: Ledger
) -> None:
    """Hold that beats are refused while a fault lasts, and no page tells of it."""
    with Load(host.port, ledger, pause=0.01) as load, Pulse(host.port) as pulse:
        load.wait_for(50)
        with fault:
            host.says("spool", says)
            time.sleep(1)
        load.wait_for(50)
    ledger.hold(host.store, refusals=True)
    host.recovers()
    assert host.health()["quarantined"] == 0
    assert (pulse.statuses, len(pulse.bodies)) == ({200}, 1)
