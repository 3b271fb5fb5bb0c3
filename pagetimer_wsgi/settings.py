"""THE option table, and how its values are found: keyword, environment, ini file, default.

Every option stands once, in :class:`Settings`. What is wrong in the *text* of a value raises
:class:`~pagetimer_wsgi.errors.SettingsError` here; what needs disk or network to be judged is
judged where it is used, and never stops a start.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from . import converters as to
from .converters import Globs, Identify, Networks, Rate
from .errors import SettingsError
from .logs import log


def option(
    convert: Callable[[Any], Any],
    default: str | None,
    help: str,
    unit: str = "",
    shown: bool = True,
) -> Any:
    """Return a row of the option table.

    :param convert: turns what was written into the value; raises ValueError with what is right
    :param default: as one would write it; ``None``: nothing
    :param unit: of a number that stands without one
    :param shown: whether the value may stand in logs
    """
    return field(
        repr=shown, metadata={"convert": convert, "default": default, "help": help, "unit": unit}
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every option, with its value."""

    # Where things are
    prefix: str = option(to.prefix, "/_pagetimer", "The path that is ours.")
    url: str | None = option(
        to.outside_url,
        None,
        "The outside address of prefix, where a proxy strips a path and does not say so.",
    )
    data: Path = option(
        to.path, "pagetimer-data", "Folder (0700) of database, spool, secret and quarantine."
    )
    store: str = option(
        to.text,
        "sqlite in data",
        "URL of the store: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.",
        shown=False,
    )
    spool: Path = option(
        to.path, "spool in data", "Folder in which accepted beats wait; on a local disk."
    )
    spool_limit: int = option(to.size, "512 MiB", "At most so much waits; then beats get 503.", "B")
    fsync: bool = option(
        to.yes_or_no, "no", "Whether an accepted beat also survives a loss of power."
    )
    migrate: bool = option(to.yes_or_no, "yes", "Whether the writer makes and changes tables.")
    writer: str = option(
        to.one_of("auto", "off"),
        "auto",
        "Whether this process stores what waits; if off, `pagetimer drain` does.",
    )
    # Who it is
    secret: tuple[str, ...] = option(
        to.secrets,
        "",
        "Keys, of which the first signs and all verify; without one, one is made and kept in data.",
        shown=False,
    )
    secret_file: Path | None = option(to.path, None, "File with one key a line, instead of secret.")
    user_key: tuple[str, ...] = option(
        to.sources, "REMOTE_USER", "Where environ names the user; the first hit wins."
    )
    session_key: tuple[str, ...] = option(
        to.sources, "", "Where environ names the browser session; the first hit wins."
    )
    identify: Identify | None = option(
        to.function,
        None,
        "module:function that says from environ who asks on our own addresses, for the "
        "application does not run there; each framework hook brings one.",
    )
    visitor: str = option(
        to.one_of("daily-hash", "cookie", "none"),
        "daily-hash",
        "What stands for a session where environ has none.",
    )
    site: str | None = option(to.name, None, "A name for this site, where a store holds several.")
    # What is measured
    inject: bool = option(
        to.yes_or_no, "yes", "Whether pages get the script; if not, use pagetimer.tag."
    )
    include: Globs = option(to.globs, "", "Only these paths (* within a segment, ** across).")
    exclude: Globs = option(to.globs, "", "Not these paths.")
    exclude_users: frozenset[str] = option(to.names, "", "Users who are never measured.")
    exclude_ips: Networks = option(
        to.networks, "", "Addresses and networks (CIDR) that are never measured."
    )
    interval: int = option(
        to.duration, "60 s", "What one ping of django-pagetimer's script stands for.", "s"
    )
    idle_after: int = option(
        to.duration, "30 s", "Without a sign of use for so long, time is no longer engaged.", "s"
    )
    query_parameters: tuple[str, ...] = option(
        to.words, "", "Query parameters that are kept as part of a path; * keeps all."
    )
    fragments: bool = option(to.yes_or_no, "no", "Whether the part after # belongs to a path.")
    automation: bool = option(
        to.yes_or_no, "no", "Whether browsers driven by software are measured too."
    )
    # Privacy
    ip: str = option(
        to.one_of("truncated", "full", "none"),
        "truncated",
        "How much of an address is kept: a /24 or /48 network, all, or nothing.",
    )
    trusted_proxies: int = option(
        to.count, "0", "How many proxies in front may say (X-Forwarded-…) who asks."
    )
    privacy_signals: str = option(
        to.one_of("anonymise", "drop", "ignore"),
        "anonymise",
        "What DNT and Sec-GPC do: keep no user, session or address; keep nothing; nothing.",
    )
    # Who may look
    viewers: frozenset[str] = option(to.names, "", "Users who may see dashboard and figures.")
    viewer_token: str | None = option(
        to.viewer_token, None, "A password that opens dashboard and figures.", shown=False
    )
    viewer_token_file: Path | None = option(
        to.path, None, "File with that password, instead of viewer_token."
    )
    time_zone: str = option(to.time_zone, "UTC", "IANA zone in which days begin.")
    # How long it is kept
    keep_beats: int | None = option(
        to.lifetime,
        "30 days",
        "For so long after a page view was last seen its beats are kept; its totals stay.",
        "s",
    )
    keep_page_views: int | None = option(
        to.lifetime,
        "760 days",
        "For so long after it began a page view is kept: two years, and a month to compare them.",
        "s",
    )
    keep_rows: int | None = option(
        to.most, "no limit", "At most so many page views are kept; the oldest go."
    )
    # Limits
    rate_limit: Rate = option(
        to.rate,
        "6000/minute",
        "Beats taken from one address (an IPv6 /64) by one process; 0 is no limit. Not for "
        "loopback and private addresses while trusted_proxies is 0.",
    )
    token_max_age: int = option(
        to.duration, "30 days", "For so long a page's token names its reader.", "s"
    )


