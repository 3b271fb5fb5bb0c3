"""Applications that nobody here wrote, and the examples: wrapped and unwrapped side by side."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import foreign
import pytest
from browser import require
from crawler import Site, Visit, crawl, difference, links, visit
from selectolax.lexbor import LexborHTMLParser
from servers import Answer, stored

from pagetimer_wsgi.events import PageView

TAG = re.compile(rb'<script async="async" src="/_pagetimer/[^<>]*></script>')
TOKEN = re.compile(rb' data-pagetimer="[^"]+"')
OURS = "script[data-pagetimer]"
SIDES = ("wrapped", "validated")


@dataclass(frozen=True)
class Subject:
    """An application of ``foreign.py``, and how a crawler goes through it.

    :param pages: HTML pages that must be compared at the least, by either visitor
    :param revalidated: pages that must answer 304 at the least
    :param parts: answers that must offer parts of themselves at the least
    :param most: addresses that are asked for at the most, by either visitor
    :param starts: addresses that no page names, or that need to be asked for early
    :param face: the page that a browser is shown
    :param log_in: a form's address and fields; without it the server says who is asking
    """

    name: str
    package: str
    pages: int
    revalidated: int = 0
    parts: int = 0
    most: int = 300
    starts: tuple[str, ...] = ("/", "/nowhere")
    face: str = "/"
    log_in: tuple[str, dict[str, str]] | None = None


SUBJECTS = (
    Subject("hgweb", "mercurial", pages=60, revalidated=60, most=80),
    Subject("trac", "trac", pages=30, most=50),
    Subject("klaus", "klaus", pages=50, parts=4, most=80),
    Subject("pypiserver", "pypiserver", pages=6, parts=6),
    Subject(
        "isso",
        "isso",
        pages=5,
        revalidated=1,
        parts=1,
        starts=("/", "/nowhere", "/demo/index.html", "/admin/", "/latest?limit=5", "/info"),
        face="/demo/index.html",
        log_in=("/admin/", {"password": "lantern"}),
    ),
    Subject(
        "flask_course",
        "flask_login",
        pages=5,
        log_in=("/log-in", {"name": "tomasz", "password": "spelt"}),
    ),
    Subject(
        "django_intranet",
        "django",
        pages=5,
        log_in=("/log-in/", {"username": "milo", "password": "lantern"}),
    ),
    Subject(
        "pyramid_docs",
        "beaker",
        pages=2,
        log_in=("/log-in", {"name": "noor", "password": "orion"}),
    ),
)


@dataclass(frozen=True)
class Journey:
    """What one visitor met in one application."""

    subject: Subject
    site: Site
    named: bool
    visits: list[Visit]
    log: Path


@dataclass
class Tally:
    """Says when all tests have run how much was compared."""

    pages: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("compared wrapped and unwrapped")
        for name, pages in self.pages.items():
            others = self.answers[name] - pages
            terminalreporter.write_line(f"{name}: {pages} HTML pages, {others} other answers")


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Tally:
    told = Tally()
    request.config.pluginmanager.register(told)
    return told


@dataclass(frozen=True)
class Served:
    """An application of ``foreign.py`` in a process of its own, and where it writes errors."""

    port: int
    log: Path


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Served]]:
    """A function that serves an application for the rest of the module."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def serve(name: str) -> Served:
            folder = tmp_path_factory.mktemp(name)
            command = [str(Path(foreign.__file__)), name, str(folder)]
            line = stack.enter_context(started(*command, folder=folder))
            return Served(int(line), folder / "log")

        yield serve


