"""Who may see the dashboard."""

from base64 import b64encode

import pytest

from pagetimer_wsgi.who.viewers import may_view

PASSWORD = "correct horse"


def basic(text):
    return {"HTTP_AUTHORIZATION": "Basic " + b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("environ", "user", "opens"),
    [
        pytest.param({}, None, False, id="nobody"),
        pytest.param({}, "ada", True, id="a viewer"),
        pytest.param({}, "bob", False, id="another user"),
        pytest.param({"pagetimer.viewer": True}, None, True, id="the application says so"),
        pytest.param({"pagetimer.viewer": "no"}, None, False, id="a text is no yes"),
        pytest.param({"HTTP_AUTHORIZATION": f"Bearer {PASSWORD}"}, None, True, id="bearer"),
        pytest.param(basic(f"anyone:{PASSWORD}"), None, True, id="basic"),
        pytest.param(basic("anyone:wrong"), None, False, id="wrong password"),
        pytest.param({"HTTP_AUTHORIZATION": "Basic %%%"}, None, False, id="no base64"),
        pytest.param({"HTTP_AUTHORIZATION": "Bearer"}, None, False, id="empty"),
    ],
)
def test_only_viewers_look(environ, user, opens):
    assert may_view(environ, user, {"ada"}, PASSWORD) is opens


def test_without_a_password_no_password_opens():
    assert not may_view({"HTTP_AUTHORIZATION": "Bearer "}, None, (), None)
    assert not may_view(basic("a:"), None, (), "")
