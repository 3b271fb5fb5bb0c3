"""The signed token in the tag."""

import time

import pytest

from pagetimer_wsgi.who.keys import Keys
from pagetimer_wsgi.who.token import Token, hash_path, sign, verify

KEYS = Keys(["a secret of this test"])
NOW = int(time.time())
TOKEN = Token("Zoë", "5" * 32, "/course/<id>", hash_path("/course/ü".encode()), NOW)


def test_what_was_signed_is_read_again_and_is_plain_ascii():
    text = sign(KEYS, TOKEN)
    assert text.isascii()
    assert '"' not in text
    assert verify(KEYS, text) == TOKEN


def test_a_rotated_secret_still_verifies():
    both = Keys(["a newer secret, in front", "a secret of this test"])
    assert verify(both, sign(KEYS, TOKEN)) == TOKEN
    assert verify(KEYS, sign(both, TOKEN)) is None


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "1.e30.AAAA", "\u00fc.\u00fc.\u00fc", "1", "1." + "A" * 500, "\ud800"],
)
def test_what_is_no_token_of_ours_says_nothing(text):
    assert verify(KEYS, text) is None


def test_no_byte_of_a_token_can_be_changed():
    text = sign(KEYS, TOKEN)
    for place in range(len(text) - 1):  # the last digit's low bits carry nothing
        other = "A" if text[place] != "A" else "B"
        assert verify(KEYS, text[:place] + other + text[place + 1 :]) is None


def test_a_route_is_as_long_as_is_kept_at_the_most():
    token = TOKEN._replace(route="/<id>" * 200)
    assert token.route_of("/course/%C3%BC") == ("/<id>" * 200)[:512]


def test_a_token_knows_its_age():
    made = verify(KEYS, sign(KEYS, TOKEN._replace(made_at=NOW)))
    assert not made.is_older(3600, (NOW + 3600) * 1000)
    assert made.is_older(3600, (NOW + 3600) * 1000 + 1)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/course/%C3%BC", "/course/<id>"),
        ("/course/%c3%bc?page=2#top", "/course/<id>"),
        ("/course/ü", "/course/<id>"),
        ("/course/u", None),
    ],
)
def test_a_route_counts_for_its_own_path_alone(path, route):
    assert TOKEN.route_of(path) == route
