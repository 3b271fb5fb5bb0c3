"""``pagetimer``: the command line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from ..errors import PageTimerError
from ..version import __version__
from . import ask, keep, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, or 2 for what cannot be done as asked."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(
        prog="pagetimer",
        description="How long your users really spend on each page of a Python web application.",
    )
    parser.add_argument("--version", action="version", version=f"pagetimer-wsgi {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (serve, ask, keep):
        group.add_commands(commands)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
        sys.stdout.flush()
    except PageTimerError as error:
        print(f"pagetimer: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `pagetimer export | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0
