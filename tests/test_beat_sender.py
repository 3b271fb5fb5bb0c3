"""Whom a beat names, and whose beats are heard."""

import ipaddress

import pytest

from pagetimer_wsgi.beat.sender import Sender, Senders, clean, name_pair
from pagetimer_wsgi.errors import Refused
from pagetimer_wsgi.who.keys import Keys
from pagetimer_wsgi.who.sources import Pair
from pagetimer_wsgi.who.token import Token

KEYS = Keys(["a-secret-of-this-test"])
S1, S2 = KEYS.session_key("s1"), KEYS.session_key("s2")


def senders(**changes):
    plain = {
        "read_pair": lambda environ: Pair(),
        "visitor": "daily-hash",
        "ip": "truncated",
        "trusted_proxies": 0,
        "privacy_signals": "anonymise",
        "measures_path": lambda path: path != "/private/ä",
        "exclude_users": frozenset({"root"}),
        "exclude_ips": (ipaddress.ip_network("10.0.0.0/8"),),
        "cookie_path": lambda environ: "/_pagetimer",
    }
    return Senders(**(plain | changes))


@pytest.mark.parametrize(
    ("seq", "environ", "token", "expected"),
    [
        pytest.param(0, ("ada", "s1"), ("bob", S1), ("ada", S1), id="first asks environ"),
        pytest.param(1, ("ada", "s1"), ("bob", S1), ("bob", S1), id="later asks the token"),
        pytest.param(0, (None, "s1"), ("bob", S2), (None, S1), id="first, sessions differ"),
        pytest.param(1, ("ada", "s1"), (None, S2), (None, S2), id="later, sessions differ"),
        pytest.param(0, ("ada", None), ("bob", S2), ("ada", S2), id="what is missing is filled"),
        pytest.param(5, (None, None), (None, None), (None, None), id="nobody"),
    ],
)
def test_a_beat_names_one_pair(seq, environ, token, expected):
    carried = Token(*token, None, "", 0)
    assert name_pair(seq, KEYS, Pair(*environ), carried) == expected


def test_without_a_token_environ_alone_names():
    assert name_pair(4, KEYS, Pair("ada", "s1"), None) == ("ada", S1)


@pytest.mark.parametrize(
    ("path", "user", "address", "measured"),
    [
        ("/", "ada", "192.0.2.1", True),
        ("/", None, None, True),
        ("/", "root", None, False),
        ("/", None, "10.1.2.3", False),
        ("/", None, "2001:db8::1", True),
        ("/private/%C3%A4?a=b#c", None, None, False),
    ],
)
def test_who_and_what_is_excluded_is_not_measured(path, user, address, measured):
    found = ipaddress.ip_address(address) if address else None
    assert senders().measures(path, user, found) is measured


def test_who_asks_for_privacy_leaves_an_agent_alone():
    environ = {"HTTP_DNT": "1", "HTTP_USER_AGENT": "Firefox", "REMOTE_ADDR": "192.0.2.1"}
    sender, headers = senders(visitor="cookie").name(environ, KEYS, Pair("ada", S1), None)
    assert sender == Sender(agent="Firefox")
    assert headers == []


def test_an_origin_is_compared_by_its_host_alone():
    environ = {"HTTP_ORIGIN": "https://SHOP.example", "HTTP_HOST": "shop.example:8443"}
    senders().check_origin(environ)
    with pytest.raises(Refused) as caught:
        senders().check_origin(environ | {"HTTP_HOST": "shop.example.evil"})
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("text", "kept"),
    [(None, None), ("", None), ("\x01", None), ("a\nb", "ab"), ("abcdef", "abcd"), ("\ud800", "?")],
)
def test_a_text_from_outside_is_kept_clean_and_short(text, kept):
    assert clean(text, 4) == kept
