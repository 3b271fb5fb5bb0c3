"""The place before `</head>`, by XML's rules, in chunks of any size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pytest
from browser import chromium
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pagetimer_wsgi.page.document.head import LIMIT
from pagetimer_wsgi.page.document.said import Said
from pagetimer_wsgi.page.document.xhtml import NOTABLE, XmlScanner

__all__ = ["chromium"]  # a fixture

TAG = '<script async="async" src="/x.js" data-ours="1"></script>'
HERE = "@@"  # where a case's tag must stand
SPACE = "http://www.w3.org/1999/xhtml"
ROOT = f'<html xmlns="{SPACE}">'
REST = "<body/></html>"
STRICT = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">'
)


def cut(document: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(document)]
    return [document[start:end] for start, end in pairwise(edges)]


def scan(chunks: Iterable[bytes], tag: bytes = TAG.encode()) -> bytes:
    scanner = XmlScanner(lambda said: tag)
    return b"".join([*[scanner.feed(chunk) for chunk in chunks], scanner.close()])


def assert_at_every_split(plain: bytes, wanted: bytes) -> None:
    """The same comes out whole, in single bytes, and cut in two anywhere."""
    assert scan([plain]) == wanted
    assert scan(cut(plain, range(1, len(plain)))) == wanted
    for place in range(len(plain) + 1):
        assert scan(cut(plain, [place])) == wanted


class Read:
    """What expat reads in a document: events, of which neighbouring texts are one.

    :raises expat.ExpatError: where it is not well-formed
    """

    def __init__(self, document: bytes) -> None:
        self.events: list[tuple[Any, ...]] = []
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = lambda *all_of_it: self._add("start", *all_of_it)
        parser.EndElementHandler = lambda name: self._add("end", name)
        parser.CommentHandler = lambda text: self._add("comment", text)
        parser.ProcessingInstructionHandler = lambda *all_of_it: self._add("pi", *all_of_it)
        parser.StartCdataSectionHandler = lambda: self._add("cdata")
        parser.EndCdataSectionHandler = lambda: self._add("cdata end")
        parser.SkippedEntityHandler = lambda *all_of_it: self._add("entity", *all_of_it)
        parser.CharacterDataHandler = self._add_text
        parser.Parse(document, True)

    def _add(self, *event: Any) -> None:
        self.events.append(event)

    def _add_text(self, text: str) -> None:
        before = self.events.pop()[1] if self.events[-1][0] == "text" else ""
        self.events.append(("text", before + text))

    def take_ours_out(self) -> None:
        """Our element must be the last thing in the head of the root."""
        (at,) = [i for i, each in enumerate(self.events) if "data-ours" in str(each)]
        assert self.events[at][1] == f"{SPACE} script"
        assert self.events[at + 1 : at + 3] == [
            ("end", f"{SPACE} script"),
            ("end", f"{SPACE} head"),
        ]
        open_elements: list[str] = []
        for kind, *of_it in self.events[:at]:
            if kind == "start":
                open_elements.append(of_it[0])
            elif kind == "end":
                open_elements.pop()
        assert open_elements == [f"{SPACE} html", f"{SPACE} head"]
        del self.events[at : at + 2]


def read(document: bytes) -> Read | None:
    """What expat reads; None where it refuses the document."""
    try:
        return Read(document)
    except expat.ExpatError:
        return None


ENDS = {
    "plain": f"{ROOT}<head><title>a</title>@@</head>{REST}",
    "nothing in the head": f"{ROOT}<head>@@</head>{REST}",
    "space in the end tag": f"{ROOT}<head>@@</head \n\t\r>{REST}",
    "declaration": f'<?xml version="1.0" encoding="utf-8"?>{ROOT}<head>@@</head>{REST}',
    "declaration in single quotes": "<?xml version = '1.0' encoding\n=\t'UTF-8' "
    f"standalone='no' ?>{ROOT}<head>@@</head>{REST}",
    "byte order mark": f"\ufeff{ROOT}<head>@@</head>{REST}",
    "byte order mark and declaration": f'\ufeff<?xml version="1.0"?>{ROOT}<head>@@</head>{REST}',
    "doctype": f"<!DOCTYPE html>\n{ROOT}<head>@@</head>{REST}",
    "legacy doctype": f"<!DOCTYPE html SYSTEM 'about:legacy-compat'>{ROOT}<head>@@</head>{REST}",
    "strict doctype": f"{STRICT}{ROOT}<head>@@</head>{REST}",
    "stylesheet instruction": f"<?xml-stylesheet href='>'?> {ROOT}<head>@@</head>{REST}",
    "letters above ASCII": f"{ROOT}<head><title>é⚡</title><a é='ü'/>@@</head>{REST}",
    "white space before stays before": f"{ROOT}\n<head>\n<title>a</title>\n@@</head>{REST}",
    "text in the head": f"{ROOT}<head>text@@</head>{REST}",
    "only the first head": f"{ROOT}<head>@@</head><head></head></html>",
    "after another child of the root": f"{ROOT}<body></body><head>@@</head></html>",
    "attributes": f"{ROOT}<head profile = 'a' xml:lang=\"en\">@@</head>{REST}",
}
WHOLE = {
    "title": f"{ROOT}<head><title/>@@</head>{REST}",
    "script": f"{ROOT}<head><script/>@@</head>{REST}",
    "script with attributes": f'{ROOT}<head><script src = "a>b" />@@</head>{REST}',
    "style": f"{ROOT}<head><style>a > b</style>@@</head>{REST}",
    "noscript": f"{ROOT}<head><noscript><p/></noscript>@@</head>{REST}",
    "template": f"{ROOT}<head><template><head></head></template>@@</head>{REST}",
    "body in the head": f"{ROOT}<head><body></body>@@</head></html>",
    "names differ by case": f"{ROOT}<HEAD></HEAD><head><Head></Head>@@</head>{REST}",
    "element that begins like one": f"{ROOT}<header></header><head><head-x/>@@</head>{REST}",
}
DECOYS = {
    "comment": f"<!-- </head> -->{ROOT}<!-- </head> --><head><!-- </head> -->@@</head>{REST}",
    "comment with a dash": f"{ROOT}<head><!-- - </head>->- -->@@</head>{REST}",
    "empty comment": f"{ROOT}<head><!---->@@</head>{REST}",
    "comment that looks ended": f"{ROOT}<head><!--></head>-->@@</head>{REST}",
    "comment that begins with a dash": f"{ROOT}<head><!---></head>-->@@</head>{REST}",
    "CDATA": f"{ROOT}<head><style><![CDATA[ </head> & ]] ]> ]]></style>@@</head>{REST}",
    "CDATA ended by three brackets": f"{ROOT}<head><![CDATA[</head>]]]>@@</head>{REST}",
    "empty CDATA": f"{ROOT}<head><![CDATA[]]>@@</head>{REST}",
    "instruction": f"{ROOT}<head><?php </head> > ? ?>@@</head>{REST}",
    "empty instruction": f"{ROOT}<head><?php?>@@</head>{REST}",
    "instruction with question marks": f"{ROOT}<head><?php ???>@@</head>{REST}",
    "attribute": f"{ROOT}<head><meta content='>&lt;/head>\">'/>@@</head>{REST}",
    "reference": f"{ROOT}<head>&lt;/head&gt;&amp;&#60;&#x3C;/head>&quot;@@</head>{REST}",
    "brackets": f"{ROOT}<head>]] ]>@@</head>{REST}",
    "brackets before the end": f"{ROOT}<head>a]]@@</head>{REST}",
    "head in the body": f"{ROOT}<body><head></head></body><head>@@</head></html>",
    "head in the head": f"{ROOT}<head><head></head>@@</head>{REST}",
    "self-closed head deeper down": f"{ROOT}<div><head/></div><head>@@</head></html>",
}
NAMESPACES = {
    "declared on the head": f'<h:html xmlns:h="{SPACE}"><head xmlns="{SPACE}">@@</head></h:html>',
    "default of the head, not of the root": f'<h:html xmlns:h="{SPACE}" xmlns="x">'
    f'<head/><head></head><head xmlns="{SPACE}">@@</head></h:html>',
    "another head before": f'{ROOT}<head xmlns="x"></head><head>@@</head>{REST}',
    "undeclared for a head before": f'{ROOT}<head xmlns=""/><head>@@</head>{REST}',
    "prefixed head before": f'<html xmlns="{SPACE}" xmlns:h="{SPACE}"><h:head></h:head>'
    f"<head>@@</head>{REST}",
    "redeclared on children": f'{ROOT}<head><svg xmlns="x"><head/><a xmlns=""/></svg>@@</head>'
    f"{REST}",
    "in single quotes, with a reference": f"<html xmlns='{SPACE.replace('x', '&#x78;')}'>"
    f"<head>@@</head>{REST}",
    "prefixed attributes": f'{ROOT}<head xmlns:a="x" a:b="" b="" xml:b="">@@</head>{REST}',
    "attributes of ours by prefix do not count": f'{ROOT}<head xmlns:a="x" a:data-pagetimer="">'
    f"@@</head>{REST}",
}
ENTITIES = {
    "known to the document type": f"{STRICT}{ROOT}<head><title>&copy;&nbsp;</title>@@</head>{REST}",
    "in an attribute that does not matter": f"{STRICT}{ROOT}<head><meta name='a' "
    f"content='&mdash;'/>@@</head>{REST}",
    "leading zeros": f"{ROOT}<head>&#00000000065;&#x000041;@@</head>{REST}",
}
UNUSUAL = {  # that Chromium's parser refuses
    "system identifier": f"<!DOCTYPE html SYSTEM 'a>b'>{ROOT}<head>@@</head>{REST}",
}
SEEN = {"end": ENDS, "whole": WHOLE, "decoy": DECOYS, "namespace": NAMESPACES, "entity": ENTITIES}
WHERE = {**SEEN, "unusual": UNUSUAL}

HEAD = f"<head></head>{REST}"
UNTOUCHED = {
    "nothing": "",
    "no head": f"{ROOT}<body/></html>",
    "head never closed": f"{ROOT}<head><title>a</title>",
    "half an end tag": f"{ROOT}<head></head",
    "self-closed head": f"{ROOT}<head/><head></head></html>",
    "self-closed head with a space": f"{ROOT}<head /><head></head></html>",
    "HTML's root in no namespace": f"<html>{HEAD}",
    "another namespace": f'<html xmlns="{SPACE}/">{HEAD}',
    "another root": f'<head xmlns="{SPACE}"></head>',
    "root of another name": f'<HTML xmlns="{SPACE}"><head></head></HTML>',
    "root of another namespace": f'<html xmlns="x"><head xmlns="{SPACE}"></head></html>',
    "prefixed head": f'<h:html xmlns:h="{SPACE}"><h:head></h:head></h:html>',
    "head in capitals": f"{ROOT}<HEAD></HEAD></html>",
    "head of no namespace": f'{ROOT}<head xmlns=""></head></html>',
    "after the root": f"{ROOT}</html>{ROOT}{HEAD}",
    "amp": f'<html amp="" xmlns="{SPACE}">{HEAD}',
    "amp with a prefix": f'<h:html amp="amp" xmlns:h="{SPACE}"><head xmlns="{SPACE}"></head>'
    "</h:html>",
    "carries the script": f'{ROOT}<head><script data-pagetimer=""></script></head>{REST}',
    "carries it, self-closed": f"{ROOT}<head><script data-pagetimer='x'/></head>{REST}",
    "carries it deeper down": f"{ROOT}<head><a><script data-pagetimer='x'/></a></head>{REST}",
    "XML 1.1": f"<?xml version='1.1'?>{ROOT}{HEAD}",
    "colon in an instruction's target": f"<?a:b?>{ROOT}{HEAD}",  # expat lets it pass
    "internal subset": f"<!DOCTYPE html [<!ENTITY a 'b'>]>{ROOT}{HEAD}",
    "empty internal subset": f"<!DOCTYPE html []>{ROOT}{HEAD}",
    "subset after an identifier": f"<!DOCTYPE html SYSTEM 'x' [ ]>{ROOT}{HEAD}",
    "entity that matters, in a base": f"{STRICT}{ROOT}<head><base href='&sol;'/></head>{REST}",
    "entity that matters, in a policy": f"{STRICT}{ROOT}<head><meta http-equiv='&copy;' "
    f"content=''/></head>{REST}",
}
BROKEN = {
    "amp without a value": f'<html amp xmlns="{SPACE}">{HEAD}',
    "lightning": f'<html ⚡="" xmlns="{SPACE}">{HEAD}',
    "doctype in lower case": f"<!doctype html>{ROOT}{HEAD}",
    "two doctypes": f"<!DOCTYPE html><!DOCTYPE html>{ROOT}{HEAD}",
    "doctype in the root": f"{ROOT}<!DOCTYPE html>{HEAD}",
    "doctype with half an identifier": f"<!DOCTYPE html PUBLIC 'a'>{ROOT}{HEAD}",
    "doctype without a name": f"<!DOCTYPE>{ROOT}{HEAD}",
    "text before the root": f"text{ROOT}{HEAD}",
    "CDATA before the root": f"<![CDATA[]]>{ROOT}{HEAD}",
    "reference before the root": f"&amp;{ROOT}{HEAD}",
    "end tag before the root": f"</head>{ROOT}{HEAD}",
    "less-than in an attribute": f"{ROOT}<head><meta content='<'/></head>{REST}",
    "less-than in the text": f"{ROOT}<head>a < b</head>{REST}",
    "less-than in a tag": f"{ROOT}<head><meta </head>{REST}",
    "less-than twice": f"{ROOT}<head><<a/></head>{REST}",
    "tag without a name": f"{ROOT}<head><></head>{REST}",
    "end tag that fits none": f"{ROOT}<head><a></b></head>{REST}",
    "end tag left out": f"{ROOT}<head><meta></head>{REST}",
    "end tag in other letters": f"{ROOT}<head><A></a></head>{REST}",
    "end tag by another prefix": f'{ROOT}<head xmlns:h="{SPACE}"></h:head>{REST}',
    "attribute in the end tag": f"{ROOT}<head></head a=''>{REST}",
    "slash in the end tag": f"{ROOT}<head></head/>{REST}",
    "attribute twice": f"{ROOT}<head a='' b='' a=''></head>{REST}",
    "attribute twice by prefix": f'{ROOT}<head xmlns:a="x" xmlns:b="x" a:c="" b:c=""></head>{REST}',
    "attribute without quotes": f"{ROOT}<head a=b></head>{REST}",
    "attribute without a value": f"{ROOT}<head a></head>{REST}",
    "attributes without a space": f"{ROOT}<head a=''b=''></head>{REST}",
    "prefix of an element unknown": f"{ROOT}<a:b/>{HEAD}",
    "prefix of an attribute unknown": f"{ROOT}<b a:b=''/>{HEAD}",
    "prefix out of its scope": f"{ROOT}<b xmlns:a='x'/><a:b/>{HEAD}",
    "prefix declared away": f"{ROOT}<b xmlns:a=''/>{HEAD}",
    "prefix xmlns": f"{ROOT}<b xmlns:xmlns='x'/>{HEAD}",
    "prefix xml for another namespace": f"{ROOT}<b xmlns:xml='x'/>{HEAD}",
    "two colons": f"{ROOT}<b xmlns:a='x' a:b:c=''/>{HEAD}",
    "dashes in a comment": f"{ROOT}<!-- -- -->{HEAD}",
    "comment ended by three dashes": f"{ROOT}<!-- --->{HEAD}",
    "CDATA's end in the text": f"{ROOT}]]>{HEAD}",
    "declaration after white space": f' <?xml version="1.0"?>{ROOT}{HEAD}',
    "declaration in the root": f'{ROOT}<?xml version="1.0"?>{HEAD}',
    "declaration in capitals": f'<?XML version="1.0"?>{ROOT}{HEAD}',
    "declaration without version": f'<?xml encoding="utf-8"?>{ROOT}{HEAD}',
    "declaration that is a tag": f'<?xml version="1.0">{ROOT}{HEAD}',
    "declaration in the wrong order": f'<?xml encoding="utf-8" version="1.0"?>{ROOT}{HEAD}',
    "instruction without a target": f"<? php?>{ROOT}{HEAD}",
    "instruction by a number": f"<?1?>{ROOT}{HEAD}",
    "instruction's target of two words": f"<?a?b?>{ROOT}{HEAD}",
    "ampersand": f"{ROOT}<head> & {'x' * 80}</head>{REST}",
    "reference without its end": f"{ROOT}<head>&amp {'x' * 80}</head>{REST}",
    "unknown entity": f"{ROOT}<head>&nbsp;</head>{REST}",
    "unknown entity in an attribute": f"{ROOT}<head><a b='&nbsp;'/></head>{REST}",
    "unknown entity of a document that stands alone": '<?xml version="1.0" standalone="yes"?>'
    f"{STRICT}{ROOT}<head>&nbsp;</head>{REST}",
    "reference to no character": f"{ROOT}<head>&#0;</head>{REST}",
    "reference to a surrogate": f"{ROOT}<head>&#xD800;</head>{REST}",
    "hexadecimal X in capitals": f"{ROOT}<head>&#X41;</head>{REST}",
    "NUL": f"{ROOT}<head>\0</head>{REST}",
    "control in a comment": f"{ROOT}<head><!-- \x0b --></head>{REST}",
    "control in a section": f"{ROOT}<head><![CDATA[\x1f]]></head>{REST}",
    "control in a tag": f"{ROOT}<head\x0c></head>{REST}",
    "byte order mark twice": f"\ufeff\ufeff{ROOT}{HEAD}",
}


def cases(tables: dict[str, dict[str, str]]) -> list[Any]:
    return [
        pytest.param(text, id=f"{kind}: {name}")
        for kind, table in tables.items()
        for name, text in table.items()
    ]


@pytest.mark.parametrize(
    "document", cases({**WHERE, "untouched": UNTOUCHED, "not well-formed": BROKEN})
)
def test_the_tag_stands_before_the_end_of_the_head_at_every_split(document: str) -> None:
    plain = document.replace(HERE, "").encode()
    assert_at_every_split(plain, document.replace(HERE, TAG).encode())


@pytest.mark.parametrize("document", cases(WHERE))
def test_every_case_with_a_place_is_what_xml_says_it_is(document: str) -> None:
    assert document.count(HERE) == 1
    after = Read(document.replace(HERE, TAG).encode())
    after.take_ours_out()
    assert after.events == Read(document.replace(HERE, "").encode()).events


@pytest.mark.parametrize("document", cases({"not well-formed": BROKEN}))
def test_every_broken_case_is_refused_by_xml(document: str) -> None:
    assert read(document.encode()) is None


# Encodings


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "UTF-8", "us-ascii", "ISO-8859-1", "iso-8859-15", "windows-1252", "koi8-u"],
)
def test_an_encoding_of_single_bytes_that_keeps_ascii_is_read(encoding: str) -> None:
    letter = "a" if encoding == "us-ascii" else "я" if encoding == "koi8-u" else "é"
    document = f"<?xml version='1.0' encoding='{encoding}'?>{ROOT}<head><a b='{letter}'>{letter}"
    plain = f"{document}</a></head>{REST}".encode(encoding)
    wanted = f"{document}</a>{TAG}</head>{REST}".encode(encoding)
    assert_at_every_split(plain, wanted)


@pytest.mark.parametrize(
    "encoding",
    ["iso-2022-jp", "utf-7", "utf-16", "cp037", "shift_jis", "hz", "no-such", "iso-8859-12"],
)
def test_a_page_that_names_another_encoding_is_untouched(encoding: str) -> None:
    plain = f"<?xml version='1.0' encoding='{encoding}'?>{ROOT}{HEAD}".encode()
    assert_at_every_split(plain, plain)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp037"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["bare", "marked"])
def test_a_page_in_another_encoding_is_untouched(encoding: str, mark: str) -> None:
    mark = "" if encoding == "cp037" else mark
    plain = f"{mark}<?xml version='1.0'?>{ROOT}{HEAD}".encode(encoding)
    assert_at_every_split(plain, plain)


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xe9t\xe9", b"\xc3", b"\xed\xa0\x80", b"<!--\xe9-->", b"<a b='\xf0'/>", b"<\xe9/>"],
    ids=["never", "latin-1", "half a letter", "surrogate", "comment", "attribute", "name"],
)
def test_bytes_that_are_no_utf_8_are_not_well_formed(text: bytes) -> None:
    plain = ROOT.encode() + b"<head>" + text + b"</head>"
    assert_at_every_split(plain, plain)


# What the head has said


def said_by(head: str, before: str = "") -> Said | None:
    told: list[Said] = []
    document = f"{before}<head>{head}</head>".encode()
    for chunks in ([document], cut(document, range(1, len(document)))):
        scanner = XmlScanner(lambda said: told.append(said) or b"")
        for chunk in chunks:
            scanner.feed(chunk)
    assert len(told) in (0, 2)
    assert told[:1] == told[1:]
    return told[0] if told else None


POLICY = "<meta http-equiv='Content-Security-Policy' content='{}'/>"


@pytest.mark.parametrize(
    ("head", "policies", "base"),
    [
        pytest.param("", [], None, id="nothing"),
        pytest.param(POLICY.format("a") + POLICY.format("b"), ["a", "b"], None, id="policies"),
        pytest.param(POLICY.format("a&#38;\n&apos;"), ["a& '"], None, id="references"),
        pytest.param("<base href='/a'/><base href='/b'></base>", [], "/a", id="base"),
        pytest.param("<h:base href='/a'/>", [], "/a", id="base with a prefix"),
        pytest.param("<a><base href='/a'/></a>", [], "/a", id="base deeper down"),
        pytest.param("<a>" + POLICY.format("a") + "</a>", [], None, id="policy deeper down"),
        pytest.param("<base HREF='/a' h:href='/b'/>", [], None, id="attribute of another name"),
        pytest.param("<BASE href='/a'/>", [], None, id="element of another name"),
        pytest.param("<base xmlns='x' href='/a'/>", [], None, id="base of another namespace"),
    ],
)
def test_the_insertion_hears_what_the_head_said(
    head: str, policies: list[str], base: str | None
) -> None:
    root = f'<html xmlns="{SPACE}" xmlns:h="{SPACE}">'
    assert said_by(head, root) == Said(policies, base)


def test_a_base_before_the_head_counts_as_it_does_in_browsers() -> None:
    assert said_by("", f"{ROOT}<base href='/a'/>") == Said([], "/a")


def test_a_policy_before_the_head_does_not_count() -> None:
    assert said_by("", ROOT + POLICY.format("a")) == Said()


# The outside face


def test_an_insertion_of_nothing_leaves_the_page_alone() -> None:
    scanner = XmlScanner(lambda said: b"")
    document = f"{ROOT}{HEAD}".encode()
    assert scanner.feed(document) == document
    assert (scanner.found, scanner.done, scanner.close()) == (False, True, b"")


@pytest.mark.parametrize(
    ("document", "calls"), [(f"{ROOT}<head></head></head>", 1), ("<p></p>", 0), (ROOT, 0)]
)
def test_the_insertion_is_asked_at_most_once(document: str, calls: int) -> None:
    asked: list[Said] = []
    scanner = XmlScanner(lambda said: asked.append(said) or b"tag")
    scanner.feed(document.encode())
    scanner.close()
    scanner.feed(b"<head></head>")
    scanner.close()
    assert len(asked) == calls
    assert scanner.done
    assert scanner.found == bool(calls)


def test_when_the_insertion_fails_nothing_that_was_fed_is_lost() -> None:
    def fail(said: Said) -> bytes:
        raise OSError

    scanner = XmlScanner(fail)
    out = scanner.feed(f"{ROOT}<head>a</he".encode())
    with pytest.raises(OSError, match=r"^$"):
        scanner.feed(b"ad></html>")
    assert out + scanner.release() + scanner.feed(b"x") == f"{ROOT}<head>a</head></html>x".encode()
    assert not scanner.found


@pytest.mark.parametrize(
    "start", [b"<!--", b"<![CDATA[", b"<?a ", b"<style>"], ids=["comment", "CDATA", "pi", "text"]
)
def test_text_goes_out_as_it_comes(start: bytes) -> None:
    scanner = XmlScanner(lambda said: b"")
    assert scanner.feed(ROOT.encode() + start) == ROOT.encode() + start
    for chunk in (b"a", b"bc", b" " * 200_000):
        assert scanner.feed(chunk) == chunk


@pytest.mark.parametrize(
    ("start", "end"),
    [("<!--a", "--"), ("<![CDATA[a", "]]"), ("<?a b", "?"), ("a", "]]"), ("a", "&am"), ("a", "<a")],
)
def test_only_what_is_unfinished_is_held(start: str, end: str) -> None:
    scanner = XmlScanner(lambda said: b"")
    assert scanner.feed(f"{ROOT}{start}{end}".encode()) == f"{ROOT}{start}".encode()
    assert scanner.release() == end.encode()


def test_an_unfinished_tag_is_held_until_its_end() -> None:
    scanner = XmlScanner(lambda said: b"")
    assert scanner.feed(f"{ROOT} <a b='c>".encode()) == f"{ROOT} ".encode()
    assert scanner.feed(b'">') == b""
    assert scanner.feed(b"'> ") == b"<a b='c>\">'> "


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("<html><p></html> ", id="not well-formed"),
        pytest.param(f"{ROOT}</html> ", id="root without a head"),
        pytest.param(f"{ROOT}&{'x' * 80}", id="ampersand that is none"),
        pytest.param(f"{ROOT}<?{'x' * 80}", id="target of no end"),
    ],
)
def test_a_page_that_has_no_place_is_scanned_no_further(document: str) -> None:
    scanner = XmlScanner(lambda said: b"")
    assert scanner.feed(document.encode()) == document.encode()
    assert scanner.done


def test_what_is_held_has_a_limit_and_then_the_rest_passes() -> None:
    scanner = XmlScanner(lambda said: b"tag")
    start = b"<head a='"
    assert scanner.feed(ROOT.encode() + start + b"x" * (LIMIT - 100)) == ROOT.encode()
    assert scanner.feed(b"x" * 100) == start + b"x" * LIMIT
    assert scanner.feed(b"'></head>") == b"'></head>"
    assert (scanner.done, scanner.found, scanner.close()) == (True, False, b"")


def test_a_long_tag_in_one_chunk_is_no_hindrance() -> None:
    icon = f"{ROOT}<head><link href='{'x' * 2 * LIMIT}'/>".encode()
    assert scan([icon + b"</head>"], b"tag") == icon + b"tag</head>"


ATTRIBUTES = "".join(f" a{number}='>'" for number in range(6_000))
LONG = {
    "value": f"{ROOT}<head a='{'>' * 60_000}'>",
    "attributes": f"{ROOT}<head{ATTRIBUTES}>",
    "name": f"{ROOT}<head><a{'a' * 60_000}/>",
    "spaces": f"{ROOT}<head{' ' * 60_000}>",
    "declaration": f"<?xml version='1.0'{' ' * 60_000}?>{ROOT}<head>",
    "doctype": f"<!DOCTYPE html SYSTEM '{'>' * 60_000}'>{ROOT}<head>",
    "comment": f"{ROOT}<head><!--{'- ' * 30_000}-->",
    "CDATA": f"{ROOT}<head><![CDATA[{']' * 60_000}]]>",
    "instruction": f"{ROOT}<head><?a {'?' * 60_000}?>",
    "brackets": f"{ROOT}<head>{']' * 60_000}",
    "references": f"{ROOT}<head>{'&amp;' * 12_000}",
    "zeros": f"{ROOT}<head>{'&#0000000000000000000065;' * 2_400}",
}


@pytest.mark.parametrize("document", [pytest.param(text, id=name) for name, text in LONG.items()])
def test_long_parts_are_read_in_single_bytes_too(document: str) -> None:
    plain = f"{document}</head>".encode()
    assert scan(cut(plain, range(1, len(plain)))) == f"{document}{TAG}</head>".encode()


class Counted:
    """A pattern that notes how many bytes it was shown."""

    def __init__(self, pattern: re.Pattern[bytes], shown: list[int]) -> None:
        self._pattern, self._shown = pattern, shown

    def search(self, data: bytearray, position: int) -> re.Match[bytes] | None:
        mark = self._pattern.search(data, position)
        self._shown.append((mark.end() if mark else len(data)) - position)
        return mark


@pytest.mark.parametrize(
    "name", ["value", "attributes", "name", "spaces", "declaration", "doctype"]
)
def test_no_byte_of_an_unfinished_tag_is_looked_at_twice(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    for quote, pattern in NOTABLE.items():
        monkeypatch.setitem(NOTABLE, quote, Counted(pattern, shown))
    plain = LONG[name].encode()
    scan(cut(plain, range(1, len(plain))))
    assert len(plain) - 20 < sum(shown) < len(plain)


# Documents that nobody thought of

WORDS = [
    *("<a>", "</a>", "<b/>", "<head>", "</head>", "</head\n>", "<head/>", "<HEAD>", "</HEAD>"),
    *("<h:head>", "</h:head>", "<h:a>", "</h:a>", "<x:a/>", "<body>", "</body>", "</html>"),
    *("<head xmlns=''>", f"<head xmlns='{SPACE}'>", "<a xmlns='x'>", "<a xmlns:x='y' x:b=''>"),
    *("<title/>", "<script/>", "<title>", "</title>", "<style>", "</style>", "<meta content='>'/>"),
    *("<a b='<'/>", "<a b=''c=''/>", "<a b='' b=''/>", "<a b=c>", "<a b='&lt;&#65;'/>", "<a b"),
    *("<!--", "-->", "--", "-", "<!-- </head> -->", "<!---->", "<![CDATA[", "]]>", "]", "]]"),
    *(
        "<![CDATA[</head>]]>",
        "<?a",
        "?>",
        "?",
        "<?a </head>?>",
        "<?xml version='1.0'?>",
        "<?xml-a?>",
    ),
    *("x", " ", "\n", "\r", "é", "\0", "\ufeff", "&", "&amp;", "&#65;", "&#x41;", "&#0;", "&nbsp;"),
    *("&a", ";", "<", "</", "<!", ">", "/>", "'", '"', "=", "<!DOCTYPE html>", "<base href='a'/>"),
]
STARTS = ["", "\ufeff", "<?xml version='1.0'?>", "<!DOCTYPE html>", STRICT, "<!--a--> <?b?>\n"]
ROOTS = [ROOT, f"<html xmlns='{SPACE}' xmlns:h='{SPACE}'>", f"<h:html xmlns:h='{SPACE}'>", "<html>"]


def elements(content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Whole elements, so that many documents are well-formed."""
    names = st.sampled_from(["a", "head", "title", "HEAD", "b c='>'", f"head xmlns='{SPACE}'"])
    return st.builds(
        lambda name, inner: f"<{name}>{''.join(inner)}</{name.partition(' ')[0]}>",
        names,
        st.lists(content, max_size=4),
    )


