"""A page with our element is the same page: parsers and a browser build the same tree, but for it.

Compared are all nodes in their order, with parents, names, namespaces, attributes, text (nodes are
not joined), comments, doctypes, contents of templates and shadow roots, and the quirks mode where
a parser tells it. Scripting is on in all of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import justhtml
import markupever
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser
from test_page_head import HERE, KINDS, TABLES, TAG, assert_at_every_split, cut, scan

# --- trees --------------------------------------------------------------------------------------

Node = tuple[str, str]  # its name, and all else of it
Line = tuple[tuple[str, ...], Node]  # the names of all above it, and it
Tree = list[Line]


def lines(node: Any, tell: Callable[[Any], tuple[Node, Iterable[Any]]]) -> Tree:
    """What stands under a node, depth first; a stack of our own, for parsers' trees are deep."""
    out: Tree = []
    _, children = tell(node)
    open_nodes: list[tuple[tuple[str, ...], Iterator[Any]]] = [((), iter(children))]
    while open_nodes:
        path, rest = open_nodes[-1]
        child = next(rest, None)
        if child is None:
            open_nodes.pop()
            continue
        facts, children = tell(child)
        out.append((path, facts))
        open_nodes.append(((*path, facts[0]), iter(children)))
    return out


def lexbor(document: str) -> Tree:
    def tell(node: Any) -> tuple[Node, list[Any]]:
        name = node.tag or "?"  # it has no name for processing instructions
        whole = not node.is_element_node or name == "template"
        children, child = [], node.first_child
        while child:
            children.append(child)
            child = child.next
        return (name, node.html if whole else repr(node.attributes)), children

    root = LexborHTMLParser(document, scripting=True).root
    return lines(root.parent, tell) if root else []


def turbo(document: str) -> Tree:
    import turbohtml

    facts = ("attrs", "namespace", "name", "public_id", "system_id", "target", "data")

    def tell(node: Any) -> tuple[Node, list[Any]]:
        name = getattr(node, "tag", type(node).__name__)
        shadow = getattr(node, "shadow_root", None)
        return (
            (name, repr([getattr(node, fact, None) for fact in facts])),
            [*node.children, *([shadow] if shadow is not None else [])],
        )

    return lines(turbohtml.parse(document, scripting=True, positions=False), tell)


def just(document: str) -> Tree:
    def tell(node: Any) -> tuple[Node, list[Any]]:
        data = node.data
        if node.name == "!doctype":
            data = (data.name, data.public_id, data.system_id, data.force_quirks)
        facts = (type(node).__name__, getattr(node, "attrs", None), node.namespace, data)
        content = getattr(node, "template_content", None)
        children = getattr(node, "children", None) or []
        return (node.name, repr(facts)), [*children, *([content] if content else [])]

    parsed = justhtml.JustHTML(document, scripting_enabled=True, sanitize=False)
    return lines(parsed.root, tell)


def markup(document: str) -> Tree:
    def tell(node: Any) -> tuple[Node, Iterable[Any]]:
        name = node.name.local if isinstance(node, markupever.dom.Element) else type(node).__name__
        return (name, str(node)), node.children()

    # It would drop a U+FEFF anywhere, wherever it stopped for a script.
    parser = markupever.Parser(markupever.HtmlOptions(discard_bom=False))
    parser.process(document)
    mode = parser.finish().quirks_mode
    return [((), ("quirks mode", str(mode))), *lines(parser.into_dom().root(), tell)]


PARSERS = {"lexbor": lexbor, "justhtml": just, "markupever": markup}
if sys.version_info >= (3, 11):
    PARSERS["turbohtml"] = turbo

# Where Chromium and the three other parsers agree, and one does not.
MISREAD = {
    "justhtml": re.compile(
        rb"-!"  # misses the end in `---!>`, and sees one in `<!--!>`
        # Takes any quote in a text element's end tag for one around a value: `</title ">`.
        rb"|</(?:iframe|no(?:embed|frames|script)|script|style|textarea|title|xmp)[^>\w][^>]*[\"']"
        rb"|</(?:br|head)\b.*</?head\b",  # lets a head that is over begin or end once more
        re.IGNORECASE | re.DOTALL,
    )
}


def text(document: bytes) -> str:
    return document.decode("utf-8-sig", "replace")


def without_ours(tree: Tree) -> tuple[list[tuple[str, ...]], Tree]:
    """Where our elements stand, and the tree without them."""
    ours = [line for line in tree if line[1][0] == "script" and "data-ours" in line[1][1]]
    return [path for path, _ in ours], [line for line in tree if line not in ours]


