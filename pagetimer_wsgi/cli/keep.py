"""``pagetimer drain``."""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Iterator

from ..errors import SpoolAway, StoreAway
from ..settings import Settings
from ..spool.drain import drain
from ..spool.mended import put_back
from ..spool.quarantine import Quarantine
from ..spool.retention import Limits, Retention
from ..spool.spool import Spool
from ..spool.waiting import what_waits
from ..spool.writer import Writer
from .common import (
    Commands,
    UsageError,
    add_settings,
    quarantine_of,
    settings_of,
    spool_of,
    store_of,
)
from .told import beats, counted, for_other_stores, in_quarantine

_PATIENCE = 60
"""Seconds for which another drainer of this host is waited for."""
_TRIES = 40
"""To add our figures to those that another process adds to, for a few milliseconds mostly."""


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "drain",
        help="store what was accepted and waits",
        description="Store the beats that were accepted and wait in the spool.",
    )
    parser.add_argument(
        "--quarantine",
        action="store_true",
        help="try again what was refused, too: its lines were mended, or the store was",
    )
    add_settings(parser)
    parser.set_defaults(run=_drain)


def _drain(chosen: argparse.Namespace) -> None:
    settings = settings_of(chosen)
    writer = _writer(settings)
    spool, store, quarantine = writer.spool, writer.store, writer.quarantine
    try:
        store.check()  # also where nothing waits: a set-up that is broken must be heard of
        with _alone(writer):
            print(f"{counted(drain(spool, store, quarantine), 'beat')} stored")
            if chosen.quarantine:
                done = put_back(quarantine, store)
                spool.health.count("stored", done.stored)
                print(f"{counted(done.stored, 'quarantined line')} stored")
            _roll(writer, settings)
        _say_what_is_left(spool, quarantine)
    except (SpoolAway, StoreAway, OSError) as error:
        raise UsageError(f"{error}\nNothing is lost; the beats wait in {spool.folder}.") from error
    finally:
        store.close()


def _writer(settings: Settings) -> Writer:
    store = store_of(settings, migrate=settings.migrate)
    return Writer(spool_of(settings), store, quarantine_of(settings))


def _roll(writer: Writer, settings: Settings) -> None:
    """Do what the application's writer does at its turns: where it is off, nobody else does."""
    limits = Limits(settings.keep_beats, settings.keep_page_views, settings.keep_rows)
    if writer.spool.folder.is_dir():
        gone = Retention(writer.store, writer.spool.folder, limits).turn(math.inf)
        if gone:
            told = "keep_page_views, keep_beats and keep_rows say"
            print(f"{counted(gone, 'row')} rolled off, as {told}")


@contextlib.contextmanager
def _alone(writer: Writer) -> Iterator[None]:
    """Wait until no other process of this host drains, and keep it so; then leave our figures."""
    end = time.monotonic() + _PATIENCE
    while writer.spool.folder.is_dir():  # else nobody has accepted anything
        with writer.alone() as alone:
            if alone:
                try:
                    yield
                finally:
                    _leave_figures(writer.spool)
                return
        if time.monotonic() >= end:
            raise UsageError("another process of this host is draining, and has much to do; wait")
        time.sleep(0.05)
    yield


def _leave_figures(spool: Spool) -> None:
    """Add what this process counted to the spool's figures; another one may be at it now."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            spool.health.leave(spool.folder)
            return
        time.sleep(0.05)
    print("What was stored now is missing in health's figures: another process holds them.")


def _say_what_is_left(spool: Spool, quarantine: Quarantine) -> None:
    waiting = what_waits(spool.folder)
    if waiting.beats:
        print(
            f"{beats(waiting)} left in the spool: accepted meanwhile, "
            "or by a newer pagetimer-wsgi, which alone can read them"
        )
    for line in (*in_quarantine(quarantine), *for_other_stores(spool)):
        print(line)
