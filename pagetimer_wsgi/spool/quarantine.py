"""What no store can take: kept on disk, word for word, with the reason."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import msgspec


class Quarantine:
    """A file of refused lines, one JSON object a line: ``at``, ``reason``, ``line``.

    ``line`` is base64, for what was refused may be no text at all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, refused: list[tuple[bytes, str]]) -> None:
        """Keep lines, each with the reason. They are on disk when this returns.

        :raises OSError: if they could not be made durable
        """
        at = int(time.time() * 1000)
        data = b"".join(
            msgspec.json.encode(
                {"at": at, "reason": reason, "line": base64.b64encode(line).decode()}
            )
            + b"\n"
            for line, reason in refused
        )
        os.makedirs(self.path.parent, mode=0o700, exist_ok=True)
        with open(self.path, "ab", opener=_private) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
