"""``Writer``: when the spool is drained, by a thread that no request waits for."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import StoreAway
from ..stores.base import Store
from .drain import drain
from .folders import only_one
from .quarantine import Quarantine
from .segments import Segment
from .spool import Spool

_PAUSE = 1.0
_PAUSE_AWAY = 5.0
_LOCK = "drain.lock"


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
        self, spool: Spool, store: Store, quarantine: Quarantine, switched_on: bool = True
    ) -> None:
        self.spool = spool
        self.store = store
        self.quarantine = quarantine
        self.switched_on = switched_on
        self.users = 0
        self._threads: dict[int, _Thread] = {}

    def start(self) -> None:
        """See to it that this process has its thread."""
        pid = os.getpid()
        if pid not in self._threads:
            thread = self._threads.setdefault(pid, _Thread(self))
            thread.start_once()

    def turn(self) -> None:
        """Drain, if no other process of this host is at it, and remove what is stored.

        :raises StoreAway: if the store cannot take what waits
        :raises OSError: if the spool or the quarantine cannot be used
        """
        try:
            with self.alone() as alone:
                if alone:
                    drain(self.spool, self.store, self.quarantine)
        finally:
            self._save_figures()
        self._remove_stored()

    def tidy(self) -> None:
        """Do what is left to do where others drain.

        :raises OSError: if the spool cannot be used
        """
        self._save_figures()
        with contextlib.suppress(StoreAway):  # whoever drains tells of it
            self._remove_stored()

    def flush(self, timeout: float) -> None:
        """Return once everything that this process accepted so far is in the store.

        :param timeout: seconds
        :raises TimeoutError: if it is not by then; it goes on waiting in the spool
        """
        end = time.monotonic() + timeout
        wanted = self.spool.process.ends()
        why = "another process is at it"
        while True:
            try:
                if self._has(wanted):
                    return
                self.turn()
                if self._has(wanted):
                    return
            except (StoreAway, OSError) as error:
                why = str(error)
            if time.monotonic() >= end:
                raise TimeoutError(f"not all is stored after {timeout:g} s: {why}")
            time.sleep(min(0.05, max(0.0, end - time.monotonic())))

    def _has(self, wanted: dict[Segment, int]) -> bool:
        left = {segment: end for segment, end in wanted.items() if segment.path.exists()}
        if not left:
            return True
        identity = self.store.identity()
        return all(
            segment.stored(identity) >= end or segment.is_stored(identity)
            for segment, end in left.items()
        )

    def close(self, timeout: float = 1.0) -> None:
        """Stop the thread; what could not be stored in this time waits for the next start.

        Where several share this writer, the last one's word counts.
        """
        self.users -= 1
        if self.users > 0:
            return
        _shared.pop(self.spool.folder, None)
        thread = self._threads.pop(os.getpid(), None)
        if thread is not None:
            thread.stop(timeout)  # its last act is to flush: a store may keep it waiting, not us
        elif self.switched_on:
            with contextlib.suppress(TimeoutError):
                self.flush(timeout)
        self.spool.process.close()
        self.store.close()

    def _save_figures(self) -> None:
        path = self.spool.process.folder_path
        if path is not None and path.is_dir():
            self.spool.health.save(path)

    def _remove_stored(self) -> None:
        if self.spool.process.has_segments():
            self.spool.process.remove_stored(self.store.identity())

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


class _Thread:
    """The writer's thread in one process."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._stop = threading.Event()
        self._last = 0.0
        self._once = threading.Lock()
        self._thread: threading.Thread | None = None

    def start_once(self) -> None:
        with self._once:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="pagetimer writer", daemon=True
                )
                self._thread.start()

    def stop(self, timeout: float) -> None:
        self._last = timeout
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        pause = _PAUSE
        while not self._stop.wait(pause):
            pause = _PAUSE if self._turn() else _PAUSE_AWAY
        if self._writer.switched_on:
            with contextlib.suppress(TimeoutError):
                self._writer.flush(self._last)

    def _turn(self) -> bool:
        health = self._writer.spool.health
        try:
            self._writer.turn() if self._writer.switched_on else self._writer.tidy()
        except StoreAway as error:
            health.fails("store", f"{error} Meanwhile beats wait in {self._writer.spool.folder}.")
        except Exception as error:  # the thread lives whatever happens
            health.fails("writer", f"{type(error).__name__}: {error}")
        else:
            health.works("store")
            health.works("writer")
            return True
        finally:
            # A connection that waits for the next turn keeps a server from shutting down.
            self._writer.store.close()
        return False