def assert_neutral(before: bytes, after: bytes) -> None:
    """Every parser builds one tree of both, but for our empty element in the head."""
    for name, parse in PARSERS.items():
        if name not in MISREAD or not MISREAD[name].search(before):
            places, rest = without_ours(parse(text(after)))
            assert places == [("html", "head")], name
            assert rest == parse(text(before)), name


# --- documents by hand --------------------------------------------------------------------------

OLD = "<!doctype html public '-//W3C//DTD HTML 4.01 Transitional//EN' "
TOKENS = {
    "processing instruction": '<?xml version="1.0"?><!doctype html><?php echo "x" ?>@@',
    "processing instruction ends at the first end of a tag": '<html><?x a=">@@"?></head>',
    "doctype ends in its quotes": '<!doctype html public "a>@@" "b">',
    "doctype of limited quirks": OLD + "'http://www.w3.org/TR/html4/loose.dtd'>@@<p><table>",
    "doctype of quirks": OLD + ">@@<p><table>",
    "late doctype": "<html><!doctype html>@@<p><table>",
    "no doctype": "<html>@@<p><table>",
    "conditional comments": "<html><!--[if IE]></head><![endif]--><![if !IE]>@@</head><![endif]>",
    "comment in a comment, ended by a bang": "<html><!--<!-- x --!>@@</head>-->",
    "comment before the head": "<html><!-- x --> <!-- y -->@@<body>",
    "carriage returns": "<html>\r<head>\r\n<meta\ra\r=\r'b'\r\n>\r@@</head\r>",
    "form feeds": "<html>\f<head\f><meta\fa\f=\f'b'\f>\f@@</head\f>",
    "vertical tab in a name": "<html>@@<meta\va='></head>'>",
    "NUL in names and values": "<html><meta a\0='\0>' \0='\0'>@@</head>",
    "NUL in a tag's name": "<html>@@<title\0></title>",
    "accents in names": "<html><meta é='>' =ü>@@</head>",
    "broken UTF-8": "<html><meta a='\udcff>' \udce2\udc80><title>\udcc3</title>@@\udcf0\udc9f",
    "quotes out of place": "<html><meta \"a' b=\"c\"d='>'e>@@'></head>",
    "slashes out of place": "<html><link/a=/b/ /=/>@@></head>",
    "references in values": '<html><meta a="&quot;>" b=&gt; c=&#62>@@</head>',
    "reference with more digits": "<html>&#32;@@&#0320;</head>",
    "title ends with attributes": "<html><title></head></title a='>' b/>@@</head>",
    "style's end has a name of its own": "<html><style></style\v></head></style\f>@@</head>",
    "half a script's end": "<html><script></scrip</script\r>@@</head>",
    "script with escaped dashes": "<html><script><!-- -<script>- --></script>@@</head>",
    "script twice in a script": "<html><script><!--<script></script><script></head></script>"
    "</script>@@</head>",
}
MODES = {
    "html twice": "<html a=b><head><html a=c d=e><meta><html f=g>@@",
    "head in the body": "<html>@@<body><head></head><title></title>",
    "body's end, then the head": "<html>@@</body><head><title></title></head>",
    "white space between all": "\n<!doctype html>\n<html>\n<head>\n<meta>\n@@</head>\n<body>\n",
    "white space by reference between all": "<!doctype html>&#32;<html>&#10;<head>&Tab;@@</head>",
    "obsolete elements": "<html><basefont><bgsound></basefont>@@<isindex><image>",
    "frames": "<html><noframes></head></noframes>@@<frameset><frame></frameset>",
    "hidden input": "<html>@@<input type=hidden><frameset>",
    "line break's end": "<!doctype html><meta>@@</br><title></title></head>",
    "noscript with links": "<html><noscript><link><style></head></style></noscript>@@</head>",
    "noscript with a picture": "<html><noscript><img></noscript><title></title>@@</head>",
    "shadow root of the head": "<html><template shadowrootmode=open></head></template>@@</head>",
    "shadow root in a template": "<html><template><p><template shadowrootmode=open></head><slot>"
    "</template></template>@@</head>",
    "template of a row": "<html><template><tr><td></head><td></template>@@</head>",
    "template of a table": "<html><template><table>x<col><tr><input type=hidden></head>"
    "</template>@@</head>",
    "template of columns": "<html><template><colgroup><col><col></template>@@</head>",
    "template of a caption": "<html><template><caption>x</head><td></template>@@</head>",
    "template of a frameset": "<html><template><frameset><frame></template>@@</head>",
    "template of a body": "<html><template><body a=b></body></html></head></template>@@</head>",
    "template of a select": "<html><template><select><button><div></head><option><select><input>"
    "</template>@@</head>",
    "template of templates": "<html><template><tr><template><td><template></head></template>"
    "</td></template></template>@@</head>",
    "end tags in a template": "<html><template></p></br></head></table></template>@@</head>",
}
CASES = [
    pytest.param(document, id=f"{kind}: {name}".encode("ascii", "replace").decode())
    for kind, table in zip(
        (*KINDS[:-1], "token", "mode"), (*TABLES[:-1], TOKENS, MODES), strict=True
    )
    for name, document in table.items()
]


