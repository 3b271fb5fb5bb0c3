"""Whose address it is, and how much is kept."""

import pytest

from pagetimer_wsgi.who.address import client_address, kept_address


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "address"),
    [
        ("192.0.2.7", "198.51.100.1", 0, "192.0.2.7"),
        ("192.0.2.7", "203.0.113.5, 198.51.100.1", 1, "198.51.100.1"),
        ("192.0.2.7", "203.0.113.5, 198.51.100.1", 2, "203.0.113.5"),
        ("192.0.2.7", "203.0.113.5", 2, "192.0.2.7"),
        ("192.0.2.7", "[2001:db8::1]:443", 1, "2001:db8::1"),
        ("192.0.2.7", "198.51.100.1:4711", 1, "198.51.100.1"),
        ("::ffff:192.0.2.7", "", 0, "192.0.2.7"),
        ("fe80::1%eth0", "", 0, "fe80::1"),
        ("", "", 0, "None"),
        ("unix:", "", 0, "None"),
        ("192.0.2.7", "unknown", 1, "None"),
    ],
)
def test_only_trusted_proxies_say_who_asks(remote, forwarded, proxies, address):
    environ = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    assert str(client_address(environ, proxies)) == address


@pytest.mark.parametrize(
    ("text", "how", "kept"),
    [
        ("192.0.2.77", "truncated", "192.0.2.0"),
        ("2001:db8:1:2::3", "truncated", "2001:db8:1::"),
        ("192.0.2.77", "full", "192.0.2.77"),
        ("192.0.2.77", "none", None),
    ],
)
def test_as_much_is_kept_as_the_option_says(text, how, kept):
    assert kept_address(client_address({"REMOTE_ADDR": text}, 0), how) == kept
