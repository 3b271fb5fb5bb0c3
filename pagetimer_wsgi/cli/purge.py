"""``pagetimer purge``."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from datetime import date, datetime
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from ..converters import duration
from ..errors import StoreAway
from ..settings import Settings
from ..stores.base import Store
from ..stores.query import Query
from .common import Commands, UsageError, add_settings, quarantine_of, settings_of, store_of
from .told import counted, in_quarantine, size

_FOR_EVER = 1000 * 365 * 86_400


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    parser = commands.add_parser(
        "purge",
        help="remove page views for good: a user's, a page's, or old ones",
        description="Remove the page views that all of these mean, with their beats, for good: "
        "what was received of them before and comes to be stored only later is dropped as well. "
        "Without --yes, say what would go.",
    )
    parser.add_argument("--user", metavar="NAME", help="this user's")
    parser.add_argument("--path", metavar="PATH", help="this page's; * stands for anything")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--before", metavar="DATE", help="begun before this day, YYYY-MM-DD")
    when.add_argument("--older-than", metavar="TIME", help="begun so long ago, such as 90 days")
    parser.add_argument("--yes", action="store_true", help="remove them")
    add_settings(parser)
    parser.set_defaults(run=_purge)


def _purge(chosen: argparse.Namespace) -> None:
    settings = settings_of(chosen)
    query = _query(chosen, settings)
    store = store_of(settings, migrate=settings.migrate)
    try:
        for line in _meant(store, query, settings.time_zone):
            print(line)
        if chosen.yes:
            _remove(store, query, settings)
        else:
            print("Nothing is removed yet: --yes does it.")
    except StoreAway as error:
        raise UsageError(str(error)) from error
    finally:
        store.close()


def _query(chosen: argparse.Namespace, settings: Settings) -> Query:
    end = _end(chosen, settings)
    if chosen.user is None and chosen.path is None and end is None:
        raise UsageError("say what: --user, --path, --before or --older-than, or several of them")
    return Query(kinds=(), user=chosen.user, path=chosen.path, started_to=end)


def _end(chosen: argparse.Namespace, settings: Settings) -> int | None:
    """Return before when a page view must have begun, in milliseconds since 1970."""
    try:
        if chosen.before is not None:
            day = date.fromisoformat(chosen.before)
            begins = datetime.combine(day, time_of_day(), ZoneInfo(settings.time_zone))
            return int(begins.timestamp() * 1000)
        if chosen.older_than is not None:
            return time.time_ns() // 1_000_000 - duration(chosen.older_than) * 1000
    except (ValueError, OverflowError) as error:
        option = "--before" if chosen.before is not None else "--older-than"
        raise UsageError(f"{option}: {error}") from error
    return None


def _meant(store: Store, query: Query, time_zone: str) -> Iterator[str]:
    """Yield what would go."""
    number = store.count(query)
    if not number:
        yield "No page view that is stored is meant."
        return
    beats = store.count(query, "beats")
    yield f"{counted(number, 'page view')} with {counted(beats, 'beat')},"
    one = dataclasses.replace(query, limit=1)
    newest = dataclasses.replace(one, newest_first=True)
    moments = [
        f"{datetime.fromtimestamp(view.started_at / 1000, ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"
        for found in (one, newest)
        for view in store.page_views(found)
    ]
    yield f"begun from {' to '.join(moments)} ({time_zone})."


def _remove(store: Store, query: Query, settings: Settings) -> None:
    before = store.size()
    remembered = _FOR_EVER if settings.keep_beats is None else settings.keep_beats
    print(f"{counted(store.purge(query, remembered=remembered), 'page view')} removed.")
    while not store.upkeep(1):
        pass
    after = store.size()
    if before is not None and after is not None and after < before:
        print(f"{size(before - after)} of disk came back.")
    print("What was received of them before, and waits somewhere, is dropped when it comes.")
    for line in in_quarantine(quarantine_of(settings)):
        print(line)
