"""How much memory a process holds."""

from __future__ import annotations

import os
from pathlib import Path


def memory(pid: int | str = "self") -> float:
    """Return the MiB that a process has in memory and shares with no file (proc(5), statm)."""
    _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 2**20
