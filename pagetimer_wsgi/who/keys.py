"""The keys that sign tokens and hash sessions, made of the secrets."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets as random
from collections.abc import Sequence
from pathlib import Path

from ..errors import PageTimerError
from ..files import make_folder, open_file


class NoSecret(PageTimerError):
    """There is no secret: none is configured, and none can be read or made."""


class Keys:
    """Keys for each purpose, derived from a list of secrets.

    ``purging`` is what a store hashes users with where it remembers a purge.

    :param secrets: the first signs, all verify; the last one hashes, so that a new one put in
        front of the list changes no session's hash
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self.signing = [_derive(secret, b"token") for secret in secrets]
        self.purging = _derive(secrets[-1], b"purge")
        self._hashing = _derive(secrets[-1], b"session")
        self._visitors = _derive(secrets[-1], b"visitor")
        self._validators = _derive(secrets[-1], b"validator")

    def session_key(self, session: str) -> str:
        """Return 32 hex digits that stand for a session; nobody can log in with them."""
        return _hash(self._hashing, session.encode("utf-8", "replace"))

    def visitor(self, *parts: str) -> str:
        """Return 32 hex digits that stand for whoever these parts describe."""
        return _hash(self._visitors, "\0".join(parts).encode("utf-8", "replace"))

    def validator(self, *credentials: str) -> str:
        """Return 16 hex digits that stand for who a page was made for, in its ETag."""
        return _hash(self._validators, "\0".join(credentials).encode("utf-8", "replace"))[:16]


class KeyRing:
    """The keys, loaded when they are first asked for; a failure is tried again next time."""

    def __init__(self, configured: Sequence[str], file: Path | None, kept: Path) -> None:
        self._where = (configured, file, kept)
        self.loaded: Keys | None = None

    def get(self) -> Keys:
        """Return the keys.

        :raises NoSecret: if there is no secret, with what to do
        """
        if self.loaded is None:
            self.loaded = load_keys(*self._where)
        return self.loaded


def load_keys(configured: Sequence[str], file: Path | None, kept: Path) -> Keys:
    """Return the keys of the configured secrets, else of the file's, else of the kept one.

    :param kept: file of the secret that is made once where none is configured
    :raises NoSecret: with what is wrong and what to do
    """
    if configured:
        return Keys(configured)
    try:
        if file is not None:
            found = file.read_text().split()
            if not found or any(len(secret) < 16 for secret in found):
                raise NoSecret(f"{file} must hold keys of 16 characters or more, one a line")
            return Keys(found)
        return Keys([_kept_secret(kept)])
    except (OSError, UnicodeDecodeError) as error:
        raise NoSecret(
            f"no secret: {error}. Set the option secret, or make {file or kept} readable"
        ) from error


def _kept_secret(path: Path) -> str:
    """Read the secret that some process made; make it if none has. One of many makers wins."""
    with contextlib.suppress(FileNotFoundError):
        if found := path.read_text().strip():
            return found
    make_folder(path.parent)
    # A file of its own, linked into place: nobody ever reads half a secret.
    draft = path.with_name(f".{path.name}.{random.token_hex(8)}")
    descriptor = open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(random.token_hex(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    if found := path.read_text().strip():
        return found
    raise OSError(f"{path} is empty; remove it")


def _derive(secret: str, purpose: bytes) -> bytes:
    return hmac.digest(secret.encode(), b"pagetimer " + purpose, "sha256")


def _hash(key: bytes, text: bytes) -> str:
    return hashlib.blake2b(text, key=key, digest_size=16).hexdigest()
