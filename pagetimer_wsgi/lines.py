"""The line in which an accepted beat lies in the spool: one JSON object, its format first.

After the format stands the CRC-32 of what follows, with the format for its start value: a disk
that turns a digit into another must not change what was measured, nor what a version leaves to a
newer one.
"""

from __future__ import annotations

import re
import zlib

import msgspec

from .errors import BadLine
from .events import Beat

FORMAT = 1
_HEAD = re.compile(rb'\{"format":(\d{1,9}),"crc32":(\d{1,10}),')
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Beat)


class NewerLine(Exception):
    """A line that a newer version of this package wrote, and should read."""


def encode(beat: Beat) -> bytes:
    """Return the beat's line, newline included."""
    return sealed(_encoder.encode(beat)[1:])


def sealed(rest: bytes, version: int = FORMAT, crc32: int | None = None) -> bytes:
    """Return a line, newline included.

    :param rest: what follows the format and the CRC-32 in the JSON object, its last brace included
    :param version: of the format
    :param crc32: what it had before, which may tell that it was changed
    """
    if crc32 is None:
        crc32 = zlib.crc32(rest, version)
    return b'{"format":%d,"crc32":%d,%b\n' % (version, crc32, rest)


def decode(line: bytes) -> Beat:
    """Return the beat of one line, with or without its newline.

    :raises NewerLine: if its format is newer than :data:`FORMAT`
    :raises BadLine: if it is no beat
    """
    head = _HEAD.match(line)
    if not head:
        raise BadLine(line, "it does not begin with its format and its crc32")
    version = int(head[1])
    if zlib.crc32(line[head.end() :].rstrip(b"\n"), version) != int(head[2]):
        raise BadLine(line, "its crc32 is not its text's; who mends a line takes its crc32 out")
    if version > FORMAT:
        raise NewerLine(f"format {version}; this version reads up to {FORMAT}")
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine(line, str(error)) from error
