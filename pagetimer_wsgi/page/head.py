"""Where the head of an HTML page ends: bytes in, bytes out, one insertion; nothing of WSGI.

The rules are those of the WHATWG HTML standard with scripting on: 13.2.5 for the tokens, 13.2.6.4
("initial" to "in head", "text", "in template") for what they do. They hold in every encoding in
which ASCII stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

LIMIT = 64 * 1024  # bytes that may be held while a tag is unfinished

_BOM = b"\xef\xbb\xbf"
_AMP = frozenset((b"amp", "⚡".encode()))
_OURS = b"data-pagetimer"

_DOCUMENT = frozenset((b"html", b"head", b"body"))
_IN_HEAD = frozenset(  # 13.2.6.4.4, but for the elements of text
    (b"base", b"basefont", b"bgsound", b"head", b"html", b"link", b"meta", b"template")
)
_FOREIGN = frozenset((b"svg", b"math", b"plaintext"))

# --- tokens -----------------------------------------------------------------------------------
# White space is spelled out: the re module's \s has the vertical tab too, HTML's has not.


def _begun(*words: bytes) -> bytes:
    """A pattern for any beginning of the words, where the bytes at hand end."""
    heads = {word[:size] for word in words for size in range(1, len(word) + 1)}
    return rb"(?P<part>(?:" + b"|".join(map(re.escape, sorted(heads))) + rb")\Z)"


# What the next bytes may still make into something else stands first.
_TOKEN = re.compile(
    rb"(?i)(?P<tag></?[a-z])|"
    + _begun(b"</", b"<!---", b"<!doctyp")
    + rb"|(?P<empty><!---?>)|(?P<comment><!--)|(?P<doctype><!doctype)|(?P<bogus><[!?]|</)"
)
_TAG_NAME = re.compile(rb"</?([a-zA-Z][^\t\n\f\r />]*)(?=[\t\n\f\r />])")

# The tag's end, or one attribute (13.2.5.32 to 13.2.5.39). No part of it can match shorter than
# the standard reads it: a name must be whole, and one before `=` must have its value.
_NAME = rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)(?=[\t\n\f\r />=]|\Z)"
_IS = rb"[\t\n\f\r ]*=[\t\n\f\r ]*"
_VALUE = rb"""(?:"[^"]*"|'[^']*'|[^\t\n\f\r >"'][^\t\n\f\r >]*|(?=>))"""
_ATTRIBUTE = re.compile(
    _NAME + rb"(?:" + _IS + _VALUE + rb"|[\t\n\f\r ]*(?![\t\n\f\r =]))|[\t\n\f\r /]*>"
)
_OPEN_QUOTE = re.compile(_NAME + _IS + rb"""(?:(")[^"]*|(')[^']*)\Z""")

# Character references for white space (13.2.5.72 to 13.2.5.80). More leading zeros than these
# are left alone, so that what is held stays short.
_SPACES = rb"&#(?:0{0,64}(?:9|1[023]|32)(?![0-9])|x0{0,64}(?:9|[acd]|20)(?![0-9a-f]));?"
_REFERENCE = re.compile(
    rb"(?P<part>(?i:&(?:[tn][a-z]{0,6}|#(?:0{0,64}[0-9]{0,2}|x0{0,64}[0-9a-f]{0,2}))?)\Z)|"
    rb"(?P<space>(?i:" + _SPACES + rb")|&(?:Tab|NewLine);)|(?P<doubt>&#[xX]?0{65})"
)
_LAST_SPACE = re.compile(rb"(?i)" + _SPACES)

# The plainest spellings of what most heads consist of, passed in one step: no attribute in them
# means anything to us. Whatever they miss is read with care, and with the same result.
_PLAIN = rb'(?:[\t\n\f\r ]+(?!charset|http-equiv|data-pagetimer)[a-z:-]+(?:="[^"]*")?)*'
_QUIET = re.compile(
    rb"(?:[\t\n\f\r ]+|<title>[^<]*</title>|"
    rb"<(?:link|meta)" + _PLAIN + rb"[\t\n\f\r ]*/?>|<script" + _PLAIN + rb"></script>)*"
)

# An encoding in which `<` may be half of a letter, named by the page itself.
_SHIFTING = re.compile(rb"(?i)iso-?2022")

# --- text -------------------------------------------------------------------------------------


