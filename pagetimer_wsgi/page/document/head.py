"""Where the head of an HTML page ends: bytes in, bytes out, one insertion; nothing of WSGI.

The rules are those of the WHATWG HTML standard with scripting on, 13.2.6.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .grammar import (
    AFTER,
    AMP,
    ASKED,
    ATTRIBUTE,
    BOGUS,
    BOM,
    COMMENT,
    DECLARATION,
    DOCUMENT,
    FOREIGN,
    HEAD_TEXT,
    IN_HEAD,
    LAST_SPACE,
    OPEN_QUOTE,
    OPENING,
    OURS,
    QUIET,
    REFERENCE,
    SHIFTING,
    TAG_NAME,
    TEMPLATE_TEXT,
    TOKEN,
    UNDECIDED,
    Text,
    declared_encoding,
    text_of,
)
from .said import Said

LIMIT = 64 * 1024  # bytes that may be held while a tag is unfinished


class Scanner:
    """Passes one document through and puts one piece of markup before the end of its head.

    A fragment, an AMP page, a page that carries the markup already (an element of its head has
    the attribute `data-pagetimer`) and a head that cannot be judged pass unchanged.

    :param insertion: gives the markup, or nothing, for what the head has said; called at most
        once, when the place is found
    :ivar found: the markup went in
    :ivar done: nothing is looked for any more; the rest passes as it comes
    """

    found = False
    done = False
    _size = 0  # of what is held
    _awaited = b""  # without it in a chunk, the unfinished tag stays unfinished
    _at_start = True
    _text: Text | None = None
    _is_document = False
    _is_place = False
    _said: Said | None = None
    _name = b""  # of the tag being read, and how far it is read
    _read = 0

    def __init__(self, insertion: Callable[[Said], bytes]) -> None:
        self._insertion = insertion
        self._held: list[bytes] = []
        self._templates: list[bytes] = []  # of each open one: what its content has settled
        self._attributes: dict[bytes, bytes] = {}  # of the tag being read, what they say to us

    def feed(self, chunk: bytes) -> bytes:
        """Take the document's next bytes; return what may go out now."""
        if self.done or not chunk:
            return chunk
        if self._size:
            self._held.append(chunk)
            self._size += len(chunk)
            if self._awaited not in chunk and self._size <= LIMIT:
                return b""
            chunk = b"".join(self._held)
        self._held = [chunk]
        at = self._scan(chunk)
        if self._is_place:
            return self._insert(chunk, at)
        if self.done or len(chunk) - at > LIMIT:
            return self.release()
        self._held, self._size = [chunk[at:]], len(chunk) - at
        return chunk[:at]

    def close(self) -> bytes:
        """Take the document's end; return the rest, with the markup if the head is still open."""
        rest = b"".join(self._held)
        if self.done or self._text or self._templates or not self._is_document:
            return self.release()
        if rest.startswith(b"<!"):  # a comment, which must stay where it is, and cannot be passed
            return self.release()
        return self._insert(rest, len(rest) if LAST_SPACE.fullmatch(rest) else 0)

    def release(self) -> bytes:
        """Give up: return what is held as it came."""
        held, self._held, self.done = b"".join(self._held), [], True
        return held

    def _insert(self, data: bytes, at: int) -> bytes:
        markup = self._insertion(self._said or Said())
        if not markup:
            return self.release()
        view = memoryview(data)
        self._held, self.found, self.done = [], True, True
        return b"".join((view[:at], markup, view[at:]))

    def _scan(self, data: bytes) -> int:
        """How far the data may go out: to the place, or to what is unfinished."""
        at, self._awaited = 0, b""
        while not (self.done or self._is_place):
            text = self._text
            to = self._in_text(text, data, at) if text else self._in_head(data, at)
            if to == at and text is self._text:
                break
            at = to
        return at

    def _in_text(self, text: Text, data: bytes, at: int) -> int:
        at = data.find(text.first, at)
        mark = text.marks.search(data, at) if at >= 0 else None
        if mark is None:
            return len(data)
        kind = str(mark.lastgroup)
        if kind.startswith("part"):
            return mark.start()
        if kind == "end":
            return self._end_of_text(data, mark.start())
        self._text = AFTER[kind]
        # The dashes of `<!--` may be those of `-->` as well.
        return mark.start() + 2 if kind == "escape" else mark.end()

    def _end_of_text(self, data: bytes, at: int) -> int:
        end = self._read_tag(data, at)
        if end is None:
            return at
        self._text = None
        return end

    def _in_head(self, data: bytes, at: int) -> int:
        if self._at_start:
            at = self._begin(data)
            if self._at_start or self.done:
                return at
        if not (self._read or self._templates):  # never into a tag begun with care
            quiet = QUIET.match(data, at)
            at = quiet.end() if quiet else at
            if data.startswith(b"</head>", at):
                self._is_document = self._is_place = True
                return at
        if at == len(data):
            return at
        token = TOKEN.match(data, at)
        return self._on_token(token, data, at) if token else self._on_words(data, at)

    def _begin(self, data: bytes) -> int:
        at = len(BOM) if data.startswith(BOM) else 0
        opening = OPENING.match(data, at)
        if opening:
            self._at_start, self._is_document = False, True
            return opening.end()
        if UNDECIDED.fullmatch(data):
            self._awaited = b">" if data.startswith(b"<?xml") else b""
            return 0
        self._at_start = False
        declaration = DECLARATION.match(data)
        self.done = bool(declaration and SHIFTING.search(declaration[0]))
        return at

    def _on_token(self, token: re.Match[bytes], data: bytes, at: int) -> int:
        kind = token.lastgroup
        if kind == "tag":
            return self._on_tag(data, at)
        if kind == "part":
            return at
        if kind == "comment":
            self._text = COMMENT
        elif kind != "empty":  # `>` ends a doctype wherever it stands, as it does a bogus comment
            self._text = BOGUS
            self._is_document |= kind == "doctype" and not self._templates
        return token.end()

    def _on_words(self, data: bytes, at: int) -> int:
        """Text that is no plain white space."""
        if self._templates:
            to = data.find(b"<", at + 1)
            return to if to >= 0 else len(data)
        reference = REFERENCE.match(data, at)
        kind = reference.lastgroup if reference else None
        if reference and kind == "space":
            return reference.end()
        if kind == "doubt":
            self.done = True
        elif kind != "part":
            self._end_head()
        return at

    def _on_tag(self, data: bytes, at: int) -> int:
        end = self._read_tag(data, at)
        if end is None:
            return at
        closing = data[at + 1] == 0x2F
        if self._templates:
            self._tag_in_template(closing)
        elif not self._belongs_in_head(closing):
            self._end_head()
        elif not closing and self._forbids():
            self.done = True
        elif not closing:
            self._note()
            self._open(HEAD_TEXT)
        return at if self._is_place or self.done else end

    def _belongs_in_head(self, closing: bool) -> bool:
        """13.2.6.4.2 to 13.2.6.4.4; an end tag that means nothing there is dropped by parsers."""
        self._is_document |= self._name in DOCUMENT
        if closing:
            return self._name not in DOCUMENT and self._name != b"br"
        return self._is_head_content()

    def _is_head_content(self) -> bool:
        return self._name in IN_HEAD or self._name in HEAD_TEXT

    def _forbids(self) -> bool:
        """Whether this start tag in the head says that the page is to be left alone."""
        if OURS in self._attributes:
            return True
        if self._name == b"html":
            return not AMP.isdisjoint(self._attributes)
        return self._name == b"meta" and bool(SHIFTING.search(declared_encoding(self._attributes)))

    def _note(self) -> None:
        if self._name in (b"base", b"meta"):
            self._said = self._said or Said()
            self._said.note(self._name.decode(), text_of(self._attributes))

    def _tag_in_template(self, closing: bool) -> None:
        """13.2.6.4.22; whatever is in a template, `</template>` ends it."""
        if closing:
            self._close_in_template()
        elif self._is_doubtful_in_template():
            self.done = True
        else:
            self._settle_template()
            self._open(TEMPLATE_TEXT)

    def _close_in_template(self) -> None:
        if self._name == b"template":
            self._templates.pop()
        elif self._name == self._templates[-1] == b"select":
            self._templates[-1] = b"body"

    def _settle_template(self) -> None:
        """The first tag that the head would not hold says how a template's content is read."""
        settles = not (self._templates[-1] or self._is_head_content())
        if settles or self._name == b"select":
            self._templates[-1] = self._name

    def _is_doubtful_in_template(self) -> bool:
        """Foreign content has rules of its own; a `col` that comes first makes parsers drop
        nearly all that follows; in a `select` some read text elements as such, some do not."""
        settled = self._templates[-1]
        if settled == b"select" and self._name in TEMPLATE_TEXT:
            return self._name not in (b"script", b"textarea")
        return self._name in FOREIGN or (self._name == b"col" and not settled)

    def _open(self, texts: dict[bytes, Text]) -> None:
        """What a start tag makes of the bytes after it."""
        if self._name == b"template":
            self._templates.append(b"")
        self._text = texts.get(self._name)

    def _end_head(self) -> None:
        """The token at hand ends the head: the place, unless all this is but a fragment."""
        self._is_place = self._is_document
        self.done = not self._is_document

    def _read_tag(self, data: bytes, at: int) -> int | None:
        """Where the tag at `at` ends; None, while it is unfinished, with what would finish it."""
        if not self._read and not self._read_name(data, at):
            return None
        position = at + self._read
        while found := ATTRIBUTE.match(data, position):
            if found[1] is None:
                self._read = 0
                return found.end()
            if found.end() == len(data):
                break
            if (name := found[1].lower()) in ASKED:
                self._attributes.setdefault(name, found[2] or b"")
            position = found.end()
        self._read = position - at
        quote = OPEN_QUOTE.match(data, position)
        self._awaited = (quote[2] or quote[3]) if quote else b">"
        return None

    def _read_name(self, data: bytes, at: int) -> bool:
        name = TAG_NAME.match(data, at)
        if name is None:
            self._awaited = b">"
            return False
        self._name, self._attributes, self._read = name[1].lower(), {}, name.end() - at
        return True