@contextlib.contextmanager
def started(*command: str, folder: Path, **environment: str) -> Iterator[str]:
    """Start a Python that serves; give its first line, and end it with the block."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PAGETIMER_")
    }
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env={**inherited, "HGRCPATH": "", **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield line.strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((subject, named), id=f"{subject.name}-{'named' if named else 'anonymous'}")
        for subject in SUBJECTS
        for named in (False, True)
    ],
)
def journey(
    request: pytest.FixtureRequest, serve: Callable[[str], Served], tally: Tally
) -> Journey:
    subject, named = request.param
    require_all_of(subject)
    served = serve(subject.name)
    site = Site(served.port, user="ada" if named else None)
    if named and subject.log_in:
        address, fields = subject.log_in
        site.log_in(address, **fields)
    visits = list(crawl(site, subject.starts, SIDES, subject.most))
    tally.answers[subject.name] += len(visits)
    tally.pages[subject.name] += sum(is_page(each.before) for each in visits)
    return Journey(subject, site, named, visits, served.log)


def require_all_of(subject: Subject) -> None:
    found = importlib.util.find_spec(subject.package)
    require(found, f"{subject.package} is not installed")
    require(subject.name != "klaus" or shutil.which("git"), "git is not installed")


# --- what the middleware promises, said of the answer that the application gives alone ------------


def is_page(answer: Answer) -> bool:
    """Whether the answer is a whole HTML document that must get a tag."""
    return has_page_headers(answer) and bool(
        re.match(rb"(?i)\s*(?:<!--.*?-->\s*)*<(?:!doctype|html|head|body)\b", answer.body)
    )


def has_page_headers(answer: Answer) -> bool:
    content_type = answer.header("Content-Type") or ""
    return (
        (answer.status == 200 or answer.status >= 400)
        and content_type.partition(";")[0].strip() in ("text/html", "application/xhtml+xml")
        and not (answer.header("Content-Disposition") or "").startswith("attachment")
        and answer.header("Content-Range") is None
    )


def may_carry_token(answer: Answer) -> bool:
    """Whether no shared cache may keep the answer, or would once it says ``private``."""
    said = directives(answer)
    if not said.isdisjoint({"private", "no-store"}):
        return True
    unsaid = answer.header("Expires") is None
    return unsaid and said <= {"no-cache", "max-age=0", "must-revalidate"}


def directives(answer: Answer) -> set[str]:
    values = [value for name, value in answer.headers if name.lower() == "cache-control"]
    return {each.strip().lower() for each in ",".join(values).split(",")} - {""}


FRAMING = {"connection", "content-length", "transfer-encoding"}  # as the length is known or not
DROPPED = {"content-digest", "content-md5", "digest", "repr-digest"}


def promised(answer: Answer, token: bool) -> bytes:
    """The headers of a page once it is dressed; of its ETag what stands before our mark."""
    dropped = FRAMING | DROPPED | {"cache-control"} | ({"last-modified"} if token else set())
    kept = []
    for name, value in answer.headers:
        if name.lower() == "accept-ranges":
            value = "none"
        if name.lower() == "etag" and (opaque := re.fullmatch(r'(?:W/)?"([^"]*)"', value)):
            value = f"{opaque[1]} and our mark"
        if name.lower() not in dropped:
            kept.append((name, value))
    private = token and directives(answer).isdisjoint({"private", "no-store"})
    return written(kept, directives(answer) | ({"private"} if private else set()))


def issued(answer: Answer) -> bytes:
    """The headers of a dressed page, to be compared with the promised ones."""
    kept = []
    for name, value in answer.headers:
        if name.lower() == "etag" and (marked := re.fullmatch(r'W/"([^"]*)-pt[^"]+"', value)):
            value = f"{marked[1]} and our mark"
        if name.lower() not in FRAMING | {"cache-control"}:
            kept.append((name, value))
    return written(kept, directives(answer))


def written(headers: list[tuple[str, str]], cache_control: set[str]) -> bytes:
    lines = [f"{name.lower()}: {value}" for name, value in headers]
    lines += [f"cache-control has {each}" for each in cache_control]
    return "\n".join(sorted(lines)).encode()


def untouched(answer: Answer) -> bytes:
    """Status and headers to the letter."""
    lines = sorted(f"{name}: {value}" for name, value in answer.headers)
    return "\n".join([str(answer.status), *lines]).encode()


# --- one visit: each gives what is wrong, empty where nothing is ----------------------------------


def in_status(seen: Visit, side: str) -> str:
    return seen.difference(side, lambda answer: str(answer.status).encode())


def in_tags(seen: Visit, side: str, named: bool) -> str:
    body = seen.others[side].body
    tags = TAG.findall(body)
    if len(tags) != is_page(seen.before):
        return f"{len(tags)} tags"
    tokens = sum(bool(TOKEN.search(tag)) for tag in tags)
    expected = bool(tags) and named and may_carry_token(seen.before)
    return "" if tokens == expected else f"{tokens} tokens instead of {expected:d}"


def in_bytes(seen: Visit, side: str) -> str:
    return seen.difference(side, lambda answer: TAG.sub(b"", answer.body))


def in_headers(seen: Visit, side: str, token: bool) -> str:
    if not has_page_headers(seen.before):
        return seen.difference(side, untouched)
    return seen.difference(side, lambda answer: promised(answer, token), issued)


def in_length(seen: Visit, side: str) -> str:
    ours = seen.others[side]
    stated, theirs = ours.header("Content-Length"), seen.before.header("Content-Length")
    if stated is None:
        return "" if theirs is None else "no Content-Length"
    return "" if int(stated) == len(ours.body) else f"{stated} for {len(ours.body)} bytes"


def in_tree(seen: Visit, side: str, tree: Callable[[bytes], bytes]) -> str:
    if not has_page_headers(seen.before):
        return ""
    return seen.difference(side, lambda answer: tree(answer.body))


def has_token(seen: Visit, side: str = "wrapped") -> bool:
    return bool(TOKEN.search(b"".join(TAG.findall(seen.others[side].body))))


def lexbor(body: bytes) -> bytes:
    """The tree by selectolax's lexbor, without our element, which must be in html > head."""
    page = LexborHTMLParser(body, scripting=True)
    for element in page.css(OURS):
        assert element.parent is not None
        assert element.parent == page.head
        element.decompose()
    return (page.html or "").encode()


