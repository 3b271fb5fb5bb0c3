"""``pagetimer report`` and ``pagetimer export``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from ..reports.export import export_csv
from ..reports.formats import as_csv, report_heads, report_json, report_row, report_table
from ..reports.questions import REPORTS, Period, Questions
from ..settings import Settings
from ..spool.waiting import what_waits
from .common import Commands, UsageError, add_settings, settings_of, spool_of, store_of


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    report = commands.add_parser(
        "report",
        help="where the time went, by page, user, session …",
        description="Print totals of a period: page views, people, visible and engaged time.",
    )
    report.add_argument("--by", choices=list(REPORTS), default="page", help="default: page")
    report.add_argument("--format", choices=["table", "csv", "json"], default="table")
    report.set_defaults(run=_report)
    export = commands.add_parser(
        "export",
        help="every page view of a period as CSV",
        description="Write every page view of a period as CSV, django-pagetimer's columns first.",
    )
    export.add_argument("--output", metavar="FILE", help="default: standard output")
    export.set_defaults(run=_export)
    for parser in (report, export):
        parser.add_argument("--from", dest="first", metavar="DATE", help="first day, YYYY-MM-DD")
        parser.add_argument("--to", dest="last", metavar="DATE", help="last day; default: today")
        add_settings(parser)


def _report(chosen: argparse.Namespace) -> None:
    settings = settings_of(chosen)
    period = _period(chosen, settings)
    rows = Questions(store_of(settings), period).totals(chosen.by)
    by = REPORTS[chosen.by]
    if chosen.by == "page" and all(row.key["site"] is None for row in rows):
        by = ("path",)
        for row in rows:
            del row.key["site"]
    if chosen.format == "json":
        print(report_json(by, rows))
    elif chosen.format == "csv":
        _write(as_csv(report_heads(by), map(report_row, rows)), None)
    else:
        print(f"Page views by {chosen.by}, {period.title}\n")
        print(report_table(by, rows) if rows else "There are none in this period.")
    _say_what_waits(settings)


def _export(chosen: argparse.Namespace) -> None:
    settings = settings_of(chosen)
    views = Questions(store_of(settings), _period(chosen, settings)).page_views()
    _write(export_csv(views), chosen.output)
    _say_what_waits(settings)


def _period(chosen: argparse.Namespace, settings: Settings) -> Period:
    try:
        period = Period.of(chosen.first, chosen.last, settings.time_zone)
        period.query()
        return period
    except OverflowError as error:
        reason = "--from and --to: the calendar does not reach so far"
        raise UsageError(reason) from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _write(lines: Iterable[str], output: str | None) -> None:
    if output is None:
        for line in lines:
            sys.stdout.write(line)
        return
    # What stood there stays until all of the new file is written; a pipe has nothing to keep.
    replaces = not Path(output).exists() or Path(output).is_file()
    draft = Path(f"{output}.part" if replaces else output)
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
        if replaces:
            draft.replace(output)
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror}") from error
    finally:
        if replaces:
            draft.unlink(missing_ok=True)


def _say_what_waits(settings: Settings) -> None:
    """Tell of beats that are accepted and not stored yet: no figure here counts them."""
    spool = spool_of(settings)
    try:
        waiting = what_waits(spool.folder).beats
    except OSError:
        return
    if waiting:
        note = "beats are accepted and not stored yet; the application stores them, or"
        print(f"\n{waiting} {note} `pagetimer drain`.", file=sys.stderr)
