"""What agent texts say, by the texts that real browsers and programs send."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pagetimer_wsgi.agents import Agent, describe

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
TEXTS = {
    "Firefox on Windows": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
        Agent("Firefox", "Windows", None, False),
    ),
    "Chrome on Linux": (
        f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/126.0.0.0 Safari/537.36",
        Agent("Chrome", "Linux", None, False),
    ),
    "Safari on an iPhone": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        Agent("Mobile Safari", "iOS", "iPhone", False),
    ),
    "Chrome on a Cubot telephone": (
        f"Mozilla/5.0 (Linux; Android 12; CUBOT) {WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36",
        Agent("Chrome Mobile", "Android", "CUBOT", False),
    ),
}
BOTS = {
    "Googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "a bot of nobody's list": "Mozilla/5.0 (compatible; AcmeThing; +https://acme.example/why)",
    "headless Chrome": f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/126.0.0.0",
    "curl": "curl/8.5.0",
    "requests": "python-requests/2.32.3",
    "a crawler": "ExampleCrawler 1.0",
}
UNKNOWN = {"nothing": "", "noise": "hello", "a lone surrogate": "a\ud800", "very long": "x" * 512}


@pytest.mark.parametrize(("text", "said"), TEXTS.values(), ids=TEXTS)
def test_a_browser_is_described(text, said):
    assert describe(text) == said


@pytest.mark.parametrize("text", BOTS.values(), ids=BOTS)
def test_who_says_to_be_a_program_is_a_bot(text):
    assert describe(text).bot


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_said_is_unknown(text):
    assert describe(text) == Agent(None, None, None, False)


def test_a_known_text_is_not_parsed_again():
    describe("curl/1.2.3")
    before = describe.cache_info().hits
    describe("curl/1.2.3")
    assert describe.cache_info().hits == before + 1


def test_importing_it_does_not_load_the_list():
    code = "import sys, pagetimer_wsgi.agents; sys.exit('ua_parser' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
