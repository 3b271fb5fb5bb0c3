"""``pagetimer``: the command line."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
from collections.abc import Sequence

from ..errors import PageTimerError
from ..version import __version__
from . import ask, check, keep, purge, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status.

    :return: 0; 1 if the output found no room, or `check` something wrong; 2 for what cannot be
        done as asked
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(
        prog="pagetimer",
        description="How long your users really spend on each page of a Python web application.",
    )
    parser.add_argument("--version", action="version", version=f"pagetimer-wsgi {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (serve, ask, keep, purge, check):
        group.add_commands(commands)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen) or 0
        sys.stdout.flush()
        return status
    except PageTimerError as error:
        print(f"pagetimer: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `pagetimer export | head`
        _forget_output()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _forget_output()
        print(f"pagetimer: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _forget_output() -> None:
    """What still lies in the buffer would fail again at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
