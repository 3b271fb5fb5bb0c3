"""What no store can take: kept on disk, word for word, with the reason."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ..files import DRAFT, make_folder, open_file, sync_folder


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line that was refused, as it stands in the file: exact, and fit to be edited by people.

    It is ``beat`` where it is a JSON object, ``line`` where it is any other text, and else
    ``base64``; :func:`row_of` chooses.
    """

    at: int
    """When it was put there, in milliseconds since 1970 UTC."""
    reason: str
    beat: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    line: str | msgspec.UnsetType = msgspec.UNSET
    base64: str | msgspec.UnsetType = msgspec.UNSET

    def refused(self) -> bytes:
        """Return the line that was refused, byte for byte.

        :raises ValueError: if the row has none, or no base64 where it says so
        """
        if self.beat is not msgspec.UNSET:
            return bytes(self.beat)
        if self.line is not msgspec.UNSET:
            return self.line.encode()
        if self.base64 is not msgspec.UNSET:
            return base64.b64decode(self.base64, validate=True)
        raise ValueError("one of `beat`, `line` and `base64` is needed")


def row_of(line: bytes, reason: str, at: int) -> Row:
    """Return the row that keeps a refused line."""
    if line[:1] == b"{" and line[-1:] == b"}":  # JSON around which nothing is to be kept
        try:
            msgspec.json.decode(line)
            return Row(at, reason, beat=msgspec.Raw(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    try:
        return Row(at, reason, line=line.decode())
    except UnicodeDecodeError:
        return Row(at, reason, base64=base64.b64encode(line).decode())


class Quarantine:
    """A file of refused lines, one JSON object a line: ``at``, ``reason`` and the line itself.

    Whoever reads or writes it drains alone on this host.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, refused: list[tuple[bytes, str]]) -> None:
        """Keep lines, with or without newline, and reasons. They are on disk when this returns.

        :raises OSError: if they could not be made durable
        """
        at = int(time.time() * 1000)
        rows = (row_of(line.removesuffix(b"\n"), reason, at) for line, reason in refused)
        make_folder(self.path.parent, fsync=True)
        descriptor = open_file(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            _append(descriptor, b"".join(map(_written, rows)))
        except OSError as error:
            error.filename = str(self.path)  # a descriptor does not say where it leads
            raise
        finally:
            os.close(descriptor)
        sync_folder(self.path.parent)

    def rows(self) -> Iterator[Row | bytes]:
        """Yield what lies there; as bytes what is no row (somebody's edit, a torn write).

        :raises OSError: if it cannot be read
        """
        try:
            with open(self.path, "rb") as stream:
                for written in stream:
                    if written.strip():
                        yield _read(written)
        except FileNotFoundError:
            return

    def replace(self, rows: Iterable[Row | bytes]) -> None:
        """Let these be what lies there, all or nothing; without any the file goes.

        :raises OSError: if they could not be made durable; what lay there stays
        """
        draft = self.path.with_suffix(DRAFT)
        with open(open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
            stream.writelines(map(_written, rows))
            stream.flush()
            os.fsync(stream.fileno())
        if draft.stat().st_size:
            draft.replace(self.path)
        else:
            self.path.unlink()
            draft.unlink()
        sync_folder(self.path.parent)


def _append(descriptor: int, data: bytes) -> None:
    """Append rows; none of them, if not all can be made durable."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        data = b"\n" + data  # whoever wrote before was killed at it
    try:
        written = os.write(descriptor, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes of quarantine fit")
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _written(row: Row | bytes) -> bytes:
    if isinstance(row, bytes):
        return row.rstrip(b"\n") + b"\n"
    return msgspec.json.encode(row) + b"\n"


def _read(written: bytes) -> Row | bytes:
    try:
        row = msgspec.json.decode(written, type=Row)
        row.refused()
    except (ValueError, msgspec.DecodeError):
        return written
    return row
