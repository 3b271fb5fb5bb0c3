"""``Writer``: when the spool is drained, by a thread that no request waits for."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from ..errors import SpoolAway, StoreAway
from ..stores.base import Store
from . import threads
from .background import PAUSE, Background
from .drain import drain
from .folders import only_one
from .others import introduce
from .quarantine import Quarantine
from .retention import Retention
from .segments import Segment
from .spool import Spool

_ROLLING = 0.1
"""Seconds of a turn that retention may take: the next beats wait no longer for it."""
_LOCK = "drain.lock"
_AFTER_BEAT = 300
"""So many lines at most are stored after a beat where no thread does it, in some 30 ms."""


_shared: dict[Path, Writer] = {}


def share_writer(folder: Path, make: Callable[[], Writer]) -> Writer:
    """Return this process's one writer of a spool, made if there is none yet."""
    writer = _shared.get(folder) or _shared.setdefault(folder, make())
    writer.users += 1
    return writer


class Writer:
    """Drains one spool into one store, in one thread a process, one process at a time a host.

    Switched off, its thread keeps the figures and removes what others have stored.
    The thread is started by :meth:`start` and never by construction: a fork would lose it.
    """

    def __init__(
        self,
        spool: Spool,
        store: Store,
        quarantine: Quarantine,
        switched_on: bool = True,
        retention: Retention | None = None,
    ) -> None:
        self.spool = spool
        self.store = store
        self.quarantine = quarantine
        self.switched_on = switched_on
        self.retention = retention
        self.users = 0
        self._threads: dict[int, Background] = {}
        self._after_beat = 0.0

    def start(self) -> None:
        """See to it that this process has its thread, where threads run."""
        pid = os.getpid()
        thread = self._threads.get(pid)
        if thread is None:
            if not threads.run_here():
                return
            thread = self._threads.setdefault(pid, Background(self._take_turn, self._no_thread))
        if not thread.runs:
            thread.start()

    def after_beat(self) -> Callable[[], None] | None:
        """Return what is to be done after a beat's response: nothing, where threads run."""
        return None if threads.run_here() else self._turn_after_beat

    def turn(self) -> None:
        """Drain, if no other process of this host is at it, and remove what is stored.

        :raises StoreAway: if the store cannot take what waits
        :raises SpoolAway: if the spool may not be used from here
        :raises OSError: if the spool or the quarantine cannot be used
        """
        self._drain(self.store)

    def turn_and_roll(self) -> None:
        """Do the same, and then let go of some that was kept long enough."""
        self.turn()
        if self.retention is not None:
            with self.alone() as alone:
                if alone:
                    self.retention.turn(_ROLLING)

    def tidy(self) -> None:
        """Do what is left to do where others drain.

        :raises SpoolAway: if the spool may not be used from here
        :raises OSError: if the spool cannot be used
        """
        self.spool.process.check_place()
        self._save_figures()
        with contextlib.suppress(StoreAway):  # whoever drains tells of it
            self._remove_stored(self.store)

    def turn_safely(self, turn: Callable[[], None]) -> bool:
        """Take a turn; where it fails, say so and return false."""
        health = self.spool.health
        try:
            self.spool.process.look_ahead()
            self.spool.process.look_again()
            turn()
        except StoreAway as error:
            health.fails("store", f"{error} Meanwhile beats wait in {self.spool.folder}.")
        except (SpoolAway, OSError) as error:
            health.fails("writer", f"{error}. Meanwhile beats wait.")
        except Exception as error:  # the thread lives whatever happens
            health.fails("writer", f"{type(error).__name__}: {error}")
        else:
            health.works("store")
            health.works("writer")
            return True
        finally:
            with contextlib.suppress(OSError):
                self._save_figures()  # with what fails now
            # A connection that waits for the next turn keeps a server from shutting down, and a
            # child that is forked meanwhile from the database.
            self.store.close()
        return False

    def flush(self, timeout: float) -> None:
        """Return once everything that this process accepted so far is in the store.

        :param timeout: seconds
        :raises TimeoutError: if it is not by then; it goes on waiting in the spool
        """
        threads.beside(lambda: self.flush_here(timeout))

    def flush_here(self, timeout: float) -> None:
        """Do the same, and keep this thread from anything else meanwhile."""
        try:
            self._flush(timeout, self.store)
        finally:
            self.store.close()

    def close(self, timeout: float = 1.0) -> None:
        """Stop the thread; what could not be stored in this time waits for the next start.

        Where several share this writer, the last one's word counts.
        """
        self.users -= 1
        if self.users > 0:
            return
        _shared.pop(self.spool.folder, None)
        thread = self._threads.pop(os.getpid(), None)
        if thread is not None and thread.runs:
            # A store may keep it waiting, not us.
            thread.stop(lambda: self._flush_last(timeout, self.store))
            threads.beside(lambda: thread.wait(timeout))
        else:
            # No thread waits in our place: where a store can do without waiting, it does.
            store = self._impatient or self.store
            threads.beside(lambda: self._flush_last(timeout, store))
        self.spool.process.close()
        self.store.close()

    def _flush(self, timeout: float, store: Store) -> None:
        end = time.monotonic() + timeout
        wanted = self.spool.process.ends()
        why = "another process is at it"
        while True:
            try:
                if self._has(wanted, store):
                    return
                self._drain(store)
                if self._has(wanted, store):
                    return
            except (StoreAway, SpoolAway, OSError) as error:
                why = str(error)
            except Exception as error:
                why = repr(error)
            if time.monotonic() >= end:
                raise TimeoutError(f"not all is stored after {timeout:g} s: {why}")
            threads.sleep(min(0.05, max(0.0, end - time.monotonic())))

    def _flush_last(self, timeout: float, store: Store) -> None:
        if self.switched_on:
            with contextlib.suppress(TimeoutError), contextlib.closing(store):
                self._flush(timeout, store)

    def _take_turn(self) -> bool:
        return self.turn_safely(self.turn_and_roll if self.switched_on else self.tidy)

    def _ends(self) -> bool:
        """Tell whether the process ends, and its thread should; :meth:`close` lets it store all."""
        thread = self._threads.get(os.getpid())
        return thread is not None and thread.ends

    def _no_thread(self, message: str) -> None:
        self.spool.health.fails("writer", message)

    def _drain(self, store: Store, most: int | None = None) -> None:
        known = self.spool.known
        try:
            known.learn()
            with self.alone() as alone:
                if alone:
                    drain(self.spool, store, self.quarantine, most, self._ends)
            self._remove_stored(store)  # before anything is written: the disk may be full
            known.tell()
        finally:
            self._save_figures()

    def _save_figures(self) -> None:
        path = self.spool.process.folder_path
        if path is not None and path.is_dir():
            self.spool.health.save(path)
            introduce(self.spool.folder, self.spool.address)

    def _remove_stored(self, store: Store) -> None:
        process = self.spool.process
        if process.has_segments() and (identity := self.spool.known.identity(store)):
            process.remove_stored(identity)

    def _turn_after_beat(self) -> None:
        """Store a little, once a second at most, and wait for nobody."""
        now = time.monotonic()
        if now - self._after_beat >= PAUSE:
            self._after_beat = now
            self.turn_safely(self._small_turn if self.switched_on else self.tidy)

    def _small_turn(self) -> None:
        store = self._impatient
        if store is None:
            self.tidy()
            return
        try:
            self._drain(store, _AFTER_BEAT)
        finally:
            store.close()

    @cached_property
    def _impatient(self) -> Store | None:
        return self.store.without_waiting()

    def _has(self, wanted: dict[Segment, int], store: Store) -> bool:
        left = {segment: end for segment, end in wanted.items() if segment.path.exists()}
        if not left:
            return True
        identity = self.spool.known.identity(store)
        return identity is not None and all(
            segment.stored(identity) >= end or segment.is_stored(identity)
            for segment, end in left.items()
        )

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Tell whether we drain alone: within this process by a lock, on this host by another.

        False also where there is no spool yet.
        """
        here = self.spool.process.draining
        if not here.acquire(blocking=False):
            yield False
            return
        try:
            if not self.spool.folder.is_dir():
                yield False
                return
            with only_one(self.spool.folder / _LOCK) as alone:
                yield alone
        finally:
            here.release()
