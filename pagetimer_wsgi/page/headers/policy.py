"""Whether a page's own policies let the script run and its beats go out.

Content-Security-Policy (CSP Level 3; in a ``<meta>``: HTML, 4.2.5.3), Integrity-Policy
(Subresource Integrity 2) and Connection-Allowlist (WICG). Whatever else a policy says forbids no
external script that the parser found, ``require-trusted-types-for`` and ``base-uri`` among it;
under ``upgrade-insecure-requests`` a site speaks TLS, or nothing of its own arrives. In doubt a
page does not let us.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from .sources import Address, has_address_hash, let_through, read_address

_ENFORCED = "Content-Security-Policy"
_REPORTED = "Content-Security-Policy-Report-Only"
_META = f'<meta http-equiv="{_ENFORCED}">'
_INTEGRITY = "Integrity-Policy"
_CONNECTIONS = "Connection-Allowlist"
HEADERS = {name.lower(): name for name in (_ENFORCED, _REPORTED, _INTEGRITY, _CONNECTIONS)}

# 6.8.3: the first one that is there holds.
_FOR_SCRIPTS = ("script-src-elem", "script-src", "default-src")
_FOR_BEATS = ("connect-src", "default-src")
_OWN = {_FOR_SCRIPTS: "script-src", _FOR_BEATS: "connect-src"}

_UNREADABLE = re.compile(r"[^\t\n\f\r -~]")  # browsers drop such a directive, or a part of it
_NONCE = re.compile(r"'nonce-([a-z0-9+/_-]+={0,2})'", re.ASCII | re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_WORDS = re.compile(r"[^\s();,]+")

_Texts = tuple[tuple[str, str], ...]  # each with the header or <meta> that it came in


class Verdict(NamedTuple):
    """What a page's policies say to our tag.

    :ivar nonce: what the tag's ``nonce`` must say; None, where it needs none
    :ivar missing: None, if the page lets us; else one line that says what to add, and to which
        part of which policy, the same for all requests to such a page
    """

    nonce: str | None
    missing: str | None


def judge(
    headers: Sequence[tuple[str, str]],
    metas: Sequence[str],
    page: str,
    address: str,
    nonce: str | None = None,
) -> Verdict:
    """Judge one page. Quick: what is not a nonce is judged once, and kept.

    An enforced policy's nonce is taken even where a source would do; it costs nothing.

    :param headers: the response's
    :param metas: the contents of ``<meta http-equiv="Content-Security-Policy">`` that stand before
        the tag
    :param page: the page's origin, as in ``https://example.com:8443``. It is taken as told: behind
        a proxy that speaks TLS for an application that knows nothing of it, ``http`` is told, and
        then sources with ``https:`` do not count. ``'self'`` always names a path-absolute address
    :param address: of our prefix, path-absolute or a whole HTTP(S) address
    :param nonce: the page's, where the application itself names it; then no other is taken
    """
    said = [(HEADERS[name.lower()], value) for name, value in headers if name.lower() in HEADERS]
    said += [(_META, content) for content in metas]
    if not said:
        return Verdict(nonce or None, None)
    numbers = _Numbers()
    given = numbers[nonce] if nonce else None
    texts = tuple((where, numbers.put_into(text)) for where, text in said)
    verdict = _judge(texts, page, address, given)
    if verdict.nonce is None:
        return verdict
    return Verdict(numbers.nonce(verdict.nonce), None)


class _Numbers(dict[str, str]):
    """Nonces, numbered as they come: without them the policies of a site's pages are the same."""

    def __missing__(self, nonce: str) -> str:
        return self.setdefault(nonce, str(len(self)))

    def put_into(self, text: str) -> str:
        return _NONCE.sub(lambda found: f"'nonce-{self[found[1]]}'", text)

    def nonce(self, number: str) -> str:
        return list(self)[int(number)]


class _Remedy(NamedTuple):
    """What the administrator can do; read with "of `where`" behind it."""

    advice: str
    part: str
    where: str


class _Rule(NamedTuple):
    """The source list that holds for one kind of request; `sources` is None if unreadable."""

    where: str
    name: str
    own: str  # the directive that is meant for this kind of request
    sources: list[str] | None

    def nonces(self) -> list[str]:
        found = (_NONCE.fullmatch(source) for source in self.sources or ())
        return [nonce[1] for nonce in found if nonce]

    def names(self, url: Address, page: Address) -> bool:
        return let_through(self.sources or (), url, page)

    def wants_nonce(self) -> bool:
        """Addresses do not count for a script that the parser found (6.7.1.1)."""
        words = [source.lower() for source in self.sources or ()]
        return "'strict-dynamic'" in words or has_address_hash(words)

    def remedy(self, lacking: str) -> _Remedy:
        if self.sources is None:
            return _Remedy("use only ASCII in", self.name, self.where)
        is_closed = all(source.lower() == "'none'" for source in self.sources)
        name = self.own if self.name == "default-src" and is_closed else self.name
        return _Remedy(f"add {lacking} to", name, self.where)


