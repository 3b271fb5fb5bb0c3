"""How a page begins: its headers, and what of its first chunks goes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import Headers
from .document.coded import CodedScanner
from .document.head import Scanner
from .document.said import Said
from .document.xhtml import XmlScanner
from .kind import Kind

AnyScanner = Scanner | XmlScanner | CodedScanner

# True of the application's bytes only.
_OF_THE_BODY = frozenset(
    ("content-digest", "content-length", "content-md5", "digest", "repr-digest")
)


class Tagged(NamedTuple):
    """What goes into one page.

    :param tag: gives the markup that is put before the end of the head, or nothing, for what
        the head has said before
    :param headers: the page's headers, with what the tag asks of them; the length, digests and
        ranges of the body are settled by :func:`settled`
    """

    tag: Callable[[Said], bytes]
    headers: Headers


class Beginning(NamedTuple):
    """A page of which nothing has gone out yet.

    :param length: of the whole body, in bytes; None where it is not known
    :param chunks: as many as came in
    :param scanner: what the chunks to come go through; None, if they pass as they are
    """

    length: int | None
    chunks: Sequence[bytes]
    scanner: AnyScanner | None


def begin(
    kind: Kind, tag: Callable[[Said], bytes], chunks: Sequence[bytes], ended: bool
) -> Beginning | None:
    """Put the tag into the first chunks of a page; return None if they stay as they are.

    :param ended: no others follow
    :raises CodingError: if they are not of the coding that was said
    """
    scanner = kind.scanner(tag)
    if kind.coding:
        return _begin_coded(CodedScanner(scanner, kind.coding), kind, chunks, ended)
    out = [scanner.feed(chunk) for chunk in chunks]
    came = sum(map(len, chunks))
    if ended or kind.length == came:
        if not scanner.done:
            _add_rest(out, scanner.close())
        return Beginning(sum(map(len, out)), out, None) if scanner.found else None
    if not scanner.done:
        return Beginning(None, out, scanner)
    if not scanner.found:
        return None
    length = None if kind.length is None else kind.length + sum(map(len, out)) - came
    return Beginning(length, out, None)


def _begin_coded(
    scanner: CodedScanner, kind: Kind, chunks: Sequence[bytes], ended: bool
) -> Beginning | None:
    out = [scanner.feed(chunk) for chunk in chunks]
    if ended or kind.length == sum(map(len, chunks)):
        _add_rest(out, scanner.close())
        fits = scanner.found and scanner.is_whole
        return Beginning(sum(map(len, out)), out, None) if fits else None
    return None if scanner.done and not scanner.found else Beginning(None, out, scanner)


def _add_rest(chunks: list[bytes], rest: bytes) -> None:
    if rest:
        chunks[-1:] = [b"".join((*chunks[-1:], rest))]


def settled(headers: Headers, length: int | None) -> Headers:
    """Return the headers of a page whose bytes changed.

    :param length: of the whole body, in bytes; None where it is not known
    """
    kept: Headers = []
    knows_end = length is None
    for pair in headers:
        name = pair[0].lower()
        if name == "accept-ranges":
            kept.append((pair[0], "none"))
        elif name not in _OF_THE_BODY:
            kept.append(pair)
            knows_end |= name == "transfer-encoding"
    if not knows_end:
        kept.append(("Content-Length", str(length)))
    return kept