class _Text(NamedTuple):
    """A stretch without tags. `marks` finds what ends it, which never begins before `first`
    does: bytes.find is many times faster than a pattern."""

    first: bytes
    marks: re.Pattern[bytes]


def _text(first: bytes, marks: bytes, *words: bytes) -> _Text:
    return _Text(first, re.compile(rb"(?i)" + marks + b"|" + _begun(*words)))


def _raw(name: bytes) -> _Text:
    """The text of an element that only its own end tag ends (13.2.5.9 to 13.2.5.14)."""
    return _text(b"<", rb"(?P<end></" + name + rb"(?=[\t\n\f\r />]))", b"</" + name)


_COMMENT = _text(b"-", rb"(?P<over>--!?>)", b"--!")
_BOGUS = _Text(b">", re.compile(rb"(?P<over>>)"))

# Script data, escaped, and escaped twice (13.2.5.15 to 13.2.5.31).
_END = rb"</script(?=[\t\n\f\r />])"
_SCRIPT = _text(b"<", rb"(?P<end>" + _END + rb")|(?P<escape><!--)", b"</script", b"<!--")
_ESCAPED = _text(
    b"",
    rb"(?P<end>" + _END + rb")|(?P<twice><script[\t\n\f\r />])|(?P<plain>-->)",
    *(b"</script", b"<script", b"-->"),
)
_TWICE = _text(b"", rb"(?P<once>" + _END + rb")|(?P<plain>-->)", b"</script", b"-->")
_AFTER = {"over": None, "escape": _ESCAPED, "twice": _TWICE, "once": _ESCAPED, "plain": _SCRIPT}

_HEAD_TEXT = {name: _raw(name) for name in (b"noframes", b"noscript", b"style", b"title")}
_HEAD_TEXT[b"script"] = _SCRIPT
_TEMPLATE_TEXT = _HEAD_TEXT | {
    name: _raw(name) for name in (b"iframe", b"noembed", b"textarea", b"xmp")
}


