"""A page's own policies: what is judged, and what a real browser makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import chromium
from hypothesis import given
from hypothesis import strategies as st

from pagetimer_wsgi.page.headers.policy import Verdict, _judge, judge
from pagetimer_wsgi.page.tag import Tag

__all__ = ["chromium"]  # fixture

CSP = "Content-Security-Policy"
REPORT_ONLY = "Content-Security-Policy-Report-Only"
INTEGRITY = "Integrity-Policy"
CONNECTIONS = "Connection-Allowlist"
SHA = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
PAGE = "http://example.com:8080"
SECURE = "https://example.com"
OTHER = "https://stats.example.org/t"


@dataclass(frozen=True)
class Case:
    """One page with its policies, and whether they let the script run and its beat go out.

    :param names: the nonces that a tag may try; the page itself says the first, if `says`
    """

    allowed: bool
    policies: list[tuple[str, str]] = field(default_factory=list)
    metas: list[str] = field(default_factory=list)
    page: str = PAGE
    address: str = "/_pagetimer"
    says: str | None = None

    def verdict(self) -> Verdict:
        return judge(self.policies, self.metas, self.page, self.address, self.says)


def yes(*policies: str, **how: Any) -> Case:
    return Case(True, [(CSP, text) for text in policies], **how)


def no(*policies: str, **how: Any) -> Case:
    return Case(False, [(CSP, text) for text in policies], **how)


def other(allowed: bool, name: str, text: str, **how: Any) -> Case:
    return Case(allowed, [(name, text)], **how)


CASES = {
    # which directive holds
    "no policy": yes(),
    "nothing said": yes(";;, ,"),
    "default-src 'self'": yes("default-src 'self'"),
    "default-src 'none'": no("default-src 'none'"),
    "other directives": yes(
        "img-src 'none'; style-src 'none'; script-src-attr 'none'; worker-src 'none'; "
        "frame-src 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
    ),
    "a script but no beat": no("script-src 'self'; connect-src 'none'"),
    "a beat but no script": no("script-src 'none'; connect-src 'self'"),
    "both by their own": yes("default-src 'none'; script-src 'self'; connect-src 'self'"),
    "only script-src": yes("script-src 'self'"),
    "only connect-src": yes("connect-src 'self'"),
    "only connect-src, closed": no("connect-src 'none'"),
    "script-src-elem opens": yes("script-src 'none'; script-src-elem 'self'"),
    "script-src-elem closes": no("script-src 'self'; script-src-elem 'none'"),
    "no sources": no("script-src"),
    "names in any case": no("Script-SRC 'none'"),
    "the first of a name closes": no("script-src 'none'; SCRIPT-SRC 'self'"),
    "the first of a name opens": yes("script-src 'self'; script-src 'none'"),
    "a colon behind the name": yes("script-src: 'none'"),
    "trusted types": yes("require-trusted-types-for 'script'; trusted-types 'none'"),
    "upgrades": yes("upgrade-insecure-requests; default-src 'self'", page=SECURE),
    "mixed content": yes("block-all-mixed-content"),
    "all white space": yes("\tdefault-src\t 'self' ; img-src 'none' "),
    "an old header": other(True, "X-Content-Security-Policy", "default-src 'none'"),
    # several policies
    "two that agree": yes("script-src 'self'", "default-src 'self'"),
    "two, the second closed": no("script-src 'self'", "script-src 'none'"),
    "one header of two": no("script-src 'self', script-src 'none'"),
    "a comma in a source": no("img-src /a,script-src 'none'"),
    "a header's name in any case": other(False, "content-SECURITY-policy", "default-src 'none'"),
    "report-only": other(True, REPORT_ONLY, "default-src 'none'; sandbox"),
    # in the head
    "a meta opens": yes(metas=["default-src 'self'"]),
    "a meta closes": no(metas=["script-src 'none'"]),
    "a meta closes what a header opens": no("default-src *", metas=["script-src 'none'"]),
    "a header closes what a meta opens": no("script-src 'none'", metas=["default-src *"]),
    "the second meta closes": no(metas=["default-src *", "connect-src 'none'"]),
    "a meta in lines": yes(metas=["\n script-src\n'self';\r\nconnect-src\f'self'\n"]),
    "a meta's sandbox": yes(metas=["sandbox; frame-ancestors 'none'; report-uri /r"]),
    "a meta with a comma, open": yes(metas=["img-src 'none', default-src 'self'"]),
    "a meta with a comma, closed": no(metas=["img-src 'none', script-src 'none'"]),
    # keywords
    "'SELF'": yes("default-src 'SELF'"),
    "'none' beside others": yes("default-src 'none' 'self'"),
    "'NONE'": no("default-src 'NONE'"),
    "inline scripts": no(
        "script-src 'unsafe-inline' 'unsafe-eval' 'unsafe-hashes' 'report-sample'"
    ),
    "a hash": no(f"script-src '{SHA}'"),
    "a hash and 'self'": yes(f"script-src 'self' '{SHA}'"),
    "a hash of an address": no(f"script-src 'self' 'url-{SHA}'"),
    "a hash of an address, for beats": no(f"default-src 'self' 'URL-{SHA}'; script-src 'self'"),
    "'strict-dynamic'": no("script-src 'self' * 'Strict-Dynamic'"),
    "'strict-dynamic' for beats": yes("default-src 'self' 'strict-dynamic'; script-src 'self'"),
    "self without quotes": no("script-src self"),
    "'self with half of them": no("script-src 'self"),
    # nonces
    "a nonce": yes("script-src 'nonce-abc'"),
    "a nonce in default-src": yes("default-src 'nonce-abc'; connect-src 'self'"),
    "a nonce is for no beat": no("default-src 'nonce-abc'"),
    "a nonce, strictly": yes("script-src 'strict-dynamic' 'nonce-abc' https:"),
    "a nonce beside a hash of an address": yes(f"script-src 'nonce-abc' 'url-{SHA}'"),
    "'NONCE-": yes("script-src 'NONCE-aBc'"),
    "every letter of a nonce": yes("script-src 'nonce-aZ09+/-_=='"),
    "three =": no("script-src 'nonce-abc==='"),
    "a dot in a nonce": no("script-src 'nonce-a.c'", says="a.c"),
    "an empty nonce": no("script-src 'nonce-'"),
    "a nonce without quotes": no("script-src nonce-abc"),
    "a nonce that goes on": no("script-src 'nonce-abc'd"),
    "the same nonce twice": yes("script-src 'nonce-abc'", "script-src 'nonce-abc'"),
    "one nonce in common": yes(
        "script-src 'nonce-abc' 'nonce-def'", "script-src 'nonce-ghi' 'nonce-def'"
    ),
    "no nonce in common": no("script-src 'nonce-abc'", "script-src 'nonce-def'"),
    "nonces that differ in case": no("script-src 'nonce-abc'", metas=["script-src 'nonce-ABC'"]),
    "a nonce here, a source there": yes("script-src 'nonce-abc'", metas=["script-src 'self'"]),
    "a nonce and a source, or a nonce": yes("script-src 'nonce-abc' *", "script-src 'nonce-def'"),
    "a nonce for styles": no("script-src 'none'; style-src 'nonce-abc'"),
    "the application's nonce": yes("script-src 'nonce-abc' 'nonce-def'", says="def"),
    "the application's wrong nonce": no("script-src 'nonce-abc'", says="abd"),
    "the application's needless nonce": yes("script-src 'self'", says="abc"),
    "the application's nonce for one": no(
        "script-src 'nonce-abc'", "script-src 'nonce-def'", says="def"
    ),
    # schemes
    "*": yes("default-src *"),
    "* for another origin": yes("default-src *", address=OTHER),
    "http:": yes("default-src http:"),
    "HTTP:": yes("default-src HTTP:"),
    "http: on a secure page": yes("default-src http:", page=SECURE),
    "https:": no("default-src https:"),
    "https: on a secure page": yes("default-src https:", page=SECURE),
    "https: for a secure address": yes("default-src https:", address=OTHER),
    "data: and blob:": no("default-src data: blob:"),
    "ws: and wss:": no("default-src ws: wss:", page=SECURE),
    # hosts
    "the host": yes("default-src example.com", page=SECURE),
    "the host in capitals": yes("default-src EXAMPLE.com", page=SECURE),
    "the page's host in capitals": yes("default-src example.com", page="https://EXAMPLE.com"),
    "the host with http": yes("default-src http://example.com", page=SECURE),
    "the host with https": no("default-src https://example.com", page="http://example.com"),
    "another host": no("default-src https://cdn.example.com"),
    "another host and 'self'": yes("default-src https://cdn.example.com 'self'"),
    "a longer host": no("default-src example.com.org:8080 anexample.com:8080"),
    "a subdomain": yes("default-src *.example.com:8080", page="http://a.b.example.com:8080"),
    "no subdomain": no("default-src *.example.com:8080"),
    "a wildcard within": no("default-src ex*.com:8080"),
    "an address of version 4": yes("default-src 127.0.0.1:8080", page="http://127.0.0.1:8080"),
    "an address of version 6": no("default-src [::1]:8080", page="http://[::1]:8080"),
    "'self' of version 6": yes("default-src 'self'", page="http://[::1]:8080"),
    "any host of version 6": yes("default-src *:8080", page="http://[::1]:8080"),
    # ports
    "the port": yes("default-src example.com:8080"),
    "no port": no("default-src example.com"),
    "another port": no("default-src example.com:808"),
    "any port": yes("default-src example.com:*"),
    "any port of any host": yes("default-src *:*"),
    "the port of any host": yes("default-src http://*:8080"),
    "no port of any host": no("default-src http://*"),
    "the default port": yes("default-src example.com:443", page=SECURE),
    "a colon without a port": yes("default-src example.com", page=SECURE + ":"),
    "the default port in the address": yes("default-src example.com", page=SECURE + ":443"),
    "a port beyond all ports": no("default-src example.com:" + 5000 * "9"),
    "zeros before a port": yes("default-src example.com:08080"),
    "the old default port": no("default-src example.com:80", page=SECURE),
    "the old default port with its scheme": yes("default-src http://example.com:80", page=SECURE),
    "the new default port with the old scheme": yes(
        "default-src http://example.com:443", page=SECURE
    ),
    "a port kept with the old scheme": no(
        "default-src http://example.com:8443", page=SECURE + ":8443"
    ),
    # paths
    "the folder": yes("default-src example.com:8080/_pagetimer/"),
    "the folder above": yes("default-src example.com:8080/"),
    "the folder of any host": yes("default-src *:8080/_pagetimer/"),
    "the folder without its slash": no("default-src example.com:8080/_pagetimer"),
    "the folder in capitals": no("default-src example.com:8080/_PAGETIMER/"),
    "a longer folder": no("default-src example.com:8080/_pagetimer/beat/"),
    "the beat as a folder": no("connect-src example.com:8080/_pagetimer/beat/"),
    "another folder": no("default-src example.com:8080/_page/"),
    "both files": yes(
        "script-src example.com:8080/_pagetimer/pagetimer.js; "
        "connect-src http://example.com:8080/_pagetimer/beat"
    ),
    "the script's file for the beat": no("default-src example.com:8080/_pagetimer/pagetimer.js"),
    "an encoded folder": yes("default-src example.com:8080/%5Fpage%74imer/"),
    "an encoded address": yes(
        "default-src example.com:8080/%C3%A4/b/", address="/%c3%a4/%62/_pagetimer"
    ),
    "marks in a folder": yes(
        "default-src example.com:8080/a$b&c=d@e:f!(g)*+~h/", address="/a$b&c=d@e:f!(g)*+~h"
    ),
    "a mark that must be encoded": yes("default-src example.com:8080/a%3Bb/", address="/a;b"),
    "two slashes": no("default-src example.com:8080//"),
    "any host with a path": no("default-src */_pagetimer/"),
    # another origin
    "'self' and another origin": no("default-src 'self'", address=OTHER),
    "the other origin": yes("default-src 'self' stats.example.org", page=SECURE, address=OTHER),
    "the other origin's folder": yes(f"default-src {OTHER}/", address=OTHER),
    "the other origin's folder, wrong": no(f"default-src {OTHER}", address=OTHER),
    "'self' by its whole address": yes("default-src 'self'", address=PAGE + "/_pagetimer"),
    "'self', but safer": yes(
        "default-src 'self'", page="http://example.com", address=SECURE + "/_pagetimer"
    ),
    "'self' on another host": no("default-src 'self'", address="http://a.example.com:8080/t"),
    "'self' on another port": no("default-src 'self'", address="http://example.com:8081/t"),
    # sandbox
    "sandbox": no("sandbox"),
    "sandbox with scripts": no("sandbox allow-scripts"),
    "sandbox with an origin": no("sandbox allow-same-origin"),
    "sandbox with both": yes("sandbox allow-forms ALLOW-scripts allow-same-origin"),
    "sandbox by parts": no("sandbox allow-scripts allow-same-origin", "sandbox allow-scripts"),
    # other policies
    "integrity": other(False, INTEGRITY, "blocked-destinations=(script)"),
    "integrity, spaced": other(
        False, INTEGRITY, "sources=(inline),blocked-destinations=( style  script );a"
    ),
    "integrity with a comma in a text": other(
        False, INTEGRITY, 'blocked-destinations=(script), a="b, blocked-destinations=()"'
    ),
    "integrity of a script with a parameter": other(
        False, INTEGRITY, 'blocked-destinations=(script;a=1), endpoints=("a, b")'
    ),
    "integrity of styles": other(True, INTEGRITY, "blocked-destinations=(style)"),
    "integrity of Script": other(True, INTEGRITY, "blocked-destinations=(Script)"),
    "integrity from elsewhere": other(
        True, INTEGRITY, "blocked-destinations=(script), sources=(other)"
    ),
    "integrity in quotes": other(True, INTEGRITY, 'blocked-destinations=("script")'),
    "integrity taken back": other(
        True, INTEGRITY, "blocked-destinations=(script), blocked-destinations=()"
    ),
    "integrity, report-only": other(
        True, INTEGRITY + "-Report-Only", "blocked-destinations=(script)"
    ),
    "connections of this origin": other(True, CONNECTIONS, "(response-origin)"),
    "no connections": other(False, CONNECTIONS, "()"),
    "connections to others": other(False, CONNECTIONS, '("https://example.net/*")'),
    "connections to the other origin": other(
        True, CONNECTIONS, f'(response-origin "{OTHER}/*");a=b', address=OTHER
    ),
    "connections of this origin only": other(
        False, CONNECTIONS, "(response-origin)", address=OTHER
    ),
    "connections, report-only": other(True, CONNECTIONS + "-Report-Only", "()"),
}

STRICTER = {
    # Chromium drops a directive that it cannot read; others may drop a source of it.
    "ä in a source": no("default-src 'self' https://ä.example.com"),
    "a space of Unicode": no("script-src 'self'\u00a0'self'"),
    "a letter that is ſ": no("script-src 'nonce-ſ'"),
    "a space of Unicode behind a name": no("script-src\u00a0'self'"),
    "a control character": no("script-src 'self' \x01"),
    "ä in a sandbox": no("sandbox allow-scripts allow-same-origin ä"),
    # HTML has one policy in a <meta>; Chromium parts it at its commas, as it parts a header.
    "a meta with a comma, either way": no(metas=["script-src 'self', img-src 'none'"]),
    # Chromium decodes a path before it looks for its folders.
    "an encoded slash": no("default-src example.com:8080/a%2Fb/", address="/a/b"),
    "a slash that is encoded": no("default-src example.com:8080/a/b/", address="/a%2fb"),
    # Chromium reads on where a path is none.
    "a query in a source": no("script-src example.com:8080/_pagetimer/pagetimer.js?v=1"),
    "a % in a path": no(
        "script-src example.com:8080/%/../_pagetimer/ example.com:8080/%zz/", address="/%zz"
    ),
    # Chromium drops a dictionary that it cannot read.
    "integrity and an error": other(False, INTEGRITY, "blocked-destinations=(script), !"),
    "integrity without a list": other(False, INTEGRITY, "blocked-destinations=script"),
    "integrity's sources without a list": other(
        False, INTEGRITY, "blocked-destinations=(script), sources=inline"
    ),
    "connections by a pattern": other(False, CONNECTIONS, f'("{PAGE}/*")'),
}
ALL = {**CASES, **STRICTER}


@pytest.mark.parametrize("case", ALL.values(), ids=list(ALL))
def test_a_page_is_judged_by_every_policy_that_is_enforced(case: Case) -> None:
    assert (case.verdict().missing is None) is case.allowed


UNREADABLE = {
    "a page and 'self'": yes("default-src 'self'", page="?"),
    "a page and its host": no("default-src example.com", page="http://"),
    "a page and any host": yes("default-src *", page=""),
    "a page and another origin": yes(f"default-src {OTHER}/", page="?", address=OTHER),
    "a page and 'self' elsewhere": no("default-src 'self'", page="?", address=OTHER),
    "a page's endless port": no("default-src example.com:*", page=f"{PAGE}{5000 * '0'}"),
    "an address": no("default-src 'self' https: http: *:*", page=SECURE, address="https://a@b/c"),
    "both": no("default-src 'self'", page="?", address="?"),
}


@pytest.mark.parametrize("case", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_cannot_be_read_is_named_by_nothing_but_a_star_and_itself(case: Case) -> None:
    assert (case.verdict().missing is None) is case.allowed


# The truth


class Site:
    """All cases as pages in frames of one page, each with the tag; and whose beats came.

    The browser is real, and asks it for every address there is.
    """

    def __init__(self, cases: dict[str, Case]) -> None:
        self.tags = [
            (name, case, nonce) for name, case in cases.items() for nonce in self._nonces(case)
        ]
        self.beaten: set[str] = set()

    @staticmethod
    def _nonces(case: Case) -> Iterator[str | None]:
        """What a tag may say: the verdict's nonce, or anything else that may help."""
        verdict = case.verdict()
        yield case.says or verdict.nonce
        if verdict.missing and not case.says and "nonce-abc" in str(case):
            yield from ("abc", "def", "ABC")

    def answer(self, route: Any, request: Any) -> None:
        """Answer one request of the browser's."""
        address = urlsplit(request.url)
        kind = address.path.rpartition("/")[2]
        if kind == "frames":
            route.fulfill(content_type="text/html", body=self._frames())
        elif kind == "page":
            _, case, nonce = self.tags[int(address.query)]
            headers = {"Content-Type": "text/html; charset=utf-8"}
            for policy_name, text in case.policies:
                before = headers.get(policy_name)
                headers[policy_name] = f"{before}, {text}" if before else text
            route.fulfill(headers=headers, body=self._page(case, int(address.query), nonce))
        elif kind == "pagetimer.js":
            route.fulfill(content_type="text/javascript", body=self._script(address.query[2:]))
        elif kind == "beat":
            if request.headers.get("origin") != "null":  # the endpoint takes none from a sandbox
                self.beaten.add(self.tags[int(request.post_data)][0])
            route.fulfill(status=204)
        else:
            route.abort()

    def _frames(self) -> str:
        frames = (
            f'<iframe src="{case.page}/page?{n}"></iframe>'
            for n, (_, case, _) in enumerate(self.tags)
        )
        return f"""<!doctype html><script>
            var said = {{ ran: 0, told: 0 }};
            onmessage = function (event) {{ said[event.data] += 1; }};
            </script>{"".join(frames)}"""

    @staticmethod
    def _page(case: Case, number: int, nonce: str | None) -> str:
        metas = (f'<meta http-equiv="{CSP}" content="{escape(text)}">' for text in case.metas)
        tag = Tag(case.address, str(number), "").markup("", nonce).decode()
        return f"<!doctype html><head><title>a</title>{''.join(metas)}{tag}</head>"

    @staticmethod
    def _script(number: str) -> str:
        return f"""(function (address) {{
            function say(word) {{ return function () {{ parent.postMessage(word, '*'); }}; }}
            say('ran')();
            fetch(address, {{ method: 'POST', mode: 'no-cors', body: '{number}' }})
                .then(say('told'), say('told'));
        }})(new URL('beat', document.currentScript.src));"""


