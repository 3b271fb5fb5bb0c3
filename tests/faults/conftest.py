"""A ledger for each fault, and one table of all of them at the end of the run."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ledger import Ledger
from .steps import end_all

_ledgers: list[Ledger] = []


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """The ledger of this test's fault."""
    found = Ledger(request.node.name.removeprefix("test_").replace("_", " "))
    yield found
    _ledgers.append(found)
    end_all()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of each kind."""
    return _new_store(request, request.param, tmp_path / "first.db")


@pytest.fixture
def another_store_url(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> str:
    """The URL of a second one of that kind."""
    return _new_store(request, store_url.partition(":")[0], tmp_path / "second.db")


def _new_store(request: pytest.FixtureRequest, kind: str, file: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{file}"
    url: str = request.getfixturevalue("postgresql").database()
    return url


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of nobody's, who serves for Apache: pytest's own is for this user alone."""
    with tempfile.TemporaryDirectory(prefix="pagetimer-") as name:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(name, nobody.pw_uid, nobody.pw_gid)
        yield Path(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what became of the beats of each fault."""
    if not _ledgers:
        return
    terminalreporter.section("faults")
    columns = ("sent", "accepted", "stored", "twice", "missing")
    terminalreporter.line("".join(f"{name:>10}" for name in columns) + "  answers; fault")
    for ledger in _ledgers:
        figures = "".join(f"{getattr(ledger.counts, name, '-'):>10}" for name in columns)
        answers = ", ".join(f"{status or 'none'}: {n}" for status, n in ledger.answers.items())
        terminalreporter.line(f"{figures}  {answers}; {'; '.join([ledger.name, *ledger.notes])}")
