"""The place before the end of the head, by the WHATWG rules, in chunks of any size."""

from __future__ import annotations

import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise, repeat

import pytest

from pagetimer_wsgi.page.document.head import LIMIT, Scanner
from pagetimer_wsgi.page.document.said import Said

TAG = '<script async="async" src="/x.js" data-ours="1"></script>'
HERE = "@@"  # where a case's tag must stand


def cut(document: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(document)]
    return [document[start:end] for start, end in pairwise(edges)]


def scan(chunks: Iterable[bytes], tag: bytes = TAG.encode()) -> bytes:
    scanner = Scanner(lambda said: tag)
    return b"".join([*[scanner.feed(chunk) for chunk in chunks], scanner.close()])


def peak_memory(act: Callable[[], object]) -> int:
    """The bytes that the act took at most, its result among them."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_at_every_split(document: str) -> None:
    """The tag stands at HERE, or nowhere, whole, in single bytes, and cut in two anywhere."""
    plain = document.replace(HERE, "").encode("utf-8", "surrogateescape")
    wanted = document.replace(HERE, TAG).encode("utf-8", "surrogateescape")
    assert scan([plain]) == wanted
    assert scan(cut(plain, range(1, len(plain)))) == wanted
    for place in range(len(plain) + 1):
        assert scan(cut(plain, [place])) == wanted


ENDS = {
    "plain": "<!doctype html><html><head><title>a</title>@@</head><body>",
    "capitals": "<HTML><HEAD><TITLE>a</TITLE>@@</HEAD><BODY>",
    "space in the end tag": "<html><head>@@</head >",
    "slash in the end tag": "<html><head>@@</HEAD/>",
    "attribute in the end tag": '<html><head>@@</head a=">">',
    "head never opened": "<!doctype html>@@</head>",
    "white space before stays before": "<html><head> <title>a</title>\n@@</head>",
    "byte order mark": "\ufeff<!doctype html><title>a</title>@@<p>",
    "only the first head end": "<html><head>@@</head></head>",
    "an encoding that is spoken of, not declared": "<html>"
    '<meta name="description" content="of iso-2022-jp"><meta name=a content=hz-gb-2312>'
    "<meta http-equiv=refresh content='9; url=/iso-2022-jp'>@@</head>",
    "XML declaration": "<?xml version='1.0' encoding='utf-8'?>\n<html>@@</head>",
    "no XML declaration": "<?xm encoding='iso-2022-jp'?><html>@@</head>",
    "no doctype, only its end tag": "<title>a</title>@@</head>",
}
IMPLIED = {
    "body": "<!doctype html><title>a</title>@@<body>",
    "body says that it is a document": "<title>a</title>@@<body class=x>",
    "body end": "<html>@@</body>",
    "html end": "<title>a</title>@@</html>",
    "br end": "<html>@@</br>",
    "a start tag of the body": "<!doctype html><meta charset=utf-8>@@<p>",
    "a start tag right after the doctype": "<!doctype html>@@<div>",
    "frameset": "<html>@@<frameset>",
    "textarea": "<html>@@<textarea></head></textarea>",
    "svg": "<html>@@<svg>",
    "a name that only begins like one of the head": "<html>@@<metal>",
    "text": "<html><head>  @@text</head>",
    "text before the head": "<html> @@text",
    "less-than that is no tag": "<html>@@< p",
    "vertical tab is text": "<html>@@\x0b</head>",
    "NUL is text": "<html>@@\0</head>",
    "no-break space is text": "<html>@@&nbsp;</head>",
    "reference to a letter": "<html>@@&#65;</head>",
    "ampersand": "<html>@@& </head>",
    "Tab without semicolon": "<html>@@&Tab </head>",
    "no white space by too many digits": "<html>@@&#320;</head>",
    "other end tags mean nothing": "<html></p></template></title></head-x>@@</head>",
    "a second head means nothing": "<html><head><head><head>@@</head>",
    "a late doctype means nothing": "<html><!doctype html>@@</head>",
}
SPACES = {
    name: f"<html><head>{text}@@</head>"
    for name, text in {
        "decimal": "&#32;&#9;&#10;&#12;&#13;",
        "hexadecimal": "&#x20;&#X9;&#xA;&#xc;&#xD;",
        "named": "&Tab;&NewLine;",
        "without semicolon": "&#32&#x20 ",
        "leading zeros": "&#00032;&#x0000020;",
    }.items()
}
DECOYS = {
    "comment": "<html><!-- </head> -->@@</head>",
    "comment ended with a bang": "<html><!-- </head> --!>@@</head>",
    "comment that ends at once": "<html><!-->@@</head>-->",
    "comment that ends at a dash": "<html><!--->@@</head>-->",
    "comment that a bang does not end": "<html><!--!></head>-->@@</head>",
    "comment of dashes": "<html><!----->@@</head>",
    "comment in a comment": "<html><!--<!-- </head> -->@@</head>",
    "bogus comments": "<html><!x </head ><?x </head ></ </head ></><!>@@</head>",
    "CDATA is a bogus comment": "<html><![CDATA[>@@]]></head>",
    "title": "<html><title></head></titles></title >@@</head>",
    "title is never self-closing": "<html><title/></head></title>@@</head>",
    "style": "<html><style>a > b {content: '</head>'}</style>@@</head>",
    "noframes": "<html><noframes></head></noframes>@@</head>",
    "noscript is text": "<html><noscript><p></head><!--</noscript>@@</head>",
    "end tag with attributes": '<html><style></head></STYLE a=">" >@@</head>',
    "attribute in double quotes": '<html><meta a="</head>">@@</head>',
    "attribute in single quotes": "<html><meta a='</head>'>@@</head>",
    "an encoding in a quote left open": '<html><meta charset="utf-8></head>">@@</head>',
    "quote inside an unquoted value": "<html><meta a=b\"c>@@</head><p a='\"'>",
    "quote after an equals sign that is a name": '<html><meta ="b>@@</head>">',
    "value left out": "<html><meta a=>@@</head>",
    "no space between attributes": "<html><meta a='1'b=\"</head>\">@@</head>",
    "space around the equals sign": '<html><meta a \n=\t"</head>">@@</head>',
    "tag inside a tag's name": "<html>@@<meta<title></head>",
}
SCRIPTS = {
    "end of head": "<html><script></head></script>@@</head>",
    "longer name": "<html><script></scripts></head></script>@@</head>",
    "escaped": "<html><script><!-- </head> --></script>@@</head>",
    "escaped, left open": "<html><script><!-- </script>@@</head>",
    "escaped twice": "<html><script><!--<script></script></head></script>@@</head>",
    "escaped twice, capitals": "<html><script><!--<SCRIPT ></Script/></script>@@</head>",
    "escaped twice, ended by dashes": "<html><script><!--<script>--></script>@@</head>",
    "escaped twice, longer name": "<html><script><!--<scripts></script>@@</head>",
    "escape that ends with its own dashes": "<html><script><!--><script></script>@@</head>",
    "escape that a bang does not end": "<html><script><!--<script>--!></script></head>-->"
    "</script>@@</head>",
    "script in script": "<html><script><script></script>@@</head>",
}
TEMPLATES = {
    "end of head": "<html><template></head><body></html></template>@@</head>",
    "nested": "<html><template><template></template></head></template>@@</head>",
    "text": "<html><template>a &amp; < b</template>@@</head>",
    "comment": "<html><template><!-- </template> --></template>@@</head>",
    "text elements of the body": "<html><template><textarea></template></textarea>"
    "<iframe></template></iframe><xmp></template></xmp></template>@@</head>",
    "table": "<html><template><tr><td><style></template></style></template>@@</head>",
    "columns of a table": "<html><template><table><col><style></template></style></template>"
    "@@</head>",
    "select and script": "<html><template><select><script></template></script></template>@@</head>",
    "select that is closed, and text elements after it": "<html><template><select></select>"
    "<style></template></style></template>@@</head>",
    "textarea in a select": "<html><template><select><textarea></template></textarea>"
    "</template>@@</head>",
    "attribute of ours does not count": "<html><template><p data-pagetimer></template>@@</head>",
}
ENDLESS = {
    "doctype": "<!doctype html>@@",
    "head": "<html><head><title>a</title>\n@@",
    "white space by reference": "<html>&#32@@",
    "half a tag": "<html><head>@@<link rel='a",
    "half an end tag": "<html><head>@@</hea",
    "less-than": "<html><head>@@<",
    "half a reference": "<html><head>@@&#3",
}
UNTOUCHED = {
    "nothing": "",
    "text": "text",
    "fragment": "<p>a</p>",
    "fragment with a head of its own": "<title>a</title><p>a</p><html><head></head>",
    "fragment of the head": "<title>a</title>",
    "fragment, html only in a template": "<template><html></template><p>",
    "fragment, unfinished html": "<html",
    "br end is no document": "</br><html>",
    "amp": "<html amp><head></head>",
    "amp in capitals, with a value": "<!doctype html><HTML lang=en AMP=''><head></head>",
    "amp after a value that holds the end of a tag": '<!doctype html><html lang=">" amp><head>'
    "</head>",
    "lightning": "<html ⚡><head></head>",
    "carries the script": "<html><script src=a data-pagetimer></script></head>",
    "carries the script, plainest spelling": '<html><script src="a" data-pagetimer="1"></script>'
    "</head>",
    "carries it in capitals": "<html><meta DATA-PAGETIMER=1></head>",
    "UTF-16 by meta": "<html><meta charset=utf-16></head>",
    "UTF-32 by http-equiv": '<html><meta http-equiv=content-type content="text/html; '
    'charset=UTF-32LE"></head>',
    "ISO-2022-JP by meta": "<html><meta charset=iso-2022-jp></head>",
    "ISO-2022-JP by http-equiv": '<html><meta content="text/html; charset=ISO-2022-JP" '
    'http-equiv="content-type"></head>',
    "ISO-2022-JP by an XML declaration": "<?xml encoding='ISO-2022-JP'?><html></head>",
    "open comment": "<html><!-- </head>",
    "open XML declaration": "<?xml version='1.0' <html",
    "open bogus comment": "<html><?x",
    "half a comment": "<html><!-",
    "open doctype": "<!doctype html",
    "open title": "<html><title></head>",
    "open end tag of a script": "<html><script></script a=",
    "open template": "<html><template></head>",
    "svg in a template": "<html><template><svg></template></head>",
    "math in a template": "<html><template><math></template></head>",
    "plaintext in a template": "<html><template><plaintext></template></head>",
    "col first in a template": "<html><template><template></template><col><style>"
    "</template></style></template></head>",
    "text element in a select": "<html><template><select><style></template></style>"
    "</template></head>",
    "plainest text element in a select": "<html><template><select><title></title>"
    "</select></template></head>",
    "text element in a select, another select closed in a template": "<html><template><select>"
    "<template><select></select></template><style></template></style></template></head>",
    "endless zeros": f"<html>&#{'0' * 65}32;</head>",
}
TABLES = (ENDS, IMPLIED, SPACES, DECOYS, SCRIPTS, TEMPLATES, ENDLESS, UNTOUCHED)
KINDS = ("end", "implied", "space", "decoy", "script", "template", "endless", "untouched")
CASES = [
    pytest.param(text, id=f"{kind}: {name}".encode("ascii", "replace").decode())
    for kind, table in zip(KINDS, TABLES, strict=True)
    for name, text in table.items()
]


@pytest.mark.parametrize("document", CASES)
def test_the_tag_stands_before_the_end_of_the_head_at_every_split(document: str) -> None:
    assert_at_every_split(document)


@pytest.mark.parametrize("document", [text for table in TABLES[:-1] for text in table.values()])
def test_every_case_with_a_place_says_where_it_is(document: str) -> None:
    assert document.count(HERE) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-be"])
def test_wide_encodings_pass_untouched(encoding: str) -> None:
    document = "\ufeff<html><head></head>".encode(encoding)
    assert scan([document]) == scan(cut(document, range(len(document)))) == document


@pytest.mark.parametrize(
    ("document", "calls"), [(b"<html></head></head>", 1), (b"<p></p>", 0), (b"<html>", 1)]
)
def test_the_insertion_is_asked_at_most_once(document: bytes, calls: int) -> None:
    asked: list[int] = []

    def insertion(said: Said) -> bytes:
        asked.append(1)
        return b"tag"

    scanner = Scanner(insertion)
    scanner.feed(document)
    scanner.close()
    scanner.close()
    assert len(asked) == calls
    assert scanner.done
    assert scanner.found == bool(calls)


SAID = {
    "a policy": (
        "<meta http-equiv=Content-Security-Policy content=\"script-src 'self'\">",
        (["script-src 'self'"], None),
    ),
    "a policy in capitals with references": (
        "<META CONTENT='script-src &#39;self&apos;' HTTP-EQUIV='content-SECURITY-policy' />",
        (["script-src 'self'"], None),
    ),
    "the first of two attributes of one name": (
        "<meta http-equiv=content-security-policy content=a content=b>",
        (["a"], None),
    ),
    "two policies, in their order": (
        "<meta http-equiv=content-security-policy content=a>"
        "<meta http-equiv=content-security-policy content=b>",
        (["a", "b"], None),
    ),
    "other metas": ("<meta http-equiv=refresh content=1><meta name=a content=b>", ([], None)),
    "a policy without content": ("<meta http-equiv=content-security-policy content>", ([], None)),
    "a base": ('<base target=a href="https://a.example/?a&amp;b">', ([], "https://a.example/?a&b")),
    "the first base that has an address": (
        "<base target=a><base href=/b><base href=/c>",
        ([], "/b"),
    ),
    "an empty base": ("<base href><base href=/c>", ([], "")),
    "what no browser reads as an element of the head": (
        "<!-- <base href=/a> --><script><base href=/b></script><noscript><base href=/c></noscript>"
        "<template><base href=/d><meta http-equiv=content-security-policy content=a></template>",
        ([], None),
    ),
}


@pytest.mark.parametrize(("head", "wanted"), SAID.values(), ids=SAID.keys())
def test_the_insertion_learns_what_the_head_said_at_every_split(
    head: str, wanted: tuple[list[str], str | None]
) -> None:
    document = f"<html><head>{head}</head><base href=/late>".encode()
    for chunks in ([document], cut(document, range(1, len(document)))):
        heard: list[Said] = []

        def insertion(said: Said, heard: list[Said] = heard) -> bytes:
            heard.append(said)
            return b""

        scanner = Scanner(insertion)
        out = b"".join([*map(scanner.feed, chunks), scanner.close()])
        assert [(said.policies, said.base) for said in heard] == [wanted]
        assert (out, scanner.found, scanner.done) == (document, False, True)


@pytest.mark.parametrize(
    "start",
    [b"<style>", b"<title>", b"<script>", b"<noscript>", b"<!-- ", b"<script><!--<script>", b"<?"],
)
def test_text_goes_out_as_it_comes(start: bytes) -> None:
    scanner = Scanner(lambda said: b"")
    assert scanner.feed(b"<html>" + start) == b"<html>" + start
    for chunk in (b"a", b"bc", b" " * 200_000):
        assert scanner.feed(chunk) == chunk


def test_only_an_unfinished_tag_is_held() -> None:
    scanner = Scanner(lambda said: b"")
    assert scanner.feed(b"<html> <meta name='a") == b"<html> "
    assert scanner.feed(b"b>c") == b""
    assert scanner.feed(b"'> ") == b"<meta name='ab>c'> "


def test_a_fragment_is_scanned_no_further_than_its_first_word() -> None:
    scanner = Scanner(lambda said: b"")
    assert scanner.feed(b"<p") == b""
    assert scanner.feed(b">") == b"<p>"
    assert scanner.done


def test_what_is_held_has_a_limit_and_then_the_rest_passes() -> None:
    scanner = Scanner(lambda said: b"tag")
    start = b"<html><meta a='"
    assert scanner.feed(start + b"x" * (LIMIT - 100)) == b"<html>"
    assert scanner.feed(b"x" * 100) == start[6:] + b"x" * LIMIT
    assert scanner.feed(b"'></head>") == b"'></head>"
    assert (scanner.done, scanner.found, scanner.close()) == (True, False, b"")


def test_a_long_tag_in_one_chunk_is_no_hindrance() -> None:
    icon = b"<html><link href='" + b"x" * 2 * LIMIT + b"'>"
    assert scan([icon + b"</head>"], b"tag") == icon + b"tag</head>"


def test_when_the_insertion_fails_nothing_that_was_fed_is_lost() -> None:
    def fail(said: Said) -> bytes:
        raise OSError

    scanner = Scanner(fail)
    out = scanner.feed(b"<html><he")
    with pytest.raises(OSError, match=r"^$"):
        scanner.feed(b"ad></head>")
    assert out + scanner.release() + scanner.feed(b"x") == b"<html><head></head>x"


@pytest.mark.parametrize(
    "document",
    [
        b"<html><meta a='" + b">" * 60_000 + b"'></head>",
        b"<html><meta " + b'a=">" ' * 10_000 + b"></head>",
        b"<html><m" + b"e" * 60_000 + b"></head>",
        b"<html><!--" + b"-" * 20_000 + b"></head>",
        b"<html><script>" + b"<" * 20_000 + b"</script></head>",
        b"<?xml " + b"x" * 60_000 + b"?><html></head>",
    ],
    ids=["value", "attributes", "name", "comment", "script", "XML declaration"],
)
def test_single_bytes_cost_linear_time(document: bytes) -> None:
    begun = time.process_time()
    scan(cut(document, range(1, len(document))))
    assert time.process_time() - begun < 0.3  # seconds; re-scans of what is held take 0.5 and more


def test_empty_chunks_are_not_held() -> None:
    scanner = Scanner(lambda said: b"")
    scanner.feed(b"<html><meta ")
    assert peak_memory(lambda: deque(map(scanner.feed, repeat(b"", 50_000)), 0)) < 50_000


GREEDY = {
    "one attribute again and again": b"<link" + b" a" * 100_000 + b">",
    "many attributes": b"<META" + b"".join(b" a%d" % number for number in range(40_000)) + b">",
    "quiet attributes": b"<meta" + b' id=""' * 40_000 + b">",
    "comment of dashes": b"<!--" + b"-a" * 100_000 + b"-->",
    "script of less-thans": b"<script>" + b"< " * 100_000 + b"</script>",
    "noscript of less-thans": b"<noscript>" + b"< " * 100_000 + b"</noscript>",
    "links": b"<link>" * 40_000,
    "references": b"&#32;" * 30_000,
}


@pytest.mark.parametrize("head", GREEDY.values(), ids=GREEDY.keys())
def test_whatever_a_chunk_holds_reading_it_takes_no_more_memory_than_copying_it(
    head: bytes,
) -> None:
    document = b"<html>" + head + b"</head>"
    assert peak_memory(lambda: scan([document])) < 3 * len(document)