@pytest.mark.browser
def test_chromium_runs_the_script_and_sends_its_beat_where_it_is_judged_so(chromium: Any) -> None:
    site = Site(ALL)
    page = chromium.new_page()
    page.route("**/*", site.answer)
    page.goto(PAGE + "/frames")  # until every frame's script has run, or may not run
    page.wait_for_function("said.ran === said.told")
    page.close()
    allowed = {name for name, case in ALL.items() if case.verdict().missing is None}
    assert allowed - site.beaten == set()
    assert site.beaten - allowed == set(STRICTER)


# The nonce

ENFORCED = (CSP, "script-src 'self' 'nonce-abc'")
REPORTED = (REPORT_ONLY, "script-src 'nonce-def'")


@pytest.mark.parametrize(
    ("policies", "says", "nonce"),
    [
        pytest.param([], None, None, id="no policy"),
        pytest.param([], "xyz", "xyz", id="the application's, without a policy"),
        pytest.param([], "", None, id="an empty one"),
        pytest.param([(CSP, "img-src *")], None, None, id="none to be had"),
        pytest.param([(CSP, "style-src 'nonce-abc'")], None, None, id="one for styles alone"),
        pytest.param([ENFORCED], None, "abc", id="where a source would do"),
        pytest.param([ENFORCED], "xyz", "xyz", id="the application's before a policy's"),
        pytest.param([REPORTED], None, "def", id="report-only's"),
        pytest.param([REPORTED], "xyz", "xyz", id="the application's before report-only's"),
        pytest.param([REPORTED, ENFORCED], None, "abc", id="an enforced policy's before it"),
        pytest.param([(CSP, "script-src *"), REPORTED], None, "def", id="report-only's beside"),
        pytest.param(
            [ENFORCED, (CSP, "script-src 'nonce-def'")], None, "def", id="the one that is needed"
        ),
        pytest.param(
            [ENFORCED, (CSP, "script-src 'nonce-abd' 'nonce-abc'")],
            None,
            "abc",
            id="the one in common",
        ),
        pytest.param(
            [(CSP, "default-src 'nonce-def'; script-src 'nonce-abc'; connect-src *")],
            None,
            "abc",
            id="that of the directive that holds",
        ),
        pytest.param([(CSP, "script-src 'nonce-0' 'nonce-1'")], "1", "1", id="a number"),
    ],
)
def test_the_tag_says_the_nonce_that_serves_the_page(
    policies: list[tuple[str, str]], says: str | None, nonce: str | None
) -> None:
    assert judge(policies, [], PAGE, "/_pagetimer", says) == Verdict(nonce, None)


