"""``pagetimer`` commands as processes of their own, and what they find in their folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.spool.spool import Spool

COMMAND = [
    sys.executable,
    "-c",
    "from pagetimer_wsgi.cli import main; raise SystemExit(main())",
]


def arguments(folder: Path) -> dict[str, Any]:
    """How a command of this folder is started."""
    environ = {name: value for name, value in os.environ.items() if "PAGETIMER" not in name}
    return {"cwd": folder, "env": environ | {"PYTHONDONTWRITEBYTECODE": "1"}, "text": True}


@pytest.fixture
def pagetimer(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one command in the test's folder, and return what it said."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], capture_output=True, timeout=20, **arguments(tmp_path)
        )

    return run


def a_beat(number: int = 0, **known: Any) -> Beat:
    now = time.time_ns() // 1_000_000
    plain = {"path": f"/{number}", "age": 1000, "visible_ms": 1000, "engaged_ms": 500}
    view_id = f"{now:012x}{number:020x}"
    return Beat(**({"view_id": view_id, "seq": 0, "received_at": now} | plain | known))


def spool_in(folder: Path) -> Spool:
    """The spool that a command of this folder drains by itself."""
    data = folder / "pagetimer-data"
    return Spool(data / "spool", f"sqlite:///{data}/pagetimer.db", 2**30)


def accept(folder: Path, *lines: bytes) -> None:
    """Accept lines, as a process does that ends before they are stored."""
    spool = spool_in(folder)
    for line in lines:
        spool.append(line)
    spool.process.close()
