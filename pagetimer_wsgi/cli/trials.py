"""What ``pagetimer check`` tries: the configuration and everything it names, for real.

Each trial yields what it found, and lets an error go that says what is wrong.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import PageTimerError
from ..files import make_folder
from ..settings import Settings
from ..spool.quarantine import Quarantine
from ..spool.room import FREE_BYTES
from ..spool.spool import Spool
from ..spool.waiting import what_waits
from ..stores.base import Store, without_password
from ..who.keys import load_keys
from .told import age, beats, counted, for_other_stores, in_quarantine, size

_LONG = 3600
"""Seconds after which a beat that still waits shows that nobody drains."""


class Wrong(PageTimerError):
    """Something that is not as it must be; says what would be right."""


@dataclass(frozen=True)
class Parts:
    """What is tried."""

    settings: Settings
    spool: Spool
    store: Store
    quarantine: Quarantine


def user(parts: Parts) -> Iterator[str]:
    """Tell who tries it, and who should."""
    there = parts.settings.data
    while not there.exists():
        there = there.parent
    me, owner = _name(os.geteuid()), _name(there.stat().st_uid)
    better = f"{there} belongs to {owner}: run `sudo -u {owner} pagetimer check`"
    if not os.access(there, os.W_OK):
        raise Wrong(f"{me}, but {better}")
    yield me
    if os.geteuid() == 0 and owner != me:
        yield f"root may do what the application may not, and {better}"


def data(parts: Parts) -> Iterator[str]:
    """Try to write into the folder of everything that has no place of its own."""
    folder = parts.settings.data
    make_folder(folder)
    _try_to_write(folder)
    yield f"{folder}, {_room(folder)}"
    if folder.stat().st_mode & 0o007:
        yield f"everybody on this machine can look into it; better: chmod o-rwx {folder}"


def secret(parts: Parts) -> Iterator[str]:
    """Load the keys as the application does; make the one that is kept in data."""
    settings = parts.settings
    kept = settings.data / "secret"
    keys = load_keys(settings.secret, settings.secret_file, kept)
    where = "the option secret" if settings.secret else settings.secret_file or kept
    yield f"{counted(len(keys.signing), 'key')} in {where}"
    if not settings.store.startswith("sqlite:"):
        yield "every other host that writes to this store needs the same"


def spool(parts: Parts) -> Iterator[str]:
    """Try to take a folder of the spool, as each process does, and look at what waits there."""
    found = parts.spool
    make_folder(found.folder)
    yield f"{found.folder}, {_room(found.folder)}; at most {size(found.limit)} may wait"
    found.process.check()
    yield from for_other_stores(found)
    waiting = what_waits(found.folder)
    if waiting.oldest_age is None:
        yield "nothing waits"
        return
    text = f"{beats(waiting)} waiting, the first for {age(waiting.oldest_age)}"
    if waiting.oldest_age > _LONG:
        raise Wrong(f"{text}: nobody stores them; {_whose_turn(parts.settings)}")
    yield text


def writer(parts: Parts) -> Iterator[str]:
    """Say who stores what waits."""
    if parts.settings.writer == "off":
        yield "off: `pagetimer drain` stores what waits; run it every minute, by cron or a timer"
    else:
        yield "on: a thread of each process of the application stores what waits, one at a time"


def store(parts: Parts) -> Iterator[str]:
    """Write to the store."""
    yield without_password(parts.settings.store)
    yield f"written to: {parts.store.check()}, identity {parts.store.identity()}"
    strange = parts.store.strange_purges()
    if strange:
        raise Wrong(
            f"{counted(strange, 'purge')} by user made with another secret, so that what still "
            "lies in a spool here would come back; every host of this store needs the same secret"
        )


def quarantine(parts: Parts) -> Iterator[str]:
    """Count what was refused."""
    found = "\n".join(in_quarantine(parts.quarantine))
    if found:
        raise Wrong(found)
    yield "empty"


def kept(parts: Parts) -> Iterator[str]:
    """Say for how long."""
    settings = parts.settings
    page_views = _lasting(settings.keep_page_views)
    yield f"page views {page_views}, their beats {_lasting(settings.keep_beats)}"
    if settings.keep_rows is not None:
        yield f"at most {counted(settings.keep_rows, 'page view')}, the newest"


def viewers(parts: Parts) -> Iterator[str]:
    """Say who may look."""
    settings = parts.settings
    told = sorted(settings.viewers)
    if settings.viewer_token or settings.viewer_token_file:
        _read_password(settings)
        told.append("whoever knows the password")
    yield ", ".join(told) or (
        "nobody may see dashboard and figures: name users by viewers, or set viewer_token; "
        "`pagetimer dashboard` shows them on this machine"
    )


def figures(parts: Parts) -> Iterator[str]:
    """Tell what the application's processes say of themselves."""
    found = parts.spool.figures()
    if found.failing:
        told = [f"{part}: {reason}" for part, reason in sorted(found.failing.items())]
        raise Wrong("\n".join(told))
    names = ("accepted", "stored", "quarantined", "refused")
    yield ", ".join(f"{getattr(found, name):,} {name}" for name in names)
    error = found.last_error
    if error is not None:
        ago = age(max(0.0, time.time() - error.at / 1000))
        yield f"{counted(found.errors, 'error')}, the last {ago} ago: {error.part}: {error.text}"


TRIALS: tuple[Callable[[Parts], Iterator[str]], ...] = (
    user,
    data,
    secret,
    spool,
    writer,
    store,
    quarantine,
    kept,
    viewers,
    figures,
)


def _try_to_write(folder: Path) -> None:
    draft = folder / f".check.{secrets.token_hex(8)}"
    try:
        draft.touch(mode=0o600)
    finally:
        draft.unlink(missing_ok=True)


def _room(folder: Path) -> str:
    disk = shutil.disk_usage(folder)
    if disk.total < FREE_BYTES:
        raise Wrong(
            f"{folder}: its disk has {size(disk.total)} in all, and beats are taken only while "
            f"{size(FREE_BYTES)} are free; put it on a larger one"
        )
    if disk.free < FREE_BYTES:
        raise Wrong(
            f"{folder}: {size(disk.free)} of its disk are free, and beats are taken only while "
            f"{size(FREE_BYTES)} are; make room"
        )
    return f"{size(disk.free)} free"


def _read_password(settings: Settings) -> None:
    file = settings.viewer_token_file
    if file is not None and not settings.viewer_token and not file.read_text().strip():
        raise Wrong(f"{file} is empty; it must hold the password")


def _whose_turn(settings: Settings) -> str:
    if settings.writer == "off":
        return "run `pagetimer drain`"
    return "see that the application runs, or run `pagetimer drain`"


def _lasting(seconds: int | None) -> str:
    return "for ever" if seconds is None else f"for {age(seconds)}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
