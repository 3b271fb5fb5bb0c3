"""``pagetimer check``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial

from ..errors import PageTimerError
from ..settings import ENVIRONMENT, OPTIONS, Settings
from .common import (
    Commands,
    Told,
    add_settings,
    quarantine_of,
    settings_of,
    spool_of,
    store_of,
    told,
)
from .trials import TRIALS, Parts


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "check",
        help="try the configuration and everything it names, for real",
        description="Try the configuration and everything it names, as the application uses it. "
        "The exit status is 0 only if all is well.",
    )
    add_settings(parser)
    parser.set_defaults(run=_check)


def _check(chosen: argparse.Namespace) -> int:
    settings = settings_of(chosen)
    parts = _parts(settings)
    trials: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("settings", lambda: _set(told(chosen))),
        *((trial.__name__, partial(trial, parts)) for trial in TRIALS),
    ]
    try:
        wrong = sum(not _is_well(name, trial) for name, trial in trials)
    finally:
        parts.store.close()
    print(f"\n{wrong} of {len(trials)} are wrong." if wrong else "\nAll is well.")
    return 1 if wrong else 0


def _parts(settings: Settings) -> Parts:
    store = store_of(settings, migrate=settings.migrate)
    return Parts(settings, spool_of(settings), store, quarantine_of(settings))


def _is_well(name: str, trial: Callable[[], Iterator[str]]) -> bool:
    """Print what a trial finds, a word for it in front; tell whether it is well."""
    found: list[str] = []
    well = True
    try:
        found.extend(trial())
    except OSError as error:
        place = f"{error.filename}: {error.strerror}; look at its owner and permissions"
        found.append(place if error.filename else str(error))
        well = False
    except (PageTimerError, UnicodeDecodeError) as error:
        found.append(str(error))
        well = False
    lines = "\n".join(found).splitlines()
    print(f"{name:<11} {'ok' if well else 'WRONG':<6} {lines[0]}")
    for line in lines[1:]:
        print(f"{'':<18} {line}")
    return well


def _set(where: Told) -> Iterator[str]:
    """Tell which options are set, and where."""
    environment = [ENVIRONMENT + name.upper() for name in OPTIONS]
    places = {
        where.place: sorted(where.ini),
        "the environment": sorted(name for name in environment if name in os.environ),
        "--option": sorted(where.keywords),
    }
    for place, names in places.items():
        if names:
            yield f"{place}: {', '.join(names)}"
    if not any(places.values()):
        yield "every option has its default; --config names the ini file of the application"
    yield "what the application sets in its own code is not seen here: repeat it by --option"
