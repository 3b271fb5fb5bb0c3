"""A virtual environment in which the two older packages run, as this run's pip makes it."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "django-pagetimer==0.2.0",
    "django-djaffar==0.1.10",
    "Django==1.11.29",  # the last one that both run on
    "djangorestframework==3.11.2",  # the last one for that Django
    "psycopg2-binary",
)
_HERE = Path(__file__).resolve().parent
_SECONDS = 240


class Environment:
    """The interpreter of a new virtual environment.

    :param folder: where it is made
    :raises subprocess.SubprocessError: if pip cannot fetch the packages
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.python = str(folder / "bin" / "python")
        wanted = [*PACKAGES, f"gunicorn=={version('gunicorn')}"]
        self._run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)

    def make_tables(self, environment: Mapping[str, str]) -> None:
        """Make both packages' tables in a database, and the readers' sessions."""
        self._run("-m", "load.older", **environment)

    def _run(self, *arguments: str, **environment: str) -> None:
        subprocess.run(
            [self.python, *arguments],
            check=True,
            timeout=_SECONDS,
            env={**os.environ, "PYTHONPATH": str(_HERE.parents[1]), **environment},
        )
