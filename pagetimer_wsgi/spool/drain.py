"""One pass over the spool: read, write to the store, mark, remove."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import BadLine
from ..events import Beat
from ..lines import NewerLine, decode
from ..pace import gently
from ..stores.base import Store
from . import folders
from .health import Health, counted_in, inherit
from .quarantine import Quarantine
from .segments import Segment, segments_in, write_marks
from .spool import Spool

BATCH = 5_000
"""Beats in one transaction. The more there are of a page view, the less often it is written.

So many take some five MB of memory, and a tenth of a second; longer where others compute, and
three where all of them are refused, one by one. Nobody else writes into the database meanwhile.
"""


@dataclass
class _Batch:
    beats: list[Beat] = field(default_factory=list)
    bad: list[tuple[bytes, str]] = field(default_factory=list)
    spans: dict[Segment, tuple[int, int]] = field(default_factory=dict)
    """From which byte to which of each segment they are."""

    def take(self, line: bytes) -> int:
        """Take one more line, and return how many it has now.

        :raises NewerLine: if it is one of a newer version
        """
        try:
            self.beats.append(decode(line))
        except BadLine as error:
            self.bad.append((line, error.reason))
        return len(self.beats) + len(self.bad)


def drain(
    spool: Spool,
    store: Store,
    quarantine: Quarantine,
    most: int | None = None,
    ends: Callable[[], bool] = lambda: False,
) -> int:
    """Store every line that waits, of processes dead and alive, and return how many beats.

    Only one process of a host should do so at a time; if more do, nothing is lost or doubled.
    Segments of dead processes go once they are stored; of the living, their owners remove them.

    :param most: stop after so many lines, in one transaction
    :param ends: tells after each transaction whether to stop, since the process ends
    :raises SpoolAway: if the spool may not be used from here
    :raises StoreAway: if the store cannot take them; they wait
    :raises OSError: if the spool or the quarantine cannot be used; likewise
    """
    spool.process.check_place()
    write_marks()
    stored = 0
    if segments := spool.segments():
        identity = spool.known.made(store)
        batches = _batches(segments, identity, spool.health, most or BATCH)
        for batch in itertools.islice(batches, None if most is None else 1):
            stored += _write(batch, identity, spool, store, quarantine)
            if ends():
                return stored
    # One after the other: each one holds a descriptor of the host's.
    for folder in itertools.islice(folders.adopt(spool.folder), most):
        _clear(folder, spool, store)
    return stored


def _batches(
    segments: Sequence[Segment], identity: str, health: Health, size: int
) -> Iterator[_Batch]:
    batch = _Batch()
    for segment in segments:
        begin = end = segment.stored(identity)
        try:
            for line, after in gently(segment.lines(begin)):
                full = batch.take(line) >= size
                end = after
                if full:
                    batch.spans[segment] = begin, end
                    yield batch
                    batch, begin = _Batch(), end
        except FileNotFoundError:
            continue  # its owner has removed it: it was stored
        except NewerLine:
            pass  # it and what follows are left for a newer drainer
        except OSError as error:
            health.say("segment", f"it waits, for it cannot be read: {error}")
        if end > begin:
            batch.spans[segment] = begin, end
    if batch.spans:
        yield batch


def _write(batch: _Batch, identity: str, spool: Spool, store: Store, quarantine: Quarantine) -> int:
    refused = _refused(batch, store)
    bad = batch.bad + [(line, "the store refuses it") for line in refused]
    if bad:
        quarantine.put(bad)
        spool.health.count("quarantined", len(bad))
        reason = f"lines put into {quarantine.path}: {len(bad)}; the first: {bad[0][1]}"
        spool.health.say("quarantine", reason)
    spool.known.identity(store)  # what went into another file meanwhile is not stored
    for segment, (_, end) in batch.spans.items():
        segment.mark(end, identity)
    stored = len(batch.beats) - len(refused)
    spool.health.count("stored", stored)
    return stored


def _refused(batch: _Batch, store: Store) -> list[bytes]:
    """Write the beats, and return the lines of those that the store refuses."""
    refused = set(store.write(batch.beats))
    return [line for line in _lines(batch) if _beat(line) in refused] if refused else []


def _lines(batch: _Batch) -> Iterator[bytes]:
    """Read the batch's lines again, word for word; who kept them would need twice the memory."""
    for segment, (begin, end) in batch.spans.items():
        with contextlib.suppress(FileNotFoundError):  # another drainer has done with it
            for line, after in segment.lines(begin):
                if after > end:
                    break
                yield line


def _beat(line: bytes) -> Beat | None:
    try:
        return decode(line)
    except BadLine:
        return None


def _clear(folder: folders.ProcessFolder, spool: Spool, store: Store) -> None:
    """Remove what a dead process left, as far as the very store that is there now has it."""
    try:
        counted = counted_in(folder.path)
        try:
            inherit(spool.folder, folder.path, counted)
        except BlockingIOError:
            return  # another one inherits: the next turn does it
        except OSError:  # the disk may be full: what goes makes room
            _remove_stored(folder, spool, store)
            inherit(spool.folder, folder.path, counted)
        _remove_stored(folder, spool, store)
        if not segments_in(folder.path):
            folder.remove()
    finally:
        folder.let_go()


def _remove_stored(folder: folders.ProcessFolder, spool: Spool, store: Store) -> None:
    if segments := segments_in(folder.path):
        identity = spool.known.made(store)
        for segment in segments:
            if segment.is_stored(identity):
                segment.remove()