class _Policy(NamedTuple):
    """One policy: directives by name, and the header or `<meta>` that it came in."""

    where: str
    directives: dict[str, list[str] | None]

    def rule(self, kind: tuple[str, ...]) -> _Rule | None:
        name = next((name for name in kind if name in self.directives), None)
        return _Rule(self.where, name, _OWN[kind], self.directives[name]) if name else None

    def sandbox(self) -> list[_Remedy]:
        """What a sandbox lacks for scripts, and for beats that come from the page's origin."""
        if self.where == _META or "sandbox" not in self.directives:
            return []
        allowed = {flag.lower() for flag in self.directives["sandbox"] or ()}
        lacking = [flag for flag in ("allow-scripts", "allow-same-origin") if flag not in allowed]
        advice = f"add {' and '.join(lacking)} to"
        return [_Remedy(advice, "sandbox", self.where)] if lacking else []


@lru_cache(maxsize=256)
def _judge(texts: _Texts, page: str, address: str, given: str | None) -> Verdict:
    """The verdict on policies in which numbers stand for the nonces."""
    origin, script, beat = _addresses(page, address)
    source = "'self'" if address.startswith("/") else f"{address}/"
    policies = _policies(texts, _ENFORCED, _META)
    scripts = _rules(policies, _FOR_SCRIPTS)
    needing = [rule for rule in scripts if rule.wants_nonce() or not rule.names(script, origin)]
    reported = _rules(_policies(texts, _REPORTED), _FOR_SCRIPTS)
    nonce = given or _choose([*scripts, *reported], needing)
    beats = _rules(policies, _FOR_BEATS)
    remedies = [
        *(remedy for policy in policies for remedy in policy.sandbox()),
        *(_allow(rule, source, given, nonce) for rule in needing if nonce not in rule.nonces()),
        *(rule.remedy(source) for rule in beats if not rule.names(beat, origin)),
        *_integrity(texts),
        *_connections(texts, address),
    ]
    return Verdict(None, _sentence(remedies)) if remedies else Verdict(nonce, None)


def _addresses(page: str, address: str) -> tuple[Address, Address, Address]:
    """The page's origin, the script and the beat; what cannot be read has no name."""
    origin = read_address(page) or Address("http", "", 0)
    if address.startswith("/"):
        prefix = origin._replace(path=address)
    else:
        prefix = read_address(address) or Address("", "", 0)
    return (
        origin,
        prefix._replace(path=prefix.path + "/pagetimer.js"),
        prefix._replace(path=prefix.path + "/beat"),
    )


def _policies(texts: _Texts, *places: str) -> list[_Policy]:
    return [
        _Policy(where, _directives(policy))
        for where, text in texts
        if where in places
        for policy in _split(where, text)
    ]


def _split(where: str, text: str) -> list[str]:
    """The policies of a header are parted by commas. A `<meta>` has one, but Chromium parts it."""
    policies = text.split(",")
    return [text, *policies] if where == _META and len(policies) > 1 else policies


def _directives(policy: str) -> dict[str, list[str] | None]:
    """2.2.1: names in lower case; the first of a name holds."""
    directives: dict[str, list[str] | None] = {}
    for directive in policy.split(";"):
        name, *values = directive.split() or [""]
        unreadable = _UNREADABLE.search(directive)
        directives.setdefault(name.lower(), None if unreadable else values)
    return directives


def _rules(policies: Iterable[_Policy], kind: tuple[str, ...]) -> list[_Rule]:
    rules = (policy.rule(kind) for policy in policies)
    return [rule for rule in rules if rule]


def _choose(rules: Iterable[_Rule], needing: Sequence[_Rule]) -> str | None:
    """The first nonce that serves most of those that need one."""
    nonces = [nonce for rule in rules for nonce in rule.nonces()]
    return max(
        nonces, key=lambda nonce: sum(nonce in rule.nonces() for rule in needing), default=None
    )


def _allow(rule: _Rule, source: str, given: str | None, nonce: str | None) -> _Remedy:
    """What would make the rule allow the script."""
    if not rule.wants_nonce():
        return rule.remedy(source)
    if given:
        return rule.remedy("the nonce that pagetimer.nonce says")
    return rule.remedy("the nonce of the page's other policies" if nonce else "a nonce")


def _integrity(texts: _Texts) -> list[_Remedy]:
    """Our tag names no hash. A dictionary (RFC 9651, 3.2): the last of a name holds."""
    text = ",".join(text for where, text in texts if where == _INTEGRITY)
    members: dict[str, list[str]] = {}
    for member in _QUOTED.sub("", text).split(","):
        name, _, values = member.partition("=")
        members[name.strip()] = _WORDS.findall(values)
    blocked = "script" in members.get("blocked-destinations", ())
    if blocked and "inline" in members.get("sources", ("inline",)):
        return [_Remedy("take script out of", "blocked-destinations", _INTEGRITY)]
    return []


def _connections(texts: _Texts, address: str) -> list[_Remedy]:
    """Patterns are not matched: a page of this origin says so, or our address is spelled out."""
    wanted = "response-origin" if address.startswith("/") else f'"{address}/*"'
    lists = [_WORDS.findall(text) for where, text in texts if where == _CONNECTIONS]
    if all(wanted in words for words in lists):
        return []
    return [_Remedy(f"add {wanted} to", "the list", _CONNECTIONS)]


def _sentence(remedies: Iterable[_Remedy]) -> str:
    """All remedies in one line; those that differ only in their part are told together."""
    parts: dict[tuple[str, str], dict[str, None]] = {}
    for advice, part, where in remedies:
        parts.setdefault((advice, where), {})[part] = None
    return "; ".join(
        f"{advice} {' and '.join(named)} of {where}" for (advice, where), named in parts.items()
    )