words = st.sampled_from(WORDS)
whole = st.sampled_from(
    [word for word in WORDS if read(f"<h:x xmlns:h='h'>{word}</h:x>".encode()) is not None]
)
bodies = st.lists(st.one_of(words, whole, st.recursive(whole, elements, max_leaves=8)), max_size=6)
heads = st.lists(st.recursive(whole, elements, max_leaves=6), max_size=5)
loose = st.lists(words, max_size=12)
documents = st.builds(
    lambda start, root, before, head, rest: (
        start + root + "".join([*before, "<head>", *head, "</head>", *rest])
    ).encode(),
    *(st.sampled_from(STARTS), st.sampled_from(ROOTS), st.just([]) | bodies, heads | loose, loose),
)
ended = documents.map(
    lambda document: document + (b"</h:html>" if b"<h:html" in document else b"</html>")
)


@settings(max_examples=400, deadline=None)
@given(documents | ended, st.data())
def test_any_document_comes_out_the_same_at_every_split(
    document: bytes, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(document)), max_size=5))
    assert scan(cut(document, places)) == scan([document])
    assert scan(cut(document, range(1, len(document)))) == scan([document])


@settings(max_examples=1500, deadline=None)
@given(documents | ended)
@example(f"{ROOT}<head></head>{REST}".encode())
@example(f"{ROOT}<head></head><p>".encode())
def test_any_document_keeps_all_it_had_and_has_our_element_in_the_head(document: bytes) -> None:
    """Of a document that is broken after the place as well: nothing but the tag is new there,
    and up to the place it was well-formed. Before the place it is never broken."""
    after = scan([document])
    if after == document:
        return
    assert after.count(TAG.encode()) == 1
    before, _, rest = after.partition(TAG.encode())
    assert before + rest == document
    head_end = rest[: rest.index(b">") + 1]
    root_end = b"</h:html>" if b"<h:html" in before else b"</html>"
    for end in (rest, head_end + root_end):
        original = read(before + end)
        changed = read(before + TAG.encode() + end)
        assert (original is None) == (changed is None)
        if original and changed:
            changed.take_ours_out()
            assert changed.events == original.events
    assert original is not None


