"""What HTML's tokens look like, as far as the head goes: patterns over bytes.

The rules are those of the WHATWG HTML standard with scripting on: 13.2.5 for the tokens, 13.2.6.4
("initial" to "in head", "text", "in template") for what they do. They hold in every encoding in
which ASCII stands for itself.
"""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
AMP = frozenset((b"amp", "⚡".encode()))
OURS = b"data-pagetimer"
ASKED = AMP | {OURS, b"charset", b"content", b"href", b"http-equiv"}  # attributes; no other is kept

DOCUMENT = frozenset((b"html", b"head", b"body"))
IN_HEAD = frozenset(  # 13.2.6.4.4, but for the elements of text
    (b"base", b"basefont", b"bgsound", b"head", b"html", b"link", b"meta", b"template")
)
FOREIGN = frozenset((b"svg", b"math", b"plaintext"))

# --- tokens -----------------------------------------------------------------------------------
# White space is spelled out: the re module's \s has the vertical tab too, HTML's has not.


def _begun(*words: bytes) -> bytes:
    """A pattern for any beginning of the words, where the bytes at hand end."""
    heads = {word[:size] for word in words for size in range(1, len(word) + 1)}
    return rb"(?P<part>(?:" + b"|".join(map(re.escape, sorted(heads))) + rb")\Z)"


# What the next bytes may still make into something else stands first.
TOKEN = re.compile(
    rb"(?i)(?P<tag></?[a-z])|"
    + _begun(b"</", b"<!---", b"<!doctyp")
    + rb"|(?P<empty><!---?>)|(?P<comment><!--)|(?P<doctype><!doctype)|(?P<bogus><[!?]|</)"
)
TAG_NAME = re.compile(rb"</?([a-zA-Z][^\t\n\f\r />]*)(?=[\t\n\f\r />])")

# The tag's end, or one attribute (13.2.5.32 to 13.2.5.39). No part of it can match shorter than
# the standard reads it: a name must be whole, and one before `=` must have its value.
_NAME = rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)(?=[\t\n\f\r />=]|\Z)"
_IS = rb"[\t\n\f\r ]*=[\t\n\f\r ]*"
_VALUE = rb"""("[^"]*"|'[^']*'|[^\t\n\f\r >"'][^\t\n\f\r >]*|(?=>))"""
ATTRIBUTE = re.compile(
    _NAME + rb"(?:" + _IS + _VALUE + rb"|[\t\n\f\r ]*(?![\t\n\f\r =]))|[\t\n\f\r /]*>"
)
OPEN_QUOTE = re.compile(_NAME + _IS + rb"""(?:(")[^"]*|(')[^']*)\Z""")

# Character references for white space (13.2.5.72 to 13.2.5.80). More leading zeros than these
# are left alone, so that what is held stays short.
_SPACES = rb"&#(?:0{0,64}(?:9|1[023]|32)(?![0-9])|x0{0,64}(?:9|[acd]|20)(?![0-9a-f]));?"
REFERENCE = re.compile(
    rb"(?P<part>(?i:&(?:[tn][a-z]{0,6}|#(?:0{0,64}[0-9]{0,2}|x0{0,64}[0-9a-f]{0,2}))?)\Z)|"
    rb"(?P<space>(?i:" + _SPACES + rb")|&(?:Tab|NewLine);)|(?P<doubt>&#[xX]?0{65})"
)
LAST_SPACE = re.compile(rb"(?i)" + _SPACES)

# The plainest spellings of what most heads consist of, passed in one step: nothing in them means
# anything to us. Whatever they miss is read with care, and with the same result. Repeats are
# bounded: the re module notes each one, in many times the memory of what it matched.
_SPACE = rb"[\t\n\f\r ]"
_PLAIN = rb"(?:" + _SPACE + rb"""+[a-z]+(?:="[^"]*")?){0,30}"""
_PLAIN_META = rb"(?:" + _SPACE + rb"""+(?:content|id|itemprop|media|name|property)="[^"]*"){0,9}"""
QUIET = re.compile(
    rb"(?:" + _SPACE + rb"*<(?:"
    rb"meta" + _PLAIN_META + rb" ?/?>|"
    rb"link" + _PLAIN + rb" ?/?>|"
    rb"script" + _PLAIN + rb">[^<]{0,999}(?:<(?!/[sS]|!--)[^<]{0,999}){0,30}</script>|"
    rb"!--(?!-?>)[^-]{0,999}(?:-(?!-)[^-]{0,999}){0,30}-->|"
    rb"style" + _PLAIN + rb">[^<]{0,999}</style>|"
    rb"noscript>[^<]{0,999}(?:<(?!/)[^<]{0,999}){0,30}</noscript>|"
    rb"title>[^<]*</title>|"
    rb'meta charset=(?:"[uU][tT][fF]-8"|[uU][tT][fF]-8) ?/?>'
    rb")){0,200}" + _SPACE + rb"*"
)
# The first bytes, as long as more of them may tell an encoding (13.2.3.2), and an XML declaration.
UNDECIDED = re.compile(rb"\xef\xbb?|<(?:\?(?:x(?:m(?:l[^>]*)?)?)?)?")
DECLARATION = re.compile(rb"<\?xml[^>]*>")

