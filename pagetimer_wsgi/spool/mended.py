"""Quarantined lines, put back once they can be stored: they were mended, or the store was."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import BadLine
from ..events import Beat
from ..lines import NewerLine, decode, sealed
from ..stores.base import Store
from .quarantine import Quarantine, Row

_BATCH = 2000


@dataclass
class PutBack:
    """How many rows of a quarantine were stored, and how many are left."""

    stored: int = 0
    left: int = 0


def put_back(quarantine: Quarantine, store: Store) -> PutBack:
    """Try every row again: what is stored leaves the file, what is refused stays with its reason.

    Only who drains alone may do so. Killed at any moment it loses nothing, and the next one
    doubles nothing: the file is replaced at the end, and replays are harmless.

    :raises StoreAway: if the store cannot take them; all stay
    :raises OSError: if the file cannot be read or replaced; likewise
    """
    done = PutBack()
    if quarantine.path.exists():
        quarantine.replace(_left(quarantine.rows(), store, done))
    return done


def _left(rows: Iterator[Row | bytes], store: Store, done: PutBack) -> Iterator[Row | bytes]:
    while batch := list(itertools.islice(rows, _BATCH)):
        left = list(_tried(batch, store))
        done.stored += len(batch) - len(left)
        done.left += len(left)
        yield from left


def _tried(batch: Iterable[Row | bytes], store: Store) -> Iterator[Row | bytes]:
    """Store what can be stored now, and yield the others."""
    decoded = [_decoded(row) for row in batch]
    refused = set(store.write([beat for _, beat in decoded if beat is not None]))
    for row, beat in decoded:
        if beat is None:
            yield row
        elif beat in refused:
            yield _because("the store refuses it still", row)


def _decoded(row: Row | bytes) -> tuple[Row | bytes, Beat | None]:
    """Return the row's beat; without one, the row with the reason why it has none."""
    if isinstance(row, bytes):
        return row, None
    try:
        return row, decode(_line(row))
    except (BadLine, NewerLine) as error:
        return _because(str(error), row), None


def _because(reason: str, row: Row | bytes) -> Row | bytes:
    return row if isinstance(row, bytes) else msgspec.structs.replace(row, reason=reason)


def _line(row: Row) -> bytes:
    """Return the row's line; where an editor may have spaced it anew, in our form.

    Who mends a beat takes its CRC-32 out: what still has one must be what was written.
    """
    if row.beat is msgspec.UNSET:
        return row.refused()
    known = msgspec.json.decode(row.beat, type=dict[str, Any])
    version, crc32 = known.pop("format", None), known.pop("crc32", None)
    if type(version) is not int or type(crc32) not in (int, type(None)) or not known:
        return row.refused()
    return sealed(msgspec.json.encode(known)[1:], version, crc32)