OPTIONS = {row.name: row for row in fields(Settings)}
ENVIRONMENT = "PAGETIMER_"


def read(
    keywords: Mapping[str, Any] | None = None,
    ini: Mapping[str, str] | None = None,
    here: Path | None = None,
    where: str = "the ini file",
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings that these say together; keyword before environment before ini.

    :param here: the folder from which relative paths count; default: the working directory
    :param where: what the ini values are called in messages
    :param environ: default: :data:`os.environ`
    :raises SettingsError: for an unknown option or a value that does not convert
    """
    environ = os.environ if environ is None else environ
    written: dict[str, tuple[Any, str]] = {}
    for name, value in (ini or {}).items():
        written[_known(name, where)] = (value, where)
    for variable in sorted(environ):
        if variable.startswith(ENVIRONMENT):
            name = variable.removeprefix(ENVIRONMENT).lower()
            if name in OPTIONS:
                written[name] = (environ[variable], f"environment variable {variable}")
            else:
                log.warning(
                    "%s is no option of pagetimer%s.", variable, _nearest(name, ENVIRONMENT)
                )
    for name, value in (keywords or {}).items():
        if value is not None:
            written[_known(name, "keyword argument")] = (value, "keyword argument")
    values = {name: _value(name, *written.get(name, (None, ""))) for name in OPTIONS}
    return Settings(**_absolute(values, written, here or _working_folder()))


def _value(name: str, value: Any, where: str) -> Any:
    row = OPTIONS[name].metadata
    value = row["default"] if value is None else value
    if value is None:
        return None
    try:
        return row["convert"](value)
    except ValueError as error:
        raise SettingsError(name, f"{error} ({where})", value) from error


def _absolute(values: dict[str, Any], written: Mapping[str, object], here: Path) -> dict[str, Any]:
    """Count paths from ``here``; put store and spool into ``data`` unless told otherwise."""
    for name, value in values.items():
        if isinstance(value, Path):
            values[name] = here / value
    if "store" not in written:
        values["store"] = f"sqlite:///{values['data']}/pagetimer.db"
    elif values["store"].startswith("sqlite:///"):
        rest = values["store"].removeprefix("sqlite:///")
        if rest and not rest.startswith((":memory:", "file:")):
            values["store"] = f"sqlite:///{here / rest}"
    if "spool" not in written:
        values["spool"] = values["data"] / "spool"
    return values


def _working_folder() -> Path:
    """Return the working directory, or what its name was: a removed one stops no start."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.environ.get("PWD", "/"))


def _known(name: str, where: str) -> str:
    if name not in OPTIONS:
        raise SettingsError(name, f"there is no such option{_nearest(name)} ({where})")
    return name


def _nearest(name: str, prefix: str = "") -> str:
    near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.5)
    if not near:
        return ""
    return f"; the nearest is {prefix + (near[0].upper() if prefix else near[0])}"
