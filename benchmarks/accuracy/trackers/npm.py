"""Packages of the npm registry: fetched when they are needed, never installed, never run here."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 120.0
"""Seconds that one download may take."""


class Unavailable(Exception):
    """A package cannot be had here; the message says why, in one line."""


@dataclass(frozen=True)
class Package:
    """One file of one version of a package.

    :param name: as the registry knows it
    :param version: exactly this one
    :param file: the path of the file within the package
    """

    name: str
    version: str
    file: str

    def fetch(self, cache: Path) -> bytes:
        """Return the file's bytes; ask the registry only if the cache lacks the package.

        :param cache: a folder, made if it is not there
        :raises Unavailable: without npm, registry, package or file
        """
        archive = cache / f"{self.name.replace('/', '-')}-{self.version}.tgz"
        if not archive.exists():
            cache.mkdir(parents=True, exist_ok=True)
            self._download(archive)
        with tarfile.open(archive) as members:
            try:
                member = members.extractfile(f"package/{self.file}")
            except KeyError:
                member = None
            if member is None:
                raise Unavailable(f"{self} has no file {self.file}")
            return member.read()

    def _download(self, archive: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable(f"{self} cannot be fetched: there is no npm on this machine")
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            self._pack(npm, folder)
            for packed in Path(folder).glob("*.tgz"):
                packed.replace(archive)  # a download that broke off never has the archive's name

    def _pack(self, npm: str, folder: str) -> None:
        command = [npm, "pack", "--ignore-scripts", "--pack-destination", folder, str(self)]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{self} did not come within {TIMEOUT:.0f} s") from None
        except subprocess.CalledProcessError as error:
            code = re.search(rb"code (\w+)", error.stderr)
            reason = code[1].decode() if code else f"status {error.returncode}"
            raise Unavailable(f"{self} cannot be fetched: npm says {reason}") from None

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"