def place_by_expat(document: bytes) -> int | None:
    """Where the first head of the root has its end tag, in a well-formed document."""
    ends: list[int] = []
    open_elements: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.namespace_prefixes = True

    def end(name: str) -> None:
        open_elements.pop()
        if name == f"{SPACE} head" and len(open_elements) == 1 and root in open_elements[0]:
            ends.append(parser.CurrentByteIndex)

    root = f"{SPACE} html"
    parser.StartElementHandler = lambda name, attributes: open_elements.append(name)
    parser.EndElementHandler = end
    parser.Parse(document, True)
    return ends[0] if ends and document.startswith(b"</head", ends[0]) else None


@settings(max_examples=1500, deadline=None)
@given(ended)
def test_any_well_formed_document_gets_the_tag_where_expat_sees_the_place(document: bytes) -> None:
    if read(document) is None:
        return
    place = place_by_expat(document)
    parts = [document] if place is None else [document[:place], TAG.encode(), document[place:]]
    assert scan([document]) == b"".join(parts)


# Chromium


@pytest.mark.browser
def test_chromium_reads_the_page_without_error_and_has_the_script_in_its_head(
    chromium: Any, tmp_path: Path
) -> None:
    client = "document.documentElement.setAttribute('data-ran', document.contentType);"
    (tmp_path / "client.js").write_text(client)
    tag = b'<script async="async" src="client.js" data-pagetimer=""></script>'
    document = (
        f'<?xml version="1.0"?>{STRICT}{ROOT}<head><script/><title>&copy;</title></head>{REST}'
    )
    (tmp_path / "page.xhtml").write_bytes(scan([document.encode()], tag))
    page = chromium.new_page()
    page.goto((tmp_path / "page.xhtml").as_uri())
    page.wait_for_selector("html[data-ran]", state="attached")
    assert page.evaluate("document.querySelector('parsererror')") is None
    assert page.evaluate("document.documentElement.dataset.ran") == "application/xhtml+xml"
    assert page.evaluate("document.head.lastChild.hasAttribute('data-pagetimer')")
    assert page.title() == "©"
    page.close()


READ_IN_CHROMIUM = """(function (text) {
    var page = new DOMParser().parseFromString(text, 'application/xhtml+xml');
    var ours = page.querySelector('html > head > script[data-ours]:last-child');
    if (ours) ours.remove();
    var error = page.querySelector('parsererror');
    return [!!ours, error && error.textContent, new XMLSerializer().serializeToString(page)];
})"""


@pytest.mark.browser
def test_chromium_reads_every_case_as_it_did_but_for_our_element(chromium: Any) -> None:
    page = chromium.new_page()
    for document in (text for table in SEEN.values() for text in table.values()):
        plain = document.replace(HERE, "").lstrip("\ufeff")  # no text begins with a mark of bytes
        tagged = document.replace(HERE, TAG).lstrip("\ufeff")
        _, error, tree = page.evaluate(READ_IN_CHROMIUM, plain)
        assert error is None, document
        assert page.evaluate(READ_IN_CHROMIUM, tagged) == [True, None, tree]
    page.close()
