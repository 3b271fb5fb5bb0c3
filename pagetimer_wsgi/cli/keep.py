"""``pagetimer drain``."""

from __future__ import annotations

import argparse

from ..errors import StoreAway
from ..spool.drain import drain
from ..spool.quarantine import Quarantine
from ..spool.spool import Spool
from .common import Commands, UsageError, add_settings, settings_of, store_of


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "drain",
        help="store what was accepted and waits",
        description="Store the beats that were accepted and wait in the spool.",
    )
    add_settings(parser)
    parser.set_defaults(run=_drain)


def _drain(chosen: argparse.Namespace) -> None:
    settings = settings_of(chosen)
    spool = Spool(settings.spool, settings.store, settings.spool_limit)
    quarantine = Quarantine(settings.data / "quarantine" / f"{spool.name}.jsonl")
    store = store_of(settings, migrate=settings.migrate)
    try:
        store.check()  # also where nothing waits: a set-up that is broken must be heard of
        print(f"{drain(spool, store, quarantine)} beats stored.")
    except (StoreAway, OSError) as error:
        raise UsageError(f"{error}\nNothing is lost; the beats wait in {spool.folder}.") from error
    finally:
        store.close()