class Scanner:
    """Passes one document through and puts one piece of markup before the end of its head.

    A fragment, an AMP page, a page that carries the markup already (an element of its head has
    the attribute `data-pagetimer`) and a head that cannot be judged pass unchanged.

    :param insertion: gives the markup; called at most once, when the place is found
    :ivar found: the markup went in
    :ivar done: nothing is looked for any more; the rest passes as it comes
    """

    def __init__(self, insertion: Callable[[], bytes]) -> None:
        self.found = False
        self.done = False
        self._insertion = insertion
        self._held: list[bytes] = []
        self._size = 0
        self._awaited = b""  # without it in a chunk, the unfinished tag stays unfinished
        self._at_start = True
        self._text: _Text | None = None
        self._templates: list[bytes] = []  # of each open one: what its content has settled
        self._is_document = False
        self._is_place = False
        self._name = b""  # of the tag being read, its attributes, and how far it is read
        self._attributes: list[bytes] = []
        self._read = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the document's next bytes; return what may go out now."""
        if self.done:
            return chunk
        self._held.append(chunk)
        self._size += len(chunk)
        if self._awaited not in chunk and self._size <= LIMIT:
            return b""
        data = b"".join(self._held)
        self._held = [data]
        at = self._scan(data)
        if self._is_place:
            return self._insert(data, at)
        if self.done or len(data) - at > LIMIT:
            return self.release()
        self._held, self._size = [data[at:]], len(data) - at
        return data[:at]

    def close(self) -> bytes:
        """Take the document's end; return the rest, with the markup if the head is still open."""
        rest = b"".join(self._held)
        if self.done or self._text or self._templates or not self._is_document:
            return self.release()
        if rest.startswith(b"<!"):  # a comment, which must stay where it is, and cannot be passed
            return self.release()
        return self._insert(rest, len(rest) if _LAST_SPACE.fullmatch(rest) else 0)

    def release(self) -> bytes:
        """Give up: return what is held as it came."""
        held, self._held, self.done = b"".join(self._held), [], True
        return held

    def _insert(self, data: bytes, at: int) -> bytes:
        view = memoryview(data)
        result = b"".join((view[:at], self._insertion(), view[at:]))
        self._held, self.found, self.done = [], True, True
        return result

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

    def _in_text(self, text: _Text, data: bytes, at: int) -> int:
        at = data.find(text.first, at)
        mark = text.marks.search(data, at) if at >= 0 else None
        if mark is None:
            return len(data)
        if mark.lastgroup == "part":
            return mark.start()
        if mark.lastgroup == "end":
            return self._end_of_text(data, mark.start())
        self._text = _AFTER[str(mark.lastgroup)]
        # The dashes of `<!--` may be those of `-->` as well.
        return mark.start() + 2 if mark.lastgroup == "escape" else mark.end()

    def _end_of_text(self, data: bytes, at: int) -> int:
        end = self._read_tag(data, at)
        if end is None:
            return at
        self._text = None
        return end

    def _in_head(self, data: bytes, at: int) -> int:
        if self._at_start:
            if _BOM.startswith(data[:3]) and len(data) < 3:
                return at
            self._at_start = False
            at = 3 if data.startswith(_BOM) else 0
        quiet = None if self._read else _QUIET.match(data, at)  # never into a tag begun with care
        at = quiet.end() if quiet else at
        if at == len(data):
            return at
        token = _TOKEN.match(data, at)
        return self._on_token(token, data, at) if token else self._on_words(data, at)

    def _on_token(self, token: re.Match[bytes], data: bytes, at: int) -> int:
        kind = token.lastgroup
        if kind == "tag":
            return self._on_tag(data, at)
        if kind == "part":
            return at
        if kind == "comment":
            self._text = _COMMENT
        elif kind != "empty":  # `>` ends a doctype wherever it stands, as it does a bogus comment
            self._text = _BOGUS
            self._is_document |= kind == "doctype" and not self._templates
        return token.end()

    def _on_words(self, data: bytes, at: int) -> int:
        """Text that is no plain white space."""
        if self._templates:
            to = data.find(b"<", at + 1)
            return to if to >= 0 else len(data)
        reference = _REFERENCE.match(data, at)
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
        elif not closing and self._forbids(data[at:end]):
            self.done = True
        elif not closing:
            self._open(_HEAD_TEXT)
        return at if self._is_place or self.done else end

    def _belongs_in_head(self, closing: bool) -> bool:
        """13.2.6.4.2 to 13.2.6.4.4; an end tag that means nothing there is dropped by parsers."""
        self._is_document |= self._name in _DOCUMENT
        if closing:
            return self._name not in _DOCUMENT and self._name != b"br"
        return self._is_head_content()

    def _is_head_content(self) -> bool:
        return self._name in _IN_HEAD or self._name in _HEAD_TEXT

    def _forbids(self, tag: bytes) -> bool:
        """Whether this start tag in the head says that the page is to be left alone."""
        if _OURS in self._attributes:
            return True
        if self._name == b"html":
            return not _AMP.isdisjoint(self._attributes)
        return self._name == b"meta" and _SHIFTING.search(tag) is not None

    def _tag_in_template(self, closing: bool) -> None:
        """13.2.6.4.22; whatever is in a template, `</template>` ends it."""
        if closing:
            if self._name == b"template":
                self._templates.pop()
        elif self._is_doubtful_in_template():
            self.done = True
        else:
            self._settle_template()
            self._open(_TEMPLATE_TEXT)

    def _settle_template(self) -> None:
        """The first tag that the head would not hold says how a template's content is read."""
        settles = not (self._templates[-1] or self._is_head_content())
        if settles or self._name == b"select":
            self._templates[-1] = self._name

    def _is_doubtful_in_template(self) -> bool:
        """Foreign content has rules of its own; a `col` that comes first makes parsers drop
        nearly all that follows; in a `select` some read text elements as such, some do not."""
        settled = self._templates[-1]
        if settled == b"select" and self._name != b"script" and self._name in _TEMPLATE_TEXT:
            return True
        return self._name in _FOREIGN or (self._name == b"col" and not settled)

    def _open(self, texts: dict[bytes, _Text]) -> None:
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
        while found := _ATTRIBUTE.match(data, position):
            if found[1] is None:
                self._read = 0
                return found.end()
            if found.end() == len(data):
                break
            self._attributes.append(found[1].lower())
            position = found.end()
        self._read = position - at
        quote = _OPEN_QUOTE.match(data, position)
        self._awaited = (quote[2] or quote[3]) if quote else b">"
        return None

    def _read_name(self, data: bytes, at: int) -> bool:
        name = _TAG_NAME.match(data, at)
        if name is None:
            self._awaited = b">"
            return False
        self._name, self._attributes, self._read = name[1].lower(), [], name.end() - at
        return True
