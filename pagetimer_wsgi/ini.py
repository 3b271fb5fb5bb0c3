"""Our section of an ini file, read as PasteDeploy reads it."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from paste.deploy.loadwsgi import FILTER, ConfigLoader

from .errors import SettingsError

SECTION = "pagetimer"
_USES = re.compile(r"egg:pagetimer[-_.]wsgi(#\w+)?")


def read_ini(config: str | Path) -> tuple[dict[str, str], Path, str]:
    """Return the options that an ini file gives us, its folder, and where they stand.

    They stand in ``[pagetimer]``, else in the one ``[filter:…]`` that says
    ``use = egg:pagetimer-wsgi``; ``FILE#NAME`` names one of several filters.

    :raises SettingsError: if the file cannot be read, or has no such section or several
    """
    file, _, name = str(config).partition("#")
    try:
        loader = ConfigLoader(str(Path(file).absolute()))
        section = _section(loader, name)
        options, here = _options(loader, section)
    except OSError as error:
        raise SettingsError("config", f"{file} cannot be read: {error.strerror}", file) from error
    except configparser.InterpolationError as error:
        reason = f"{error.message}. A literal % is written %%"
        raise SettingsError(error.option, reason, file) from error
    except (configparser.Error, UnicodeDecodeError, LookupError) as error:
        raise SettingsError("config", f"{file}: {error}", file) from error
    return options, here, f"{file} [{section}]"


def _section(loader: ConfigLoader, name: str) -> str:
    parser = loader.parser
    if not name and parser.has_section(SECTION):
        return SECTION
    filters = [
        section
        for section in parser.sections()
        if section.startswith(("filter:", "filter-app:"))
        and _USES.fullmatch(parser.get(section, "use", fallback=""))
        and name in ("", section.partition(":")[2])
    ]
    if len(filters) == 1:
        return str(filters[0])
    wanted = f"[filter:{name}]" if name else "[pagetimer] or [filter:…]"
    found = "none" if not filters else ", ".join(f"[{section}]" for section in filters)
    raise LookupError(
        f"one section {wanted} with `use = egg:pagetimer-wsgi` is needed; there is {found}"
        + (" (name one: FILE#NAME)" if filters else "")
    )


def _options(loader: ConfigLoader, section: str) -> tuple[dict[str, str], Path]:
    here = Path(loader.filename).parent
    if section.startswith("filter:"):
        context = loader.get_context(FILTER, section.partition(":")[2])
        return dict(context.local_conf), here
    # As PasteDeploy does, what [DEFAULT] holds is not the section's own.
    defaults = loader.parser.defaults()
    plain = ("use", "next")
    names = [name for name in loader.parser.options(section) if name not in defaults]
    return {name: loader.parser.get(section, name) for name in names if name not in plain}, here
