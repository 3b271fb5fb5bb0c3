"""What an option's text may be, and the value that it becomes.

Each takes a text (from an ini file or the environment) or a ready value (a keyword argument)
and raises ``ValueError`` with what would be right.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

Identify = Callable[[dict[str, Any]], "tuple[str | None, str | None] | None"]
Globs = tuple[re.Pattern[str], ...]
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
Rate = tuple[int, int]
"""So many, in so many seconds."""

_SECONDS = {"s": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_SECONDS |= {"d": 86400, "day": 86400, "w": 604800, "week": 604800}
_BYTES = {"b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a text is needed, not {value!r}")
    return value.strip()


def name(value: Any) -> str | None:
    if isinstance(value, str) and not value.strip():
        return None
    if len(text(value)) > 255:
        raise ValueError("at most 255 characters")
    return text(value)


def yes_or_no(value: Any) -> bool:
    words = {"yes": True, "true": True, "on": True, "1": True}
    words |= {"no": False, "false": False, "off": False, "0": False}
    if str(value).strip().lower() not in words:
        raise ValueError(f"yes or no is needed, not {value!r}")
    return words[str(value).strip().lower()]


def one_of(*choices: str) -> Callable[[Any], str]:
    def choice(value: Any) -> str:
        if str(value).strip().lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)} is needed, not {value!r}")
        return str(value).strip().lower()

    return choice


def count(value: Any) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value).strip()):
        raise ValueError(f"a whole number, 0 or more, is needed, not {value!r}")
    return int(value)


def most(value: Any) -> int | None:
    """Return a number, 1 or more; none is no limit."""
    if str(value).strip().lower() in ("", "no limit"):
        return None
    if not re.fullmatch(r"0*[1-9]\d{0,17}", str(value).strip()):
        raise ValueError(f"a whole number, 1 or more, or `no limit` is needed, not {value!r}")
    return int(value)


def duration(value: Any) -> int:
    """Return whole seconds; a number without a unit is seconds."""
    return _amount(value, _SECONDS, "s", "a time such as 30 s, 10 minutes or 30 days")


def lifetime(value: Any) -> int | None:
    """Return whole seconds, a number without a unit being seconds; none is for ever."""
    if str(value).strip().lower() == "for ever":
        return None
    wanted = "a time such as 30 days, or `for ever`,"
    found = _amount(value, _SECONDS, "s", wanted)
    if not found:
        raise ValueError(f"{wanted} is needed; after {value!r} there would be nothing")
    return found


def size(value: Any) -> int:
    """Return bytes; a number without a unit is bytes."""
    return _amount(value, _BYTES, "b", "a size such as 512 MiB")


def rate(value: Any) -> Rate:
    if isinstance(value, tuple):
        value = "{}/{} s".format(*value)
    number, _, unit = str(value).partition("/")
    try:
        per = duration(unit if re.match(r"\s*\d", unit) else f"1 {unit}") if unit else 60
        return count(number), per
    except ValueError:
        raise ValueError(f"a rate such as 6000/minute is needed, not {value!r}") from None


def words(value: Any) -> tuple[str, ...]:
    """Return a list's items; in a text they are parted by commas, spaces or new lines."""
    if isinstance(value, str):
        return tuple(word for word in re.split(r"[\s,]+", value) if word)
    try:
        return tuple(text(item) for item in value)
    except TypeError:
        raise ValueError(f"a list of texts is needed, not {value!r}") from None


def names(value: Any) -> frozenset[str]:
    """Return the names of a list; in a text they are parted by commas or new lines."""
    if isinstance(value, str):
        value = [item for item in re.split(r"[,\n]", value) if item.strip()]
    return frozenset(words(value))


def prefix(value: Any) -> str:
    found = "/" + text(value).strip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", found):
        raise ValueError(
            f"a path of letters, digits and . _ ~ - is needed, such as /_pagetimer, not {value!r}"
        )
    return found


def outside_url(value: Any) -> str:
    parts = urlsplit(text(value))
    whole = parts.scheme in ("http", "https") and parts.netloc
    if not (whole or (not parts.scheme and not parts.netloc and parts.path.startswith("/"))):
        raise ValueError(f"an http(s) address or a path from / is needed, not {value!r}")
    if parts.query or parts.fragment or re.search(r"[\s\"'<>&]", text(value)):
        raise ValueError(
            f"an address without ?, #, spaces, quotes, <, > and & is needed, not {value!r}"
        )
    return text(value).rstrip("/")


def path(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    return Path(text(value)).expanduser()


def secrets(value: Any) -> tuple[str, ...]:
    found = words(value)
    if any(len(secret) < 16 for secret in found):
        raise ValueError("each key needs at least 16 characters")
    return found


def viewer_token(value: Any) -> str:
    if len(text(value)) < 12:
        raise ValueError("at least 12 characters are needed")
    return text(value)


def sources(value: Any) -> tuple[str, ...]:
    for source in words(value):
        key, colon, item = source.partition(":")
        if not key or (colon and not item):
            raise ValueError(f"{source!r} is no KEY, KEY:ITEM or cookie:NAME")
    return words(value)


def function(value: Any) -> Identify:
    """Return a callable as it is, or the one that ``module:function`` names."""
    if callable(value):
        found: Identify = value
        return found
    module, colon, attribute = text(value).partition(":")
    if not colon or not attribute:
        raise ValueError(f"module:function is needed, not {value!r}")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{value!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"{value!r} is not callable")
    return found


def globs(value: Any) -> Globs:
    """Return patterns of whole paths: ``*`` stays within a segment, ``**`` does not."""
    patterns = []
    for glob in words(value):
        if not glob.startswith(("/", "*")):
            raise ValueError(f"a path begins with /, not {glob!r}")
        parts = re.split(r"(\*\*|\*)", glob)
        kinds = {"**": ".*", "*": "[^/]*"}
        patterns.append(
            re.compile("".join(kinds.get(part) or re.escape(part) for part in parts), re.S)
        )
    return tuple(patterns)


def networks(value: Any) -> Networks:
    found = []
    for item in words(value):
        try:
            found.append(ipaddress.ip_network(item, strict=False))
        except ValueError:
            raise ValueError(
                f"an address or network such as 10.0.0.0/8 is needed, not {item!r}"
            ) from None
    return tuple(found)


def time_zone(value: Any) -> str:
    try:
        return ZoneInfo(text(value)).key
    except (OSError, KeyError, ValueError):
        raise ValueError(f"a zone such as Europe/Berlin or UTC is needed, not {value!r}") from None


def _amount(value: Any, units: dict[str, int], unit: str, example: str) -> int:
    found = _AMOUNT.fullmatch(str(value).strip())
    factor = None
    if found:
        word = (found[2] or unit).lower()
        factor = units.get(word) or units.get(word.removesuffix("s"))
    if not found or not factor or float(found[1]) * factor > 2**53:
        raise ValueError(f"{example} is needed, not {value!r}")
    return int(float(found[1]) * factor)
