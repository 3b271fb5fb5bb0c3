"""The line in which an accepted beat lies in the spool: one JSON object, its format first."""

from __future__ import annotations

import re

import msgspec

from .errors import BadLine
from .events import Beat

FORMAT = 1
_HEAD = b'{"format":%d,' % FORMAT
_FORMAT = re.compile(rb'\{"format":(\d{1,9}),')
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Beat)


class NewerLine(Exception):
    """A line that a newer version of this package wrote, and should read."""


def encode(beat: Beat) -> bytes:
    """Return the beat's line, newline included."""
    return _HEAD + _encoder.encode(beat)[1:] + b"\n"


def decode(line: bytes) -> Beat:
    """Return the beat of one line, with or without its newline.

    :raises NewerLine: if its format is newer than :data:`FORMAT`
    :raises BadLine: if it is no beat
    """
    if not line.startswith(_HEAD):
        found = _FORMAT.match(line)
        if found and int(found[1]) > FORMAT:
            raise NewerLine(f"format {int(found[1])}; this version reads up to {FORMAT}")
        raise BadLine(line, "it does not begin with the number of its format")
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine(line, str(error)) from error
