"""A crawler that asks several sides of one application for every address that its pages name.

What an application makes anew for each answer (tokens against forgery, the time) is nobody's
difference. No list of such things is kept: the application alone is asked before and after the
others, and what differs between its own two answers, word by word, is not held against anybody.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser
from servers import Answer

HOST = "localhost"
_LEAVES = re.compile(r"log-?(?:out|off)", re.IGNORECASE)
_LINKS = {"a": "href", "link": "href", "area": "href", "script": "src", "img": "src"}
_WORDS = re.compile(rb"[\w.+/=-]+|[^\w.+/=-]+")


@dataclass
class Site:
    """An application on loopback whose sides answer at one port; see ``foreign.py``.

    :param user: who a server in front says is asking
    """

    port: int
    user: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self, side: str, address: str, method: str = "GET", body: str = "", **headers: str
    ) -> Answer:
        """Return one side's answer; a header's name is written with ``_`` for ``-``."""
        sent = {"Host": HOST, "X-Side": side}
        sent |= {"X-User": self.user} if self.user else {}
        sent |= {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        # One connection each: some applications answer HEAD with a body, and that would stay.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, address, body or None, sent)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())

    def log_in(self, address: str, **fields: str) -> None:
        """Send the page's form with these fields, and keep the cookies."""
        page = self.ask("alone", address)
        self._keep_cookies(page)
        form = LexborHTMLParser(page.body).css_first("form[method=post i]")
        assert form is not None, f"no form at {address}"
        hidden = {
            box.attributes["name"]: box.attributes["value"]
            for box in form.css("input[type=hidden]")
        }
        action = urljoin(address, form.attributes.get("action") or "")
        body = urlencode(hidden | fields)
        answer = self.ask("alone", urlsplit(action).path, "POST", body)
        assert answer.status in (302, 303), answer
        self._keep_cookies(answer)

    def _keep_cookies(self, answer: Answer) -> None:
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                key, _, content = value.partition(";")[0].partition("=")
                self.cookies[key] = content


@dataclass(frozen=True)
class Visit:
    """One request, answered by the application alone, by other sides, and alone again."""

    address: str
    before: Answer
    others: dict[str, Answer]
    after: Answer

    def difference(
        self,
        side: str,
        part: Callable[[Answer], bytes],
        own: Callable[[Answer], bytes] | None = None,
    ) -> str:
        """Return where a part of the side's answer differs from that of the application's answers.

        :param own: what gives the side's part, where it is not found as the application's is
        :return: empty where it does not differ
        """
        return difference(part(self.before), part(self.after), (own or part)(self.others[side]))


def visit(
    site: Site,
    address: str,
    sides: Iterable[str],
    *more: str,
    ours: dict[str, str] | None = None,
    **headers: str,
) -> Visit:
    """Ask all sides for one address.

    :param more: method and body, where it is not a GET
    :param ours: the request's headers for all but the application alone, where they differ
    """
    before = site.ask("alone", address, *more, **headers)
    others = {side: site.ask(side, address, *more, **(ours or headers)) for side in sides}
    return Visit(address, before, others, site.ask("alone", address, *more, **headers))


def difference(before: bytes, after: bytes, ours: bytes) -> str:
    """Return the first words of ``ours`` that neither the same words before nor after allow."""
    if ours in (before, after):
        return ""
    words = [_WORDS.findall(each) for each in (before, after, ours)]
    for number, (first, last, own) in enumerate(zip(*words, strict=False)):
        if own != first and first == last:
            excerpts = [b"".join(each[max(0, number - 4) : number + 8]) for each in words]
            return f"{excerpts[2]!r} instead of {excerpts[0]!r}"
    lengths = set(map(len, words))
    return f"one is longer: {lengths} words" if len(lengths) > 1 else ""


def crawl(
    site: Site,
    starts: Sequence[str],
    sides: Sequence[str],
    most: int = 300,
    alike: int = 4,
    seconds: float = 60.0,
) -> Iterator[Visit]:
    """Follow every link, source and GET form of the same origin; leave out what logs out.

    :param most: addresses in all
    :param alike: addresses that differ in their query alone
    :param seconds: after which no further address is asked for
    """
    ends = time.monotonic() + seconds
    waiting, known, paths = list(starts), set(starts), Counter[str]()
    for address in waiting:
        paths[urlsplit(address).path] += 1
        if paths[urlsplit(address).path] > alike:
            continue
        if sum(paths.values()) > most or time.monotonic() > ends:
            return
        seen = visit(site, address, sides)
        yield seen
        found = [each for each in links(address, seen.before) if each not in known]
        known.update(found)
        waiting.extend(dict.fromkeys(found))


def links(address: str, answer: Answer) -> list[str]:
    """Return the addresses of the same origin that an answer names, in its order."""
    base = f"http://{HOST}{address}"
    found = [urljoin(base, answer.header("Location") or address)]
    if "html" in (answer.header("Content-Type") or ""):
        found += [urljoin(base, each) for each in _named(LexborHTMLParser(answer.body))]
    split = [urlsplit(each) for each in found]
    return [
        (each.path or "/") + (f"?{each.query}" if each.query else "")
        for each in split
        if (each.scheme, each.netloc) == ("http", HOST) and not _LEAVES.search(each.path)
    ]


def _named(page: LexborHTMLParser) -> Iterator[str]:
    for node in page.css(", ".join(_LINKS)):
        address = node.attributes.get(_LINKS[node.tag])
        if address and "data-pagetimer" not in node.attributes:
            yield address.strip().replace(" ", "%20")
    for form in page.css("form"):
        if (form.attributes.get("method") or "get").lower() == "get":
            yield _filled(form)


def _filled(form: Any) -> str:
    """Return the address that a form leads to; what is empty is filled with a word."""
    fields = [
        (box.attributes["name"], box.attributes.get("value") or "sea")
        for box in form.css("input[name], button[name]")
        if (box.attributes.get("type") or "text") not in ("radio", "checkbox")
        or "checked" in box.attributes
    ]
    action = (form.attributes.get("action") or "").partition("?")[0]
    return f"{action}?{urlencode(fields)}"
