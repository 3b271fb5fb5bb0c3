"""Where the head of an XHTML page ends, by XML's rules: bytes in, bytes out, one insertion.

What is a comment, a tag or text is told apart here, so that nothing is held but an unfinished
tag. Each whole tag then goes to expat, which knows the rules for names, attributes, nesting,
namespaces and encodings. Sections named here are those of XML 1.0 (fifth edition).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from xml.parsers import expat

from ..tag import MARK
from .grammar import BOM
from .head import LIMIT
from .said import Said

XHTML = "http://www.w3.org/1999/xhtml"
HTML, HEAD, BASE, META = (f"{XHTML} {name}" for name in ("html", "head", "base", "meta"))

MARKUP = re.compile(
    rb"(?P<comment><!--)|(?P<section><!\[CDATA\[)|(?P<tag><(?:[^!?]|!DOCTYPE))|"
    rb"(?P<instruction><\?(?!(?i:xml)[\t\n\r ?])[A-Za-z_\x80-\xff][A-Za-z0-9._\x80-\xff-]{0,63}"
    rb"(?=[\t\n\r ]|\?>))"
)
REFERENCE = re.compile(rb"&[^\t\n\r &;<>]{1,64};")
LONGEST = 72  # bytes; neither of the two above needs more
DECLARATION = re.compile(rb"<\?xml[\t\n\r ]")
SPACES = re.compile(rb"[\t\n\r ]+")
CONTROLS = bytes(set(range(0x20)) - {0x09, 0x0A, 0x0D})  # 2.2

# The stretches in which markup means nothing, and what ends them.
STRETCHES = {"comment": b"-->", "section": b"]]>", "instruction": b"?>"}
# A tag ends at the first `>` outside quotes. In an unfinished one: what to look for, by the
# quote that is open.
WHOLE_TAG = re.compile(rb"""<[^"'<>]*(?:(?:"[^"<]*"|'[^'<]*')[^"'<>]*)*>""")
NOTABLE = {
    b"": re.compile(rb"""["'<>]"""),
    b'"': re.compile(rb'["<]'),
    b"'": re.compile(rb"['<]"),
}
ASCII_BASED = re.compile(
    r"(?i)utf-8|us-ascii|iso-8859-(?:[1-9]|1[013-6])|windows-125[0-8]|koi8-[ru]"
)
# A document type may give these names, which expat then passes over (4.1).
UNRESOLVED = re.compile(rb"&(?!#|(?:amp|apos|gt|lt|quot);)")


class _Doubt(Exception):
    """The document is broken, or cannot be judged."""


