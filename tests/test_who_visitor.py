"""What stands for a session where there is none."""

import ipaddress

from pagetimer_wsgi.who.keys import Keys
from pagetimer_wsgi.who.visitor import COOKIE, cookie_header, cookie_value, daily_hash

KEYS = Keys(["a secret of this test"])
ONE = ipaddress.ip_address("192.0.2.1")


def test_one_address_and_agent_is_one_visitor_for_a_day():
    assert daily_hash(KEYS, ONE, "x") == daily_hash(KEYS, ONE, "x")
    assert daily_hash(KEYS, ONE, "x") != daily_hash(KEYS, ONE, "y")
    assert daily_hash(KEYS, None, "x") is None


def test_the_next_day_it_is_another(monkeypatch):
    today = daily_hash(KEYS, ONE, "x")

    class Tomorrow:
        @staticmethod
        def now(zone):
            from datetime import datetime, timedelta

            return datetime.now(zone) + timedelta(days=1)

    monkeypatch.setattr("pagetimer_wsgi.who.visitor.datetime", Tomorrow)
    assert daily_hash(KEYS, ONE, "x") != today


def test_a_cookie_is_set_once_and_read_again():
    value, new = cookie_value({})
    assert new
    assert cookie_value({"HTTP_COOKIE": f"{COOKIE}={value}"}) == (value, False)
    assert cookie_value({"HTTP_COOKIE": f"{COOKIE}=made-up"})[1]


def test_the_cookie_is_for_our_own_addresses_alone():
    name, text = cookie_header("v", "/shop/_pagetimer", secure=True)
    assert name == "Set-Cookie"
    assert "Path=/shop/_pagetimer;" in text
    assert "HttpOnly" in text
    assert text.endswith("Secure")