def test_a_page_that_does_not_let_us_gets_no_nonce() -> None:
    assert judge([ENFORCED], ["connect-src 'none'"], PAGE, "/_pagetimer", "abc").nonce is None


# What is missing

META = '<meta http-equiv="Content-Security-Policy">'
MISSING = {
    f"add 'self' to script-src and connect-src of {CSP}": [
        no("default-src 'none'"),
        no("default-src"),
        no("script-src 'none'; connect-src https:"),
        no("script-src 'nonce-abc'; connect-src 'none'", says="xyz"),
        no("default-src 'none'", "default-src 'none'"),
    ],
    f"add 'self' to default-src of {CSP}": [no("default-src https://cdn.example.com")],
    f"add 'self' to script-src-elem of {CSP}": [no("script-src *; script-src-elem 'none'")],
    f"add 'self' to connect-src of {META}": [no("default-src *", metas=["connect-src 'none'"])],
    f"add 'self' to script-src of {CSP}; add 'self' to script-src of {META}": [
        no("script-src 'none'", metas=["script-src 'none'"])
    ],
    f"add {OTHER}/ to script-src and connect-src of {CSP}": [
        no("script-src 'self'; connect-src 'self'", address=OTHER)
    ],
    f"add a nonce to script-src of {CSP}": [
        no("script-src 'strict-dynamic' 'self'"),
        no(f"script-src 'self' 'url-{SHA}'"),
    ],
    f"add the nonce that pagetimer.nonce says to script-src of {CSP}": [
        no("script-src 'strict-dynamic' 'nonce-abc'", says="xyz"),
    ],
    f"add the nonce of the page's other policies to script-src of {CSP}": [
        no("script-src 'nonce-abc'", "script-src 'strict-dynamic' 'nonce-def'"),
    ],
    f"use only ASCII in script-src of {CSP}": [no("script-src 'self' ä")],
    f"add allow-scripts and allow-same-origin to sandbox of {CSP}": [no("sandbox allow-forms")],
    f"add allow-same-origin to sandbox of {CSP}": [no("sandbox allow-scripts")],
    f"take script out of blocked-destinations of {INTEGRITY}": [
        other(False, INTEGRITY, "blocked-destinations=(script)")
    ],
    f"add response-origin to the list of {CONNECTIONS}": [other(False, CONNECTIONS, "()")],
    f'add "{OTHER}/*" to the list of {CONNECTIONS}': [
        other(False, CONNECTIONS, "(response-origin)", address=OTHER)
    ],
}