def both(document: str) -> tuple[bytes, bytes]:
    """A document of a table before and after."""
    before, after = document.replace(HERE, ""), document.replace(HERE, TAG)
    return before.encode("utf-8", "surrogateescape"), after.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("document", CASES)
def test_the_place_that_a_case_names_keeps_every_parsers_tree(document: str) -> None:
    assert_neutral(*both(document))


@pytest.mark.parametrize("document", [*TOKENS.values(), *MODES.values()], ids=[*TOKENS, *MODES])
def test_the_tag_stands_there_at_every_split(document: str) -> None:
    assert_at_every_split(document)


# --- documents by chance ------------------------------------------------------------------------


def words(text: str) -> list[str]:
    return text.split("¦")  # which none of them has


ATTRIBUTES = words(
    'a¦a=b¦a="b"¦a=\'b\'¦a=¦a=""¦a \n= \'b\'¦a="</head>"¦a=\'>\'¦a=</¦=¦==b¦="b"¦"¦\'¦'
    'a"b=c¦a=b"c¦a=b\'c¦a="b"c¦a=\'b\'c="d"¦a=`b`¦a<b¦<¦a/¦a/b=c¦a=/"x>"¦/¦a\0b¦a="\0"¦'
    '\va="b"¦a=\v\'¦a="&quot;>"¦a=&gt;¦é¦é="ü>"¦\udcff=\'\udcff\'¦A=B a=C¦a="\r\n>"¦amp¦'
    '⚡¦data-pagetimer¦charset=utf-8¦charset="utf-8"¦charset="utf-8¦charset="iso-2022-jp"¦'
    'data-p¦content="iso-2022-jp"¦name="a" content="b>c"¦'
    "http-equiv=content-type content=iso-2022¦type=hidden¦shadowrootmode=open¦"
    'rel="icon" href="a"¦class="a b"¦async¦x:y=\'z\''
)
BETWEEN = words(" ¦\n¦\t¦\f¦\r¦\r\n¦/¦ / ¦")
TAG_ENDS = words(">¦>¦>¦>¦>¦>¦>¦>¦ >¦/>¦ />¦//>¦/ >¦\n>¦<¦\v>¦")
HEAD_NAMES = words(
    "base¦basefont¦bgsound¦body¦head¦html¦link¦meta¦noframes¦noscript¦script¦style¦template¦title"
)
BODY_NAMES = words(
    "a¦applet¦b¦br¦button¦caption¦col¦colgroup¦div¦form¦frame¦frameset¦h1¦headx¦hr¦image¦"
    "input¦isindex¦keygen¦li¦math¦noembed¦nobr¦optgroup¦option¦p¦plaintext¦pre¦s¦select¦"
    "selectedcontent¦svg¦table¦tbody¦td¦textarea¦titles¦tr¦xmp¦iframe¦title\0¦metà"
)
TEXTS = words(
    "x¦ ¦\n¦\t¦\f¦\r¦\r\n¦\v¦\0¦\xa0¦é¦\ufeff¦\udcff¦\udce2¦&¦&#¦&#x¦&#3¦&#32¦&#32;¦&#x20;¦"
    "&#X9¦&#10;¦&#13;¦&#11;¦&#0;¦"
    "&#000000000000000000000000000000000000000000000000000000000000000032;¦"
    "&#0000000000000000000000000000000000000000000000000000000000000000032;¦&#320;¦&#9a¦&#xag¦"
    "&Tab;¦&Tab¦&tab;¦&NewLine;¦&NewLine¦&nbsp;¦&lt;¦&notit;¦&#x85;¦<¦< ¦<1¦</¦</1¦</ ¦<>¦</>¦"
    "<=¦>¦-¦--¦-->¦--!>¦!¦\"¦'¦=¦/¦]]>"
)
MARKS = words(
    "<!-->¦<!--->¦<!---->¦<!-----!>¦<!--!>¦<!---!>¦<!----!>¦<!--x-->¦<!--¦<!-- </head> -->¦"
    "<!--<!-->¦<!--<!--->¦<!--<!-- -->¦<!----!x-->¦<!-- - -- -->¦<!--\0-->¦<!-¦<!¦<!x>¦<!>¦"
    "<!- ->¦<![CDATA[x]]>¦<![CDATA[>]]>¦<![if IE]>¦<!--[if IE]><p></head><![endif]-->¦<?¦<?>¦"
    "<?x¦<?x y?>¦<?x \"a>b\"?>¦<?X\0?>¦<?xml version='1.0'?>¦<?xml-stylesheet?>¦<? x>¦<?é>¦"
    "<?start name=a>¦<!doctype>¦<!doctype html>¦<!DOCTYPE\thtml>¦<!doctypehtml>¦"
    '<!doctype html¦<!doctype a "b>">¦'
    "<!doctype html public '-//W3C//DTD HTML 4.01 Transitional//EN' >¦"
    "<!doctype html system 'about:legacy-compat'>¦<!doctype\0>¦<!doc>¦</é>"
)
RAW = words(
    "</head>¦<head>¦<!--¦-->¦--!>¦<script>¦</script>¦<script ¦</script ¦<SCRIPT/¦</SCRIPT/>¦"
    "</scrip¦</scripts>¦<!--<script>¦<!-->¦<!--->¦<!-¦-¦--¦->¦</title>¦</TITLE >¦</title/>¦"
    "</title a='>'>¦</titles>¦</style>¦</style a=b¦</STYLE\n>¦</noscript>¦</noframes>¦"
    "</template>¦</textarea>¦</xmp>¦</iframe>¦</noembed>¦x¦<¦</¦<p>¦&lt;¦'¦\"¦\0¦\r\n¦\udcff¦"
    "a > b"
)
PLAIN = words(
    "<!doctype html>¦<html lang='en'>¦<head>¦<meta charset='utf-8'>¦<meta charset=utf-8>¦"
    '<meta charset="UTF-8" />¦<meta name="a" content="b > c">¦'
    '<link rel="a" href="b">¦\n  ¦<script>if (a < b) { \'<p>\' }</script>¦'
    '<script src="a" defer></script>¦<!-- a - b -->¦<style>a > b {}</style>¦'
    "<title>a &amp; b</title>¦<noscript><p></noscript>¦<!-- a --->"
)
STARTS = words(
    "<!doctype html>¦<html>¦<html><head>¦\ufeff<!doctype html>\n¦<!--x--><!doctype html>¦</head>¦"
    "<!doctype html>\n<html lang='en'>\n<head>\n"
)
ODD_STARTS = words(
    "¦<html><template>¦<html><template><select>¦<html><template><table>¦<html><script><!--¦"
    "<html><noscript>¦<html><!--¦<html><meta ¦<html><style>¦<title>"
)
ENDS = words(
    "¦</head><body><p>x</p></body></html>¦</head>¦<body>¦<p>x¦</html>¦</br>¦x¦"
    "<frameset><frame></frameset>¦<¦</hea¦<meta a='¦&#3¦<!-¦</head> <title>y</title>¦"
    "<body class=x><table><p>x¦<p><table><tr><td>x</table></html> y"
)


