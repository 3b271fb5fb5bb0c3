"""The fields of a call's body: a form, multipart, or JSON. It is UTF-8 whatever its charset says.

``Request.POST`` would put what is long into temporary files, and fail where there is no room.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from ..errors import Refused

# A browser's sendBeacon makes text of a form.
_FORMS = ("application/x-www-form-urlencoded", "text/plain", "")
# Browsers write no quotes within quotes, and no comments (WHATWG HTML, 4.10.21.8). The standard
# library's parser takes a second for a header of 64 KB.
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]*)"|([^\s;"]*))', re.IGNORECASE)
_NAME = re.compile(r';\s*name=(?:"([^"]*)"|([^\s;"]*))', re.IGNORECASE)
_FILE = re.compile(r";\s*filename\*?=", re.IGNORECASE)
_DISPOSITION = re.compile(r"^content-disposition:.*", re.IGNORECASE | re.MULTILINE)


def read_fields(content_type: str, body: bytes) -> Mapping[str, Any]:
    """Return the fields; of a name that stands twice the last. Another type of body has none.

    :raises Refused: 400, if the body is not what its type says
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind.endswith("json"):
            return _json(body)
        if kind.startswith("multipart/"):
            return _multipart(content_type, body)
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except (ValueError, RecursionError) as error:  # UnicodeError is one
        raise Refused(
            400, f"the body cannot be read as {kind[:40] or 'a form'}: {error}"
        ) from error
    return dict(pairs) if kind in _FORMS else {}


def _json(body: bytes) -> Mapping[str, Any]:
    fields = json.loads(body.decode())
    if not isinstance(fields, dict):
        raise ValueError("it must be an object")
    return fields


def _multipart(content_type: str, body: bytes) -> Mapping[str, Any]:
    """Return the parts that are texts (RFC 7578), not files."""
    boundary = _parameter(_BOUNDARY, content_type).encode("latin-1")
    if not boundary:
        raise ValueError("its boundary is missing")
    fields = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, _, value = part.partition(b"\r\n\r\n")
        about = _DISPOSITION.search(head.decode())
        name = about and not _FILE.search(about[0]) and _parameter(_NAME, about[0])
        if name:
            fields[name] = value.decode()
    return fields


def _parameter(pattern: re.Pattern[str], header: str) -> str:
    found = pattern.search(header)
    return found[1] or found[2] or "" if found else ""
