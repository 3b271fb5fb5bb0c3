"""environ -> user, session: the sources that ``user_key`` and ``session_key`` name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

Environ = dict[str, Any]
_COOKIES = "HTTP_COOKIE"
_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)


class Pair(NamedTuple):
    """A user and a session as the application names them; ``None`` where it does not."""

    user: str | None = None
    session: str | None = None


def read_pair(environ: Environ, user_keys: tuple[str, ...], session_keys: tuple[str, ...]) -> Pair:
    """Return the user and the session that environ names at this moment.

    ``pagetimer.user`` and ``pagetimer.session`` come before all other sources.

    :raises Exception: whatever the application's own objects raise when they are asked
    """
    return Pair(
        _first(environ, _sources("pagetimer.user", user_keys)),
        _first(environ, _sources("pagetimer.session", session_keys)),
    )


def as_text(value: Any) -> str | None:
    """Return what names a user or a session as text; ``None`` for what names nobody."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    # What is no valid Unicode could be kept by no store.
    return str(value).encode("utf-8", "replace").decode() or None


def native(text: str) -> str:
    """Return what a WSGI string says, which carries bytes as latin-1 (PEP 3333, "Unicode")."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def cookie(environ: Environ, name: str) -> str | None:
    """Return one cookie's value (RFC 6265, 4.2); of one that stands twice the last.

    ``http.cookies`` stops at the first cookie that it does not like, and before Python 3.12.6
    its time grew with the square of a value's length (CVE-2024-7592), as WebOb's does.
    """
    header = environ.get(_COOKIES, "")
    if name not in header:
        return None
    found = None
    for pair in header.split(";"):
        key, equals, value = pair.partition("=")
        if equals and key.strip() == name:
            found = native(_unquoted(value.strip()))
    return found


def _unquoted(value: str) -> str:
    """Return what a value says that ``http.cookies`` has put in quotes."""
    if len(value) < 2 or not value.startswith('"') or not value.endswith('"'):
        return value
    return _ESCAPE.sub(lambda found: found[2] or chr(int(found[1], 8)), value[1:-1])


@lru_cache
def _sources(own: str, keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the keys of environ to look at, each with what of its value is wanted."""
    parts = (key.partition(":") for key in (own, *keys))
    return [(_COOKIES if key == "cookie" and items else key, items) for key, _, items in parts]


def _first(environ: Environ, sources: list[tuple[str, str]]) -> str | None:
    for key, items in sources:
        if environ.get(key) is not None:
            found = as_text(_look_up(environ, key, items))
            if found is not None:
                return found
    return None


def _look_up(environ: Environ, key: str, items: str) -> Any:
    if key == _COOKIES and items:
        return cookie(environ, items)
    value = environ[key]
    if not items:
        # Servers write their own keys as latin-1; an application's keys hold real text.
        return native(value) if isinstance(value, str) and key.isupper() else value
    return _deeper(value, items) if _is_kept(value) else None


def _deeper(value: Any, path: str) -> Any:
    """Follow a path of items and attributes; a name with dots of its own comes first."""
    found = _item(value, path)
    first, dot, rest = path.partition(".")
    if found is not None or not dot:
        return found
    inner = _item(value, first)
    return None if inner is None else _deeper(inner, rest)


def _item(value: Any, name: str) -> Any:
    try:
        return value[name]
    except (LookupError, TypeError, AttributeError):
        return getattr(value, name, None)


def _is_kept(session: Any) -> bool:
    """Tell whether the application keeps this session, in Beaker's words.

    A Beaker session that nobody saved gets a new id on every request.
    """
    return not getattr(session, "is_new", False) or bool(getattr(session, "dirty", bool)())