def one_of(*tables: Iterable[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([word for table in tables for word in table])


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def some(part: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.lists(part, max_size=most).map("".join)


def tag(start: str, names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    cased = st.builds(lambda name, upper: name.upper() if upper else name, names, st.booleans())
    attributes = some(joined(one_of(BETWEEN), one_of(ATTRIBUTES)), 3)
    return joined(st.just(start), cased, attributes, one_of(TAG_ENDS))


def text_element(name: str) -> st.SearchStrategy[str]:
    return joined(tag("<", st.just(name)), some(one_of(RAW), 5), tag("</", st.just(name)))


head_texts = st.sampled_from(["script", "script", "style", "title", "noscript", "noframes"])
texts = head_texts.flatmap(text_element)
body_texts = st.sampled_from(["textarea", "xmp", "iframe", "noembed", "style"]).flatmap(
    text_element
)
any_name = one_of(HEAD_NAMES, BODY_NAMES)
loose = one_of(TEXTS, MARKS)
in_templates = st.recursive(
    st.one_of(tag("<", any_name), tag("</", any_name), body_texts, texts, loose),
    lambda inner: joined(tag("<", st.just("template")), some(inner, 4), st.just("</template>")),
    max_leaves=6,
)
templates = joined(tag("<", st.just("template")), some(in_templates, 5), st.just("</template>"))
head_tags = tag("<", one_of(HEAD_NAMES))
pieces = st.one_of(
    texts, templates, loose, head_tags, head_tags, one_of(PLAIN), one_of(PLAIN), tag("</", any_name)
)


def spoil(document: str, spots: list[tuple[float, int, str]], size: float) -> bytes:
    """Put each spot's piece into the document, that part of its length on, over so many letters;
    then keep so much of it."""
    for where, over, piece in spots:
        at = int(where * len(document))
        document = document[:at] + piece + document[at + over :]
    return document[: int(size * len(document))].encode("utf-8", "surrogateescape")


def documents_of(part: st.SearchStrategy[str], most: int) -> st.SearchStrategy[bytes]:
    spot = st.tuples(st.floats(0, 1), st.integers(0, 4), one_of(TEXTS, RAW, MARKS))
    size = st.one_of(*[st.just(1.0)] * 7, st.floats(0, 1))
    whole = joined(one_of(STARTS * 3, ODD_STARTS), some(part, most), one_of(ENDS))
    return st.builds(spoil, whole, st.lists(spot, max_size=3), size)


documents = st.one_of(documents_of(pieces, 10), documents_of(one_of(PLAIN), 12))
unhurried = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(unhurried, max_examples=800)
@given(documents, st.lists(st.floats(0, 1), max_size=4))
def test_any_document_keeps_every_parsers_tree_at_every_split(
    document: bytes, places: list[float]
) -> None:
    after = scan([document])
    for chunks in ([int(place * len(document)) for place in places], range(1, len(document))):
        assert scan(cut(document, chunks)) == after
    if len(document) < 60:
        for place in range(len(document)):
            assert scan(cut(document, [place])) == after
    if after != document:
        assert after.replace(TAG.encode(), b"", 1) == document
        assert_neutral(document, after)


# --- a browser ----------------------------------------------------------------------------------

SITE = "http://pages.test/"
LINES = """
async (addresses) => {
  const tell = (node, path, out) => {
    const under = [...path, node.localName ?? node.nodeName];
    const content = node.localName === 'template' ? node.content : null;
    for (const child of [content, node.shadowRoot, ...node.childNodes]) {
      if (!child) continue;
      const name = child.localName ?? child.nodeName;
      const attributes = [...child.attributes ?? []].map(a => [a.namespaceURI, a.name, a.value]);
      out.push([under, [name, JSON.stringify([child.nodeType, child.namespaceURI, attributes,
        child.data, child.publicId, child.systemId, child.mode])]]);
      tell(child, under, out);
    }
    return out;
  };
  const load = async (address) => {
    const frame = document.createElement('iframe');
    const loaded = new Promise(resolve => frame.onload = resolve);
    frame.src = address;
    document.body.append(frame);
    await loaded;
    const page = frame.contentDocument;
    const lines = tell(page, [], [[[], ['mode', page.compatMode + page.characterSet]]]);
    frame.remove();
    return lines;
  };
  return Promise.all(addresses.map(load));
}
"""


def trees_of(page: Any, documents: list[bytes]) -> list[Tree]:
    """The trees that a browser with scripting on builds of documents that come over HTTP."""

    def serve(route: Any) -> None:
        name = route.request.url.removeprefix(SITE)
        body = documents[int(name)] if name.isdigit() else b"<!doctype html><title>site</title>"
        route.fulfill(body=body, content_type="text/html; charset=utf-8")

    page.route("**/*", serve)
    page.goto(SITE)
    told = page.evaluate(LINES, [f"{SITE}{number}" for number in range(len(documents))])
    page.unroute("**/*")
    return [[(tuple(path), (name, facts)) for path, (name, facts) in tree] for tree in told]


def assert_neutral_in_a_browser(browser: Any, pairs: list[tuple[bytes, bytes]]) -> None:
    page = browser.new_page()
    try:
        trees = trees_of(page, [document for pair in pairs for document in pair])
    finally:
        page.close()
    for (document, _), before, after in zip(pairs, trees[::2], trees[1::2], strict=True):
        places, rest = without_ours(after)
        assert places == [("#document", "html", "head")], document
        assert rest == before, document


@pytest.mark.browser
def test_every_case_keeps_its_tree_in_a_browser(chromium: Any) -> None:
    pairs = [both(case.values[0]) for case in CASES]
    for some_pairs in (pairs[:60], pairs[60:]):
        assert_neutral_in_a_browser(chromium, some_pairs)


@pytest.mark.browser
@settings(unhurried, max_examples=4)
@given(documents=st.lists(documents, min_size=25, max_size=25))
def test_any_document_keeps_its_tree_in_a_browser(chromium: Any, documents: list[bytes]) -> None:
    pairs = [(document, scan([document])) for document in documents]
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    if changed:
        assert_neutral_in_a_browser(chromium, changed)