def turbo(body: bytes) -> bytes:
    """The same by turbohtml, as a browser that runs scripts builds it."""
    import turbohtml

    page = turbohtml.parse(body, scripting=True)
    for element in page.select(OURS):
        assert element.parent == page.select_one("html > head")
        element.decompose()
    return page.serialize().encode()


TREES = [lexbor, turbo] if sys.version_info >= (3, 11) else [lexbor]  # the other needs 3.11


def wrong(visits: list[Visit], look: Callable[[Visit], str]) -> dict[str, str]:
    return {seen.address: said for seen in visits if (said := look(seen))}


# --- every page that a crawler reaches ------------------------------------------------------------

every_side = pytest.mark.parametrize("side", SIDES)


@every_side
def test_every_answer_is_the_same_to_the_byte_but_for_one_tag_in_each_page(
    journey: Journey, side: str
) -> None:
    assert wrong(journey.visits, lambda seen: in_status(seen, side)) == {}
    assert wrong(journey.visits, lambda seen: in_tags(seen, side, journey.named)) == {}
    assert wrong(journey.visits, lambda seen: in_bytes(seen, side)) == {}


@every_side
def test_every_header_is_the_same_but_for_those_that_a_tag_changes(
    journey: Journey, side: str
) -> None:
    assert wrong(journey.visits, lambda seen: in_headers(seen, side, has_token(seen))) == {}
    assert wrong(journey.visits, lambda seen: in_length(seen, side)) == {}


@pytest.mark.parametrize("tree", TREES)
def test_every_tree_is_the_same_but_for_our_element_in_the_head(
    journey: Journey, tree: Callable[[bytes], bytes]
) -> None:
    assert wrong(journey.visits, lambda seen: in_tree(seen, "wrapped", tree)) == {}


def test_every_page_leads_to_the_same_addresses(journey: Journey) -> None:
    def in_links(seen: Visit) -> str:
        ways = [links(seen.address, each) for each in (seen.before, seen.others["wrapped"])]
        return "" if ways[0] == ways[1] else str(set(ways[0]) ^ set(ways[1]))

    assert wrong(journey.visits, in_links) == {}


