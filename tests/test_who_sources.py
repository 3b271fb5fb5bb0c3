"""environ -> user, session."""

from types import SimpleNamespace

import pytest

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


def test_a_broken_cookie_header_names_nobody():
    assert cookie({"HTTP_COOKIE": 'name="\\'}, "name") in (None, '"\\')
    assert cookie({"HTTP_COOKIE": "(name)=1; name"}, "name") is None