# How most documents begin.
OPENING = re.compile(
    _SPACE + rb"*(?i:<!doctype html)>" + _SPACE + rb"*"
    rb"(?:<html(?:"
    + _SPACE
    + rb"""+(?!amp|data-p)[a-z:-]+(?:="[^"]*"|='[^']*')?){0,30}>)?"""
    + _SPACE
    + rb"*(?:<head>)?"
)

# Encodings, named by the page itself, in which `<` may be half of a letter, or nothing at all.
SHIFTING = re.compile(rb"(?i)iso-?2022|hz-gb-2312|utf-?(?:16|32)")

# --- text -------------------------------------------------------------------------------------


class Text(NamedTuple):
    """A stretch without tags. `marks` finds what ends it, which never begins before `first`
    does: bytes.find is many times faster than a pattern. A pattern that itself begins with a
    byte is next: the re module then looks for that byte alone."""

    first: bytes
    marks: re.Pattern[bytes]


def _rest(*words: bytes) -> bytes:
    """A pattern for any beginning of the words, also for none, where the bytes at hand end."""
    heads = {word[:size] for word in words for size in range(len(word) + 1)}
    return rb"(?:" + b"|".join(map(re.escape, sorted(heads, reverse=True))) + rb")\Z"


def _raw(name: bytes) -> Text:
    """The text of an element that only its own end tag ends (13.2.5.9 to 13.2.5.14)."""
    end = rb"(?P<end>/" + name + rb"(?=[\t\n\f\r />]))"
    return Text(b"<", re.compile(rb"<(?i:" + end + rb"|(?P<part>" + _rest(b"/" + name) + rb"))"))


COMMENT = Text(b"-", re.compile(rb"-(?:(?P<over>-!?>)|(?P<part>" + _rest(b"-!") + rb"))"))
BOGUS = Text(b">", re.compile(rb">(?P<over>)"))

# Script data, escaped, and escaped twice (13.2.5.15 to 13.2.5.31).
_END = rb"/script(?=[\t\n\f\r />])"
_DASHES = rb"-(?:(?P<plain>->)|(?P<part_of_dashes>" + _rest(b"-") + rb"))"
_SCRIPT = Text(
    b"<",
    re.compile(
        rb"<(?i:(?P<end>" + _END + rb")|(?P<escape>!--)|"
        rb"(?P<part>" + _rest(b"/script", b"!-") + rb"))"
    ),
)
_ESCAPED = Text(
    b"",
    re.compile(
        rb"<(?i:(?P<end>" + _END + rb")|(?P<twice>script[\t\n\f\r />])|"
        rb"(?P<part>" + _rest(b"/script", b"script") + rb"))|" + _DASHES
    ),
)
_TWICE = Text(
    b"",
    re.compile(rb"<(?i:(?P<once>" + _END + rb")|(?P<part>" + _rest(b"/script") + rb"))|" + _DASHES),
)
AFTER = {"over": None, "escape": _ESCAPED, "twice": _TWICE, "once": _ESCAPED, "plain": _SCRIPT}

HEAD_TEXT = {name: _raw(name) for name in (b"noframes", b"noscript", b"style", b"title")}
HEAD_TEXT[b"script"] = _SCRIPT
TEMPLATE_TEXT = HEAD_TEXT | {
    name: _raw(name) for name in (b"iframe", b"noembed", b"textarea", b"xmp")
}


def text_of(attributes: dict[bytes, bytes]) -> dict[str, str]:
    """Return attributes as they came as text: values without quotes and character references."""
    return {
        name.decode("utf-8", "replace"): unescape(_unquoted(value).decode("utf-8", "replace"))
        for name, value in attributes.items()
    }


def declared_encoding(attributes: dict[bytes, bytes]) -> bytes:
    """Return what a `meta` with these attributes, as they came, says of the encoding (4.2.5.3)."""
    declared = attributes.get(b"charset", b"")
    if _unquoted(attributes.get(b"http-equiv", b"")).lower() == b"content-type":
        declared += attributes.get(b"content", b"")
    return declared


def _unquoted(value: bytes) -> bytes:
    return value[1:-1] if value[:1] in (b'"', b"'") else value