def test_enough_pages_were_compared(journey: Journey) -> None:
    pages = [seen.address for seen in journey.visits if is_page(seen.before)]
    assert len(pages) >= journey.subject.pages
    assert len(set(pages)) == len(pages)


# --- and asked in other ways ----------------------------------------------------------------------


def test_head_gets_the_headers_of_the_page_without_its_length(journey: Journey) -> None:
    asked = {}
    for seen in journey.visits:
        heads = visit(journey.site, seen.address, ["wrapped"], "HEAD")
        ours = heads.others["wrapped"]
        said = in_status(heads, "wrapped") or in_headers(heads, "wrapped", has_token(seen))
        if has_page_headers(heads.before) and ours.header("Content-Length") is not None:
            said = "a length that the page will not have"
        asked[seen.address] = said
    assert {address: said for address, said in asked.items() if said} == {}


CONDITIONS = {"ETag": "If_None_Match", "Last-Modified": "If_Modified_Since"}


def conditions(answer: Answer, validators: list[str]) -> dict[str, str]:
    """The conditional headers of a browser that has kept the answer."""
    found = {CONDITIONS[name]: answer.header(name) for name in validators}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("validators", [[*CONDITIONS], ["ETag"], ["Last-Modified"]], ids="+".join)
def test_what_answers_304_unwrapped_answers_304_wrapped(
    journey: Journey, validators: list[str]
) -> None:
    said, pages = {}, 0
    for seen in journey.visits:
        theirs = conditions(seen.before, validators)
        ours = conditions(seen.others["wrapped"], validators)
        if ours and ours.keys() == theirs.keys():
            asked = visit(journey.site, seen.address, ["wrapped"], ours=ours, **theirs)
            said[seen.address] = in_revalidation(seen, asked, marked="ETag" in validators)
            pages += is_page(seen.before) and asked.before.status == 304
    assert {address: each for address, each in said.items() if each} == {}
    if "ETag" in validators:
        assert pages >= journey.subject.revalidated


def in_revalidation(seen: Visit, asked: Visit, marked: bool) -> str:
    """What is wrong with a revalidation; without an ETag that came back there is no mark."""
    ours = asked.others["wrapped"]
    if ours.status != 304 or not is_page(seen.before):
        token = has_token(asked)
        said = in_status(asked, "wrapped") or in_bytes(asked, "wrapped")
        return said or in_headers(asked, "wrapped", token)
    mark = seen.others["wrapped"].header("ETag")
    if marked and asked.before.header("ETag") and ours.header("ETag") != mark:
        return f"{ours.header('ETag')} instead of {mark}"
    ignored = {"accept-ranges"} if marked else {"accept-ranges", "etag"}
    return in_status(asked, "wrapped") or asked.difference(
        "wrapped",
        lambda answer: promised(without(answer, ignored), has_token(seen)),
        lambda answer: issued(without(answer, ignored)),
    )


def without(answer: Answer, names: set[str]) -> Answer:
    kept = [pair for pair in answer.headers if pair[0].lower() not in names]
    return Answer(answer.status, kept, answer.body)


def test_a_page_with_a_token_goes_anew_to_who_has_other_cookies(journey: Journey) -> None:
    for seen in journey.visits:
        etag = seen.others["wrapped"].header("ETag")
        if etag is not None and has_token(seen):
            changed = {"If_None_Match": etag, "Cookie": "moon=full"}
            assert journey.site.ask("wrapped", seen.address, **changed).status == seen.before.status


def test_a_part_that_is_asked_for_is_the_same_part(journey: Journey) -> None:
    ranged = [seen for seen in journey.visits if seen.before.header("Accept-Ranges") == "bytes"]
    assert len(ranged) >= journey.subject.parts
    for seen in ranged:
        part = visit(journey.site, seen.address, SIDES, Range="bytes=0-9")
        for side in SIDES:
            assert part.difference(side, untouched) == ""
            assert part.difference(side, lambda answer: answer.body) == ""


