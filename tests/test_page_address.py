"""Where our addresses are, the page's origin, and where its base leads."""

import pytest

from pagetimer_wsgi.page.address import base_address, leads_away, page_origin


@pytest.mark.parametrize(
    ("script_name", "address"),
    [
        ("", "/_t"),
        ("/", "/_t"),
        ("//shop//", "/shop/_t"),
        ("shop", "/shop/_t"),
        ('/a"<b>&', "/a%22%3Cb%3E&/_t"),
        ("/a?b#c", "/a%3Fb%23c/_t"),
        ("/\u20ac", "/%3F/_t"),  # no server gives this
    ],
)
def test_our_address_is_one_that_fits_into_a_page_whatever_the_mount_is_called(
    script_name, address
):
    assert base_address(script_name, "/_t") == address


@pytest.mark.parametrize(
    ("script_name", "forwarded", "address"),
    [
        ("/shop", "/outer", "/outer/shop/_t"),
        ("", "outer/", "/outer/_t"),
        ("/shop", " /outer , /inner", "/outer/shop/_t"),
        ("/shop", "/caf%C3%A9", "/caf%C3%A9/shop/_t"),
        ("/caf\u00c3\u00a9/shop", "/caf%C3%A9", "/caf%C3%A9/shop/_t"),
        ("/50%25off", "", "/50%2525off/_t"),
        ("/50% off", "/100%25", "/100%25/50%25%20off/_t"),
        ("/shop", "//evil.example", "/evil.example/shop/_t"),
        ("/outer", "/outer", "/outer/_t"),
        ("/outer/shop", "/outer/", "/outer/shop/_t"),
        ("/outerspace", "/outer", "/outer/outerspace/_t"),
        ("/shop", "/", "/shop/_t"),
    ],
)
def test_the_prefix_that_a_proxy_took_away_stands_once_before_the_mount(
    script_name, forwarded, address
):
    assert base_address(script_name, "/_t", None, forwarded) == address


FORWARDED = {
    "HTTP_X_FORWARDED_PROTO": "http, https",
    "HTTP_X_FORWARDED_HOST": "x.example, Shop.Example:443",
}


@pytest.mark.parametrize(
    ("environ", "trusted", "origin"),
    [
        ({"HTTP_HOST": "A.example"}, 0, "http://a.example"),
        ({"HTTP_HOST": "a.example:80"}, 0, "http://a.example"),
        ({"HTTP_HOST": "a.example:8080"}, 0, "http://a.example:8080"),
        ({"HTTP_HOST": "a.example:443", "wsgi.url_scheme": "https"}, 0, "https://a.example"),
        ({"SERVER_NAME": "b.example", "SERVER_PORT": "80"}, 0, "http://b.example"),
        ({"HTTP_HOST": "[::1]:8000"}, 0, "http://[::1]:8000"),
        ({"HTTP_HOST": "a.example", **FORWARDED}, 0, "http://a.example"),
        ({"HTTP_HOST": "a.example", **FORWARDED}, 1, "https://shop.example"),
        ({"HTTP_HOST": "a.example"}, 1, "http://a.example"),
    ],
    ids=str,
)
def test_the_origin_is_what_the_request_and_trusted_proxies_say(environ, trusted, origin):
    assert page_origin(environ, trusted) == origin


@pytest.mark.parametrize(
    ("base", "away"),
    [
        ("", False),
        ("/", False),
        ("sub/", False),
        ("../x?y#z", False),
        ("?a=//b", False),
        ("https://a.example/x", False),
        ("HTTPS://A.EXAMPLE:443", False),
        ("https://a.example \x1f", False),
        ("///a.example/x", False),
        ("  //a.example/  ", False),
        ("https:\\\\a.example\\x", False),
        ("data:text/html,", False),
        ("JavaScript:1", False),
        ("https://cdn.example/", True),
        ("HTTPS://cdn.example/", True),
        ("//cdn.example/", True),
        ("\\\\cdn.example\\", True),
        ("///cdn.example/", True),
        ("/\t/cdn.example", True),
        ("ht\ntps://cdn.example/", True),
        ("http://a.example/", True),
        ("https://a.example:8443/", True),
        ("https://a.example@cdn.example/", True),
        ("https:cdn.example", True),
        ("ftp://a.example/", True),
        ("about:blank", True),
    ],
)
def test_a_base_leads_away_if_it_names_another_origin(base, away):
    assert leads_away(base, "https://a.example") == away