class XmlScanner:
    """Passes one XHTML document through and puts one piece of markup before `</head>`.

    That is the end tag of the unprefixed head in the root. Nothing is implied: a page without
    it, one that is not well-formed as far as it is read, one with an internal DTD subset, one in
    an encoding that is not known to keep ASCII, an AMP page and one that carries the markup
    already (an element before the place has the attribute `data-pagetimer`) pass unchanged.

    :param insertion: gives the markup, or nothing, for what the head has said; called at most
        once, when the place is found
    :ivar found: the markup went in
    :ivar done: nothing is looked for any more; the rest passes as it comes
    """

    def __init__(self, insertion: Callable[[Said], bytes]) -> None:
        self.found = False
        self.done = False
        self._insertion = insertion
        self._held = bytearray()
        self._at_start = True
        self._is_place = False
        self._said = Said()
        self._end = b""  # of the comment, CDATA section or processing instruction at hand
        self._tag = b""  # the one that expat reads
        self._read = 0  # bytes of the unfinished tag, and the quote that is open there
        self._quote = b""
        self._open: list[str] = []  # elements, by namespace, local name and prefix
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")()
        self._parser: expat.XMLParserType | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take the document's next bytes; return what may go out now."""
        if self.done:
            return chunk
        self._held += chunk
        try:
            at = self._scan(self._held)
            self._judge(self._held[:at])
        except (_Doubt, expat.ExpatError, UnicodeError):
            return self.release()
        if self._is_place:
            return self._insert(at)
        if len(self._held) - at > LIMIT:
            return self.release()
        return self._take(at)

    def close(self) -> bytes:
        """Take the document's end; return the rest."""
        return self.release()

    def release(self) -> bytes:
        """Give up: return what is held as it came."""
        self.done, self._parser = True, None
        return self._take(len(self._held))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _insert(self, at: int) -> bytes:
        markup = self._insertion(self._said)
        self.found = bool(markup)
        return b"".join((self._take(at), markup, self.release()))

    def _scan(self, data: bytearray) -> int:
        """How far the data may go out: to the place, or to what is unfinished."""
        at = self._begin(data) if self._at_start else 0
        if self._at_start:
            return 0
        while at < len(data) and (to := self._step(data, at)) > at:
            at = to
        return at

    def _judge(self, data: bytearray) -> None:
        """What goes out is characters, and a letter does not end in the middle of the place."""
        self._decoder.decode(data, self._is_place)
        if len(data.translate(None, CONTROLS)) < len(data):
            raise _Doubt

    def _begin(self, data: bytearray) -> int:
        """Past the byte order mark and the XML declaration, once both can be told."""
        if len(data) < len(BOM + b"<?xml "):
            return 0
        at = len(BOM) if data.startswith(BOM) else 0
        to = self._on_tag(data, at) if DECLARATION.match(data, at) else at
        self._at_start = self._read > 0
        return to

    def _step(self, data: bytearray, at: int) -> int:
        if self._end:
            return self._in_stretch(data, at)
        if data.startswith(b"<", at):
            return self._on_markup(data, at)
        return self._in_text(data, at) if self._open else self._between(data, at)

    def _in_stretch(self, data: bytearray, at: int) -> int:
        end = data.find(self._end, at)
        to = end if end >= 0 else len(data) - _begun(data, at, self._end)
        if self._end == b"-->" and data.find(b"--", at, to + 1) >= 0:  # 2.5
            raise _Doubt
        if end >= 0:
            to, self._end = end + len(self._end), b""
        return to

    def _between(self, data: bytearray, at: int) -> int:
        """Outside the root there is only white space."""
        space = SPACES.match(data, at)
        if space is None:
            raise _Doubt
        return space.end()

    def _in_text(self, data: bytearray, at: int) -> int:
        end = data.find(b"<", at)
        if end < 0:
            end = len(data) - _begun(data, at, b"]]>")
        if data.find(b"]]>", at, end) >= 0:  # 2.4
            raise _Doubt
        while (at := data.find(b"&", at, end)) >= 0:
            reference = REFERENCE.match(data, at)
            if reference is None:
                return _unfinished(data, at)
            self._parse(reference[0])
            at = reference.end()
        return end

    def _on_markup(self, data: bytearray, at: int) -> int:
        mark = MARKUP.match(data, at)
        if mark is None:
            return _unfinished(data, at)
        kind = str(mark.lastgroup)
        if kind == "tag":
            return self._on_tag(data, at)
        if kind == "section" and not self._open:
            raise _Doubt
        self._end = STRETCHES[kind]
        return mark.end()

    def _on_tag(self, data: bytearray, at: int) -> int:
        end = self._end_of_tag(data, at)
        if end is None:
            return at
        self._parse(bytes(data[at:end]))
        return at if self._is_place else end

    def _end_of_tag(self, data: bytearray, at: int) -> int | None:
        """Where the tag at `at` ends; None, while it is unfinished."""
        if not self._read and (whole := WHOLE_TAG.match(data, at)):
            return whole.end()
        position = at + max(self._read, 1)
        while mark := NOTABLE[self._quote].search(data, position):
            position = mark.end()
            if mark[0] == b"<":
                raise _Doubt
            if mark[0] == b">":
                self._read = 0
                return position
            self._quote = b"" if self._quote else mark[0]
        self._read = len(data) - at
        return None

    def _parse(self, token: bytes) -> None:
        """Let expat read one whole token; it raises where the token may not stand here."""
        if self._parser is None:
            self._parser = self._new_parser()
        self._tag = token
        self._parser.Parse(token)

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.namespace_prefixes = True
        parser.XmlDeclHandler = self._on_declaration
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        return parser

    def _on_declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        encoding = encoding or "utf-8"
        if version != "1.0" or not ASCII_BASED.fullmatch(encoding):
            raise _Doubt
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def _on_doctype(
        self, name: str, system: str | None, public: str | None, has_subset: int
    ) -> None:
        if has_subset:
            raise _Doubt

    def _on_start(self, name: str, attributes: Mapping[str, str]) -> None:
        if MARK in attributes or not (self._open or _is_page(name, attributes)):
            raise _Doubt
        self._note(_without_prefix(name), attributes)
        self._open.append(name)

    def _on_end(self, name: str) -> None:
        self._open.pop()
        is_head = name == HEAD and len(self._open) == 1
        if not self._open or (is_head and not self._tag.startswith(b"</")):
            raise _Doubt
        self._is_place = is_head

    def _note(self, name: str, attributes: Mapping[str, str]) -> None:
        """What counts, by HTML: a base anywhere (2.4.3), a meta in a head (4.2.5.3)."""
        in_head = bool(self._open) and _without_prefix(self._open[-1]) == HEAD
        if name == BASE or (name == META and in_head):
            if UNRESOLVED.search(self._tag) and (name == BASE or "http-equiv" in attributes):
                raise _Doubt
            self._said.note(name.removeprefix(f"{XHTML} "), attributes)


def _unfinished(data: bytearray, at: int) -> int:
    if len(data) - at < LONGEST:
        return at
    raise _Doubt


def _begun(data: bytearray, at: int, word: bytes) -> int:
    """How many of the last bytes may begin the word."""
    return next(size for size in range(len(word) - 1, -1, -1) if data.endswith(word[:size], at))


def _is_page(name: str, attributes: Mapping[str, str]) -> bool:
    return _without_prefix(name) == HTML and "amp" not in attributes


def _without_prefix(name: str) -> str:
    return " ".join(name.split(" ")[:2])
