"""environ -> user, session."""

from http.cookies import SimpleCookie
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagetimer_wsgi.who.sources import as_text, cookie, read_pair


class BeakerSession(dict):
    """A session in Beaker's words."""

    def __init__(self, name, is_new=False, saved=False):
        super().__init__(user={"name": "ada"})
        self.id, self.is_new, self._saved = name, is_new, saved

    def dirty(self):
        return self._saved


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        pytest.param({}, None, id="nobody"),
        pytest.param({"REMOTE_USER": ""}, None, id="empty is nobody"),
        pytest.param({"REMOTE_USER": "ada"}, "ada", id="server's"),
        pytest.param({"REMOTE_USER": "Zo\xc3\xab"}, "Zoë", id="server's UTF-8 as latin-1"),
        pytest.param({"pagetimer.user": "Zoë", "REMOTE_USER": "x"}, "Zoë", id="its own first"),
        pytest.param({"pagetimer.user": 7}, "7", id="a number"),
        pytest.param({"pagetimer.user": b"ada"}, "ada", id="bytes"),
        pytest.param({"pagetimer.user": False, "REMOTE_USER": "x"}, "x", id="no boolean is a name"),
        pytest.param({"who": {"userid": "ada"}}, "ada", id="item"),
        pytest.param({"who": SimpleNamespace(userid="ada")}, "ada", id="attribute"),
        pytest.param({"deep": {"a": SimpleNamespace(b={"c": "ada"})}}, "ada", id="deeper"),
        pytest.param({"who": {}}, None, id="item that is not there"),
        pytest.param({"HTTP_COOKIE": "a=1; name=ada"}, "ada", id="cookie"),
    ],
)  # fmt: skip
def test_the_first_source_that_names_somebody_wins(environ, user):
    keys = ("who:userid", "deep:a.b.c", "cookie:name", "REMOTE_USER")
    assert read_pair(environ, keys, ()).user == user


@pytest.mark.parametrize(
    ("session", "found"),
    [
        (BeakerSession("s1"), "s1"),
        (BeakerSession("s1", is_new=True, saved=True), "s1"),
        (BeakerSession("s1", is_new=True), None),
    ],
    ids=["known", "new and saved", "new and not saved"],
)
def test_a_session_that_the_application_has_not_kept_is_none(session, found):
    environ = {"beaker.session": session}
    assert read_pair(environ, (), ("beaker.session:id",)).session == found


def test_what_is_no_unicode_can_still_be_kept():
    assert as_text("a\ud800") == "a?"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        pytest.param("name=ada", "ada", id="alone"),
        pytest.param("a=1;  name = ada ; b=2", "ada", id="among others"),
        pytest.param("name=eve; name=ada", "ada", id="twice"),
        pytest.param("surname=eve; name=ada", "ada", id="after a name that ends alike"),
        pytest.param('(bad)=1; "; =; name=ada', "ada", id="after broken ones"),
        pytest.param("name=a=b", "a=b", id="with a sign of its own"),
        pytest.param('name="ada"', "ada", id="in quotes"),
        pytest.param(r'name="a\073b\"c\\"', 'a;b"c\\', id="with escapes"),
        pytest.param(r'name="\303\251"', "\u00e9", id="with bytes of UTF-8"),
        pytest.param('name="\\"', "\\", id="half an escape"),
        pytest.param('name="', '"', id="half a quotation"),
        pytest.param("name=", "", id="empty"),
        pytest.param("(name)=1; name", None, id="without a value"),
        pytest.param("names=1", None, id="another one"),
    ],
)
def test_a_cookies_value_is(header, value):
    assert cookie({"HTTP_COOKIE": header}, "name") == value


@given(value=st.text(min_size=1))
def test_a_cookie_that_http_cookies_wrote_is_read(value):
    written = SimpleCookie({"name": value.encode().decode("latin-1")}).output(header="").strip()
    assert cookie({"HTTP_COOKIE": f"a=1; {written}; b=2"}, "name") == value


def test_a_very_long_cookie_takes_no_time_worth_telling():
    header = 'name="' + "\\" * 2**16 + '"'
    assert len(cookie({"HTTP_COOKIE": header}, "name")) == 2**15
