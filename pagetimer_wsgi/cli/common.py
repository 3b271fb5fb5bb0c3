"""What several commands share: how they are told the options, and errors of usage."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import PageTimerError
from ..ini import read_ini
from ..settings import Settings, read
from ..spool.quarantine import Quarantine
from ..spool.spool import Spool
from ..stores.base import Store, open_store
from ..who.keys import KeyRing

Commands = Any  # argparse gives its type no public name


class UsageError(PageTimerError):
    """An argument that cannot be used; says what would be right."""


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the options, as the application is told them."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="ini file: its [pagetimer], or the [filter:…] with `use = egg:pagetimer-wsgi`",
    )
    parser.add_argument(
        "-o",
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an option, before the file's; may be given several times",
    )


class Told(NamedTuple):
    """What a command was told, before it is judged; ``place`` is where the ini's options stand."""

    keywords: dict[str, str]
    ini: dict[str, str]
    here: Path | None
    place: str


def told(chosen: argparse.Namespace) -> Told:
    """Return what a command was told by --option and --config.

    :raises SettingsError: for an ini file that cannot be read
    :raises UsageError: for an --option without =
    """
    keywords = {}
    for text in chosen.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--option {text}: NAME=VALUE is needed")
        keywords[name.strip()] = value.strip()
    return Told(keywords, *(read_ini(chosen.config) if chosen.config else ({}, None, "")))


def settings_of(chosen: argparse.Namespace) -> Settings:
    """Return the settings that a command was told.

    :raises SettingsError: for an unknown option or a value that does not convert
    :raises UsageError: for an --option without =
    """
    return read(*told(chosen))


def spool_of(settings: Settings) -> Spool:
    """Return the spool that the settings name."""
    return Spool(settings.spool, settings.store, settings.spool_limit)


def quarantine_of(settings: Settings) -> Quarantine:
    """Return what the store that the settings name has refused."""
    return Quarantine(settings.data / "quarantine" / f"{spool_of(settings).name}.jsonl")


def store_of(settings: Settings, migrate: bool = False) -> Store:
    """Return the store that the settings name."""
    ring = KeyRing(settings.secret, settings.secret_file, settings.data / "secret")
    return open_store(
        settings.store, lambda: ring.get().purging, fsync=settings.fsync, migrate=migrate
    )