@pytest.mark.parametrize(
    ("missing", "case"),
    [
        pytest.param(missing, case, id=f"{missing} {number}")
        for missing, cases in MISSING.items()
        for number, case in enumerate(cases)
    ],
)
def test_what_is_missing_is_said_in_words_to_act_on(missing: str, case: Case) -> None:
    assert case.verdict().missing == missing


@pytest.mark.parametrize("says", [None, "given"])
def test_what_is_missing_tells_no_nonce(says: str | None) -> None:
    told = set()
    for nonce in "FIRST", "SECOND":
        policies = [
            (CSP, f"script-src 'strict-dynamic' 'nonce-{nonce}'; style-src 'nonce-{nonce}'"),
            (CSP, f"script-src 'strict-dynamic' 'nonce-{nonce}x'"),
        ]
        told.add(judge(policies, [], PAGE, "/_pagetimer", says and nonce + says).missing)
    assert len(told) == 1
    assert not any(word in str(told) for word in ("FIRST", "SECOND", "given"))


# How


def test_policies_that_differ_by_their_nonces_alone_are_judged_once() -> None:
    text = "script-src 'strict-dynamic' 'nonce-{0}'; style-src 'nonce-{0}' 'nonce-{1}'"
    _judge.cache_clear()
    for number in range(9):
        policies = [(CSP, text.format(f"{number}a", f"{number}b"))]
        assert judge(policies, [], PAGE, "/_pagetimer").nonce == f"{number}a"
    assert _judge.cache_info().misses == 1


def test_what_is_kept_is_bounded() -> None:
    assert _judge.cache_info().maxsize


WORDS = [
    *("script-src", "default-src", "connect-src", "sandbox", "'self'", "'none'", "'nonce-", "abc"),
    *("'", '"', ";", ",", ":", "/", "*", ".", "%", "[", "]", "(", ")", "=", "\\", " ", "\n", "\0"),
    *("https://", "example.com", "9" * 5000, "ä", "\u0130", "\u017f", "\ud800", "allow-scripts"),
    *("blocked-destinations=(", "script", "sources=("),
]
texts = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


@given(
    policies=st.lists(
        st.tuples(st.sampled_from([CSP, REPORT_ONLY, INTEGRITY, CONNECTIONS]), texts)
    ),
    metas=st.lists(texts),
    page=texts,
    address=texts,
    says=texts,
)
def test_nothing_that_a_page_says_raises(
    policies: list[tuple[str, str]], metas: list[str], page: str, address: str, says: str
) -> None:
    nonce, missing = judge(policies, metas, page, address, says)
    assert nonce is None or missing is None
