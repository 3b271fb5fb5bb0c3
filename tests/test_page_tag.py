"""The tag: valid in HTML and XHTML, plain ASCII, the same but for token and nonce."""

import gc
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from pagetimer_wsgi.beat.parse import cut_path
from pagetimer_wsgi.page.tag import MARK, LazyTag, Tag, client_options, route_cut

NAMES = ("q", "a&b", 'c"d', "gr\u00f6\u00dfe")
OPTIONS = client_options(30, NAMES, fragments=True, automation=False)
TAG = Tag("https://\u00e9t\u00e9.example/x&y/_pagetimer", "0a1b", OPTIONS)


@pytest.mark.parametrize("nonce", [None, "abc+/=", "\"'<&\u00e9"])
def test_the_tag_is_valid_html_and_xhtml_and_plain_ascii(nonce):
    markup = TAG.markup("1.token_-.sig", nonce)
    assert markup.isascii()
    xml = ElementTree.fromstring(markup)
    html = LexborHTMLParser(b"<html><head>" + markup + b"</head>").css_first("head > script")
    assert html.attributes == xml.attrib
    assert xml.attrib.pop("nonce", None) == nonce
    assert xml.attrib == {
        "async": "async",
        "src": "https://\u00e9t\u00e9.example/x&y/_pagetimer/pagetimer.js?v=0a1b",
        MARK: "1.token_-.sig",
        "data-idle": "30000",
        "data-cut": route_cut(NAMES, True),
        "data-off": "webdriver",
    }


ADDRESSES = st.tuples(
    st.sampled_from(["/", "/a", "/a&b=c/x"]),
    st.text(alphabet="?#&=/ab%-.", max_size=16).map(
        lambda rest: rest and "?#"[len(rest) % 2] + rest
    ),
)


@given(
    address=ADDRESSES.map("".join),
    names=st.sampled_from([(), ("a",), ("a", "b-a"), ("ab", "b"), ("*",), ("", "b"), ("a.b",)]),
    fragments=st.booleans(),
)
def test_what_the_client_cuts_of_an_address_is_what_the_server_cuts(address, names, fragments):
    cut = route_cut(names, fragments)
    route = re.sub(cut, lambda found: (found[1] or "") + (found[2] or ""), "http://h:8" + address)
    assert route == cut_path(address, names, fragments)


def test_the_fingerprint_changes_with_the_client_and_its_options_not_with_token_and_nonce():
    TAG.markup("token", "nonce")
    assert TAG.fingerprint == Tag(TAG.address, TAG.version, OPTIONS).fingerprint
    others = [
        Tag("/other", TAG.version, OPTIONS),
        Tag(TAG.address, "ffff", OPTIONS),
        Tag(TAG.address, TAG.version, client_options(60, (), False, False)),
    ]
    assert len({TAG.fingerprint, *(tag.fingerprint for tag in others)}) == 4


class Maker:
    def late_markup(self):
        return "<tag>"


def test_a_lazy_tag_becomes_markup_once_when_it_is_first_turned_into_text():
    maker = Maker()
    lazy = LazyTag(maker)
    assert not lazy.used
    assert (lazy.__html__(), str(lazy), lazy.used) == ("<tag>", "", True)


def test_a_lazy_tag_outlives_its_request_as_nothing():
    maker = Maker()
    lazy = LazyTag(maker)
    del maker
    gc.collect()
    assert str(lazy) == ""