@every_side
def test_what_is_sent_is_answered_the_same(journey: Journey, side: str) -> None:
    for address in journey.subject.starts:
        sent = visit(journey.site, address, [side], "POST", "sea=calm")
        assert in_status(sent, side) == ""
        assert in_tags(sent, side, journey.named) == ""
        assert in_bytes(sent, side) == ""
        assert in_headers(sent, side, has_token(sent, side)) == ""


def test_the_checks_of_pep_3333_have_nothing_to_say(journey: Journey) -> None:
    assert re.findall(".*(?:WSGIWarning|without being closed).*", journey.log.read_text()) == []


# --- in a browser ---------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_chromium_shows_what_it_shows_unwrapped(
    subject: Subject, chromium: Any, serve: Callable[[str], Served]
) -> None:
    require_all_of(subject)
    address, texts, errors = f"http://127.0.0.1:{serve(subject.name).port}", [], []
    for side in ("alone", "wrapped", "alone"):
        page = chromium.new_page(extra_http_headers={"X-Side": side})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + subject.face, wait_until="networkidle")  # some fetch what they show
        assert len(page.query_selector_all(OURS)) == (side == "wrapped")
        texts.append(f"{page.title()}: {page.inner_text('body')}".encode())
        page.close()
    assert difference(texts[0], texts[2], texts[1]) == ""
    assert errors == []


@pytest.fixture(scope="module")
def hgwebs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The addresses of hgweb wrapped by ``pagetimer run`` and of hgweb alone, and the data."""
    require(importlib.util.find_spec("mercurial"), "Mercurial is not installed")
    folder, data = tmp_path_factory.mktemp("hgweb"), tmp_path_factory.mktemp("data")
    repository = str(foreign.hg_repository(folder)).encode()
    run = "from pagetimer_wsgi.cli import main; raise SystemExit(main())"
    command = ("-c", run, "run", f"mercurial.hgweb:hgweb({repository!r})", "-o", "automation=yes")
    alone = ("-c", UNWRAPPED, repository.decode())
    with (
        started(*command, folder=folder, PAGETIMER_DATA=str(data)) as wrapped,
        started(*alone, folder=data) as unwrapped,
    ):
        yield address_in(wrapped), address_in(unwrapped), data


UNWRAPPED = """
import sys
from mercurial.hgweb import hgweb
from pagetimer_wsgi.server import FIRST_PORT, PORTS, listen
server = listen(hgweb(sys.argv[1].encode()), FIRST_PORT, PORTS)
print(f"at http://127.0.0.1:{server.effective_port}/", flush=True)
server.run()
"""


def address_in(line: str) -> str:
    return re.search(r"http://\S+\d", line)[0]


@pytest.mark.browser
def test_who_clicks_through_sees_the_same_and_the_time_is_known(
    hgwebs: tuple[str, str, Path], chromium: Any
) -> None:
    wrapped, alone, data = hgwebs
    texts, errors = [], []
    for address in (wrapped, alone):
        page = chromium.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + "/")
        page.click("a:text-is('graph')")
        page.wait_for_url(re.compile("/graph"))
        began = time.monotonic()
        page.wait_for_timeout(2_000)
        page.click("a:text-is('browse')")
        spent = time.monotonic() - began
        page.wait_for_url(re.compile("/file"))
        page.click("text=tides.txt")
        page.wait_for_url(re.compile("/tides.txt"))
        texts.append(page.inner_text("body"))
        page.close()
        if address == wrapped:
            truth = spent
    assert texts[0] == texts[1]
    assert errors == []
    views = stored(data, lambda found: any(map(is_graph, found)))
    graph = next(filter(is_graph, views))
    assert graph.visible_ms == pytest.approx(truth * 1000, abs=1000)


def is_graph(view: PageView) -> bool:
    return view.path.startswith("/graph") and view.ended == "exact"
