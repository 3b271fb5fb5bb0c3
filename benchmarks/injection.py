"""What putting the tag into a page costs, beside what other injectors cost.

    python benchmarks/injection.py [--rounds N] [--only TEXT]

CPU time of the thread that answers, all sides by turns in one run on the same pages. README.rst
beside this file says what the sides and the columns are.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle
from typing import Any

from webob import Request

from pagetimer_wsgi import PageTimer

Application = Callable[..., Iterable[bytes]]
Headers = list[tuple[str, str]]
Wrap = Callable[[Application], Application]

GOAL = 0.6  # of New Relic's cost
REQUESTS = 10  # in one sample: the clock's own cost is shared among them
KB = 1000
HTML = "text/html; charset=utf-8"
END = b"</head>"

# --- pages ------------------------------------------------------------------------------------

TEXT = (
    "the sea follows a moon that pulls tide harbour boat wind rope and of in under before light "
    "morning keeper lamp stone stair glass brass oil watch night fog bell ships pass safely home "
    "café déjà Ærø naïve signal distance measured by hand with patience letter weather log"
)
WORDS = TEXT.split()
CHOOSE = random.Random(4)  # the same pages in every run


def words(count: int) -> str:
    return " ".join(CHOOSE.choices(WORDS, k=count))


def name() -> str:
    return "-".join(CHOOSE.choices(["nav", "card", "hero", "list", "item", "grid", "note"], k=2))


def meta() -> str:
    return f'<meta property="og:{name()}" content="{words(6)}">'


def stylesheet() -> str:
    return f'<link rel="stylesheet" href="/static/css/{name()}.3f9c2a.css" media="screen">'


def script() -> str:
    return f'<script src="/static/js/{name()}.81be07.js" defer></script>'


HEAD_PARTS: tuple[Callable[[], str], ...] = (
    lambda: f'<meta name="description" content="{words(16)}">',
    meta,
    meta,
    lambda: f"<!-- {words(6)} -->",
    stylesheet,
    stylesheet,
    lambda: (
        f'<link rel="preload" href="/fonts/{name()}.woff2" as="font" type="font/woff2" crossorigin>'
    ),
    lambda: f'<link rel="icon" type="image/png" sizes="32x32" href="/static/{name()}.png">',
    script,
    lambda: (
        "<script>\n  window.site = window.site || {};\n"
        f"  site.page = {{name: '{name()}', title: '{words(12)}'}};\n"
        f"  for (let i = 0; i < 3; i++) {{ site.push('<b>{words(2)}</b>'); }}\n</script>"
    ),
    meta,
    meta,
    lambda: f'<link rel="alternate" hreflang="da" href="https://example.org/da/{name()}">',
    lambda: (
        '<script type="application/ld+json">{"@context": "https://schema.org", '
        f'"@type": "Article", "headline": "{words(6)}", "abstract": "{words(20)}"}}</script>'
    ),
    script,
    lambda: f"<style>\n{rule()}{rule()}{rule()}</style>",
    lambda: f"<!--[if lt IE 9]><script src='/static/{name()}.js'></script><![endif]-->",
    lambda: f'<noscript><link rel="stylesheet" href="/static/{name()}.css"></noscript>',
    meta,
)
BODY_PARTS: tuple[Callable[[], str], ...] = (
    lambda: f'<h2 id="{name()}">{words(4)}</h2>',
    lambda: f"<p>{words(45)}, <em>{words(3)}</em> {words(30)}.</p>",
    lambda: (
        f'<p>{words(20)} <a href="/{name()}/{name()}?page=2&amp;by=date">{words(3)}</a> '
        f"{words(25)}.</p>"
    ),
    lambda: (
        f'<ul class="{name()}">\n<li>{words(6)}</li>\n<li><a href="/{name()}">{words(4)}</a>'
        f"</li>\n<li>{words(8)}</li>\n</ul>"
    ),
    lambda: (
        f'<div class="{name()} {name()}"><img src="/media/{name()}.jpg" alt="{words(4)}" '
        f'width="640" height="480"><p>{words(18)}</p></div>'
    ),
    lambda: f"<!-- {words(4)} -->",
    lambda: f"<table><tr><th>{words(2)}</th><td>{words(3)}</td></tr></table>",
)


def rule() -> str:
    return (
        f".{name()} > .{name()}:hover {{ margin: 0 {CHOOSE.randrange(40)}px; "
        f'content: "\\201C"; background: url("/static/{name()}.svg") }} /* {words(3)} */\n'
    )


def lines(parts: Iterable[Callable[[], str]], size: int) -> str:
    """Parts by turns, a line each, until they are `size` bytes."""
    made, length = [], 0
    for part in cycle(parts):
        if length >= size:
            break
        made.append(part() + "\n")
        length += len(made[-1].encode())
    return "".join(made)


def page(size: int, head: int, css: int = 0) -> bytes:
    """An HTML document of about `size` bytes, `head` of them its head, without `css` of style."""
    before = (
        '<!DOCTYPE html>\n<html lang="en" class="no-js">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{words(5)} &amp; {words(2)}</title>\n"
    )
    style = f"<style>\n{lines([rule], css)}</style>\n" if css else ""
    top = before + lines(HEAD_PARTS, head - len(before) - 200) + style
    body = lines(BODY_PARTS, size - len(top.encode()) - 200)
    end = '<script src="/static/js/last.js"></script>\n</body>\n</html>\n'
    return f'{top}</head>\n<body class="{name()}">\n{body}{end}'.encode()


def data(size: int) -> bytes:
    """A JSON document of about `size` bytes."""
    rows = [{"id": 1000 + row, "title": words(4), "html": "<p>"} for row in range(size // 66)]
    return json.dumps({"rows": rows}).encode()


# --- shapes: what the application answers -----------------------------------------------------


HEADERS = [  # those that Django's own middleware sets; nothing forbids caches to share
    ("X-Frame-Options", "DENY"),
    ("Vary", "Cookie"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]


@dataclass(frozen=True)
class Shape:
    """One row of the table.

    :param chunk: bytes in each chunk; 0: all in one
    :param streamed: from a generator, not in a list
    """

    name: str
    body: bytes
    chunk: int = 0
    streamed: bool = False
    content_type: str = HTML

    def chunks(self) -> list[bytes]:
        size = self.chunk or len(self.body)
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]

    def application(self) -> Application:
        chunks, headers = self.chunks(), [("Content-Type", self.content_type), *HEADERS]
        if not self.chunk:
            headers.append(("Content-Length", str(len(self.body))))

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(headers))
            return (chunk for chunk in chunks) if self.streamed else list(chunks)

        return answer


def make_shapes() -> list[Shape]:
    pages = {
        "20 KB": page(20 * KB, 5 * KB),
        "200 KB": page(200 * KB, 5 * KB),
        "200 KB, 60 KB CSS": page(200 * KB, 4 * KB, 60 * KB),
    }
    small, large = data(2 * KB), data(200 * KB)
    return [
        shape
        for kind, body in pages.items()
        for shape in (
            Shape(f"{kind}, list", body),
            Shape(f"{kind}, generator", body, streamed=True),
            Shape(f"{kind}, 4 KB chunks", body, chunk=4096, streamed=True),
        )
    ] + [
        Shape("JSON 2 KB, list", small, content_type="application/json"),
        Shape("JSON 200 KB, list", large, content_type="application/json"),
        Shape("JSON 200 KB, 4 KB chunks", large, 4096, True, "application/json"),
    ]


# --- the server's part ------------------------------------------------------------------------

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/harbour/log",
    "QUERY_STRING": "page=2",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_USER": "ada",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8080",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "localhost:8080",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_ENCODING": "identity",
    "HTTP_ACCEPT_LANGUAGE": "en,da;q=0.7",
    "HTTP_COOKIE": "session=8f14e45fceea167a; theme=dark",
    "HTTP_REFERER": "http://localhost:8080/",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input": BytesIO(),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def start(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
    return len


def ask(application: Application) -> Iterator[bytes]:
    """One request, as a server makes it; yields what goes to the browser."""
    result = application(ENVIRON.copy(), start)
    try:
        yield from result
    finally:
        if hasattr(result, "close"):
            result.close()


# --- sides ------------------------------------------------------------------------------------

# For the sides that make no tag: one as long as ours.
TAG = b"<script src='/s.js' async data-t='" + b"t" * 148 + b"'></script>"


@dataclass(frozen=True)
class Side:
    """One way to answer a request.

    :param prepare: gives what wraps an application, with what is to be closed at the end put on
        the stack; raises ImportError where a package is missing
    :param tag: finds what it put in; None: it puts nothing in
    :param needs: what to install for it
    """

    name: str
    prepare: Callable[[ExitStack], Wrap]
    tag: re.Pattern[bytes] | None = None
    needs: str = ""


def bare(stack: ExitStack) -> Wrap:
    return lambda application: application


def ours(stack: ExitStack) -> Wrap:
    folder = stack.enter_context(tempfile.TemporaryDirectory())

    def wrap(application: Application) -> Application:
        timer = PageTimer(application, user_key="REMOTE_USER", data=folder)
        return stack.enter_context(closing(timer))

    return wrap


def offline_agent(insertion: bool = True) -> Any:
    """New Relic's agent, connected to the collector that it only plays; no network is asked.

    :param insertion: whether it puts its script into pages
    """
    from newrelic.api.application import register_application
    from newrelic.core.config import global_settings

    settings = global_settings()
    settings.enabled = settings.developer_mode = True
    settings.license_key = "0" * 40
    settings.browser_monitoring.enabled = insertion
    for vendor in vars(settings.utilization):
        if vendor.startswith("detect_"):  # by the addresses that clouds answer on
            setattr(settings.utilization, vendor, False)
    application = register_application(f"benchmark, insertion {insertion}", timeout=10)
    if not application.active:
        raise ImportError("the agent does not start")
    return application


def new_relic(stack: ExitStack) -> Wrap:
    """What its user runs: a transaction around each request, and the insertion within."""
    from newrelic.api.wsgi_application import WSGIApplicationWrapper

    agent = offline_agent()
    return lambda application: WSGIApplicationWrapper(application, application=agent)


def new_relic_without_insertion(stack: ExitStack) -> Wrap:
    """The same, with `browser_monitoring.enabled = false`."""
    from newrelic.api.wsgi_application import WSGIApplicationWrapper

    agent = offline_agent(insertion=False)
    return lambda application: WSGIApplicationWrapper(application, application=agent)


def new_relic_insertion(stack: ExitStack) -> Wrap:
    """The agent's insertion and its tag alone: one transaction serves all requests."""
    from newrelic.api.web_transaction import WSGIWebTransaction
    from newrelic.api.wsgi_application import _WSGIApplicationMiddleware

    class Endless(WSGIWebTransaction):
        """Makes tags as a running transaction does, and is never recorded."""

        def __del__(self) -> None:
            pass

    transaction = Endless(offline_agent(), ENVIRON.copy())
    transaction.start_time, transaction._state = time.time(), Endless.STATE_RUNNING

    def wrap(application: Application) -> Application:
        def insert(environ: dict[str, Any], start_response: Any) -> Any:
            transaction.rum_header_generated = False
            return _WSGIApplicationMiddleware(application, environ, start_response, transaction)

        return insert

    return wrap


def webob(stack: ExitStack) -> Wrap:
    def wrap(application: Application) -> Application:
        def replace(environ: dict[str, Any], start_response: Any) -> Any:
            response = Request(environ).get_response(application)
            if response.content_type == "text/html":
                response.body = response.body.replace(END, TAG + END, 1)
            return response(environ, start_response)

        return replace

    return wrap


class Noted:
    """start_response for the two plain injectors: sees a page, takes its length away."""

    def __init__(self, start_response: Any) -> None:
        self.start_response = start_response
        self.is_page = False

    def __call__(self, status: str, headers: Headers, *exc_info: Any) -> Any:
        types = [value for name, value in headers if name.lower() == "content-type"]
        self.is_page = types[:1] == [HTML]
        if self.is_page:
            headers = [pair for pair in headers if pair[0].lower() != "content-length"]
        return self.start_response(status, headers, *exc_info)


def replace_in_chunks(stack: ExitStack) -> Wrap:
    def wrap(application: Application) -> Application:
        def replace(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            noted = Noted(start_response)
            for chunk in application(environ, noted):
                yield chunk.replace(END, TAG + END, 1) if noted.is_page else chunk

        return replace

    return wrap


def split_text(stack: ExitStack) -> Wrap:
    """django-debug-toolbar's way, at the head's end: the whole text, split by a pattern."""
    tag, end = TAG.decode(), END.decode()
    pattern = re.escape(end)

    def insert(text: str) -> str:
        parts = re.split(pattern, text, flags=re.IGNORECASE)
        if len(parts) > 1:
            parts[-2] += tag
        return end.join(parts)

    def wrap(application: Application) -> Application:
        def split(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            noted = Noted(start_response)
            chunks = list(application(environ, noted))
            return [insert(b"".join(chunks).decode()).encode()] if noted.is_page else chunks

        return split

    return wrap


PLAIN = re.compile(re.escape(TAG))
NREUM = re.compile(rb"(?s)<script[^>]*>window\.NREUM.*?</script>")
SIDES = (
    Side("bare", bare),
    Side("ours", ours, re.compile(rb'<script [^<>]*src="/_pagetimer/[^<]*</script>')),
    Side("NR insertion", new_relic_insertion, NREUM, "newrelic"),
    Side("NR whole", new_relic, NREUM, "newrelic"),
    Side("NR without", new_relic_without_insertion, needs="newrelic"),
    Side("WebOb", webob, PLAIN),
    Side("replace", replace_in_chunks, PLAIN),
    Side("toolbar", split_text, PLAIN),
)
# The table's columns: name -> the side whose time it is, the side whose time is taken off it.
COSTS = {
    "ours": ("ours", "bare"),
    "NR insertion": ("NR insertion", "bare"),
    "NR added": ("NR whole", "NR without"),
    "NR whole": ("NR whole", "bare"),
    "WebOb": ("WebOb", "bare"),
    "replace": ("replace", "bare"),
    "toolbar": ("toolbar", "bare"),
}
NEW_RELIC = ("NR insertion", "NR added", "NR whole")
RATIOS = (*NEW_RELIC, "replace")  # ours is set beside these
LEAST = 0.05  # of a total; a smaller difference is noise, and a ratio to it says nothing


def prepare(sides: Iterable[Side], stack: ExitStack) -> dict[Side, Wrap]:
    """Those sides that can run here, each with what wraps an application."""
    ready = {}
    for side in sides:
        try:
            ready[side] = side.prepare(stack)
        except ImportError as error:
            print(f"{side.name} is left out: {error}. It needs: pip install {side.needs}")
    return ready


# --- CPU time ---------------------------------------------------------------------------------


def sample(application: Application) -> float:
    """Microseconds of CPU time for one request."""
    begun = time.thread_time_ns()
    for _ in range(REQUESTS):
        for _chunk in ask(application):
            pass
    return (time.thread_time_ns() - begun) / REQUESTS / 1000


def medians(applications: dict[Side, Application], rounds: int) -> dict[Side, float]:
    """The sides' medians in microseconds; in every round each has its turn, in another order."""
    samples: dict[Side, list[float]] = {side: [] for side in applications}
    order = list(applications)
    gc.collect()
    gc.freeze()  # what the sides' packages hold is nobody's garbage
    for _ in range(rounds):
        CHOOSE.shuffle(order)
        for side in order:
            samples[side].append(sample(applications[side]))
    gc.unfreeze()
    return {side: statistics.median(times) for side, times in samples.items()}


# --- decoys -----------------------------------------------------------------------------------

# The elements of a head; the tag is right before or after any of them, and nowhere else.
DECOYS: dict[str, list[bytes]] = {
    "no decoy": [b'<meta charset="utf-8">', b"<title>t</title>"],
    "comment": [b'<meta charset="utf-8">', b"<!-- no </head> yet -->", b"<title>t</title>"],
    "script": [b'<meta charset="utf-8">', b'<script>s = "</head><body>"</script>'],
    "style": [b"<title>t</title>", b'<style>a { content: "</head>" }</style>'],
    "title": [b"<title>The </head> tag</title>", b'<link rel="icon" href="/i.png">'],
    "attribute": [b'<meta name="description" content="<body> follows </head>">'],
    "script in a comment": [
        b"<title>t</title>",
        b"<script><!-- <script></head></script> --></script>",
    ],
    "template": [b"<title>t</title>", b"<template></head></template>"],
    "meta in a script": [b"<title>t</title>", b"<script>m = '<meta charset=x>'</script>"],
    "body in a comment": [b"<title>t</title>", b"<!-- <head> <body> -->", b"<meta name=a>"],
}
SPELLINGS: dict[str, tuple[bytes, int]] = {  # from the head's end on; bytes a chunk
    "capitals": (b"</HEAD>\n<BODY><p>p</p>", 0),
    "space in the end tag": (b"</head\n><body><p>p</p>", 0),
    "the end is implied": (b"<body><p>p</p>", 0),
    "no body tag": (b"</head>\n<p>p</p>", 0),
    "again in the body": (b"</head><body><script>s = '</head>'</script>", 0),
    "chunks of 3 bytes": (b"</head><body><p>p</p>", 3),
}
OPENING = b"<!DOCTYPE html><html><head>"
CLOSING = b"</head><body><p>p</p></body></html>"


def right_places(head: list[bytes]) -> set[int]:
    return {len(OPENING + b"".join(head[:count])) for count in range(len(head) + 1)}


def is_right(side: Side, wrap: Wrap, head: list[bytes], closing: bytes, chunk: int = 0) -> bool:
    """Whether the side's tag went in once, between two elements, and nothing else changed."""
    document = OPENING + b"".join(head) + closing
    shape = Shape("", document, chunk, streamed=bool(chunk))
    out = b"".join(ask(wrap(shape.application())))
    tags = list(side.tag.finditer(out)) if side.tag else []
    if len(tags) != 1 or out.replace(tags[0][0], b"") != document:
        return False
    return tags[0].start() in right_places(head)


def judge(side: Side, wrap: Wrap) -> dict[str, bool]:
    plain = DECOYS["no decoy"]
    return {case: is_right(side, wrap, head, CLOSING) for case, head in DECOYS.items()} | {
        case: is_right(side, wrap, plain, *end) for case, end in SPELLINGS.items()
    }


# --- time to first byte -----------------------------------------------------------------------

PIECES = 12  # of the head, and half as many of the body
PAUSE = 0.01  # seconds


def yields_before_first_byte(wrap: Wrap) -> int:
    """How many chunks the application had to yield before the first bytes went out."""
    made = 0

    def slow(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", [("Content-Type", HTML)])
        head = [OPENING, *(b'<meta name="piece" content="of the head">' for _ in range(PIECES - 1))]
        for piece in [*head, b"</head><body>", *(b"<p>p</p>" for _ in range(PIECES // 2))]:
            time.sleep(PAUSE)
            made += 1
            yield piece

    next(filter(None, ask(wrap(slow))))
    return made


# --- report -----------------------------------------------------------------------------------


def show(rows: Iterable[list[str]]) -> None:
    """Print rows of cells, the first cell of each to the left."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *rest in table:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        print(first.ljust(widths[0]), *cells, sep="  ")


@dataclass(frozen=True)
class Row:
    """What one shape cost.

    :param totals: side -> microseconds a request
    :param untagged: the sides that put no tag into this page
    """

    shape: Shape
    totals: dict[str, float]
    untagged: frozenset[str]

    def cost(self, column: str) -> float:
        side, base = COSTS[column]
        return self.totals[side] - self.totals[base]

    def cell(self, column: str) -> str:
        side, _ = COSTS[column]
        return f"{'!' * (side in self.untagged)}{self.cost(column):.1f}/{self.totals[side]:.1f}"

    def ratio(self, column: str) -> float | None:
        """Our cost beside a column's, where that is large enough to tell."""
        cost, (side, _) = self.cost(column), COSTS[column]
        return self.cost("ours") / cost if cost > LEAST * self.totals[side] else None


def measure(shape: Shape, wraps: dict[Side, Wrap], rounds: int) -> Row:
    applications = {side: wrap(shape.application()) for side, wrap in wraps.items()}
    untagged = [side.name for side in wraps if lacks_tag(side, applications[side], shape)]
    medians(applications, 3)  # warms caches up
    totals = {side.name: median for side, median in medians(applications, rounds).items()}
    return Row(shape, totals, frozenset(untagged))


def lacks_tag(side: Side, application: Application, shape: Shape) -> bool:
    if side.tag is None or shape.content_type != HTML:
        return False
    return not side.tag.search(b"".join(ask(application)))


def report_costs(rows: list[Row]) -> None:
    print("\nCPU time in microseconds a request, medians: cost/total. The last columns: our cost")
    print("as a part of another's.")
    columns = [name for name, sides in COSTS.items() if rows[0].totals.keys() >= set(sides)]
    ratios = [name for name in RATIOS if name in columns]
    heads = ["bare", *columns, *(f"of {name}" for name in ratios)]
    show([["", *heads], *([row.shape.name, *cells(row, columns, ratios)] for row in rows)])
    if any(row.untagged for row in rows):
        print("! this side puts no tag into this page")
    for name in NEW_RELIC:
        if name in columns:
            report_misses(rows, name)


def cells(row: Row, columns: Iterable[str], ratios: Iterable[str]) -> list[str]:
    found = map(row.ratio, ratios)
    return [
        f"{row.totals['bare']:.1f}",
        *map(row.cell, columns),
        *("-" if ratio is None else f"{ratio:.2f}" for ratio in found),
    ]


def report_misses(rows: list[Row], column: str) -> None:
    ratios = {row.shape.name: ratio for row in rows if (ratio := row.ratio(column)) is not None}
    missed = [f"{shape} ({ratio:.2f})" for shape, ratio in ratios.items() if ratio > GOAL]
    print(f"Over {GOAL} of {column}, of {len(ratios)} shapes: {'; '.join(missed) or 'none'}.")


def report_decoys(wraps: dict[Side, Wrap]) -> None:
    print("\nIs the tag in the right place: between two elements of the head, once?")
    verdicts = {side: judge(side, wrap) for side, wrap in wraps.items() if side.tag}
    cases = next(iter(verdicts.values()))
    counts = (f"{sum(verdict.values())} of {len(cases)}" for verdict in verdicts.values())
    show(
        [
            ["", *(side.name for side in verdicts)],
            *([case, *("yes" if v[case] else "no" for v in verdicts.values())] for case in cases),
            ["right", *counts],
        ]
    )


def report_first_bytes(wraps: dict[Side, Wrap]) -> None:
    print(f"\nA head yielded in {PIECES} slow pieces: after how many of them, and of")
    print(f"{PIECES // 2 + 1} more of the body, do the first bytes go out?")
    counts = {side.name: str(yields_before_first_byte(wrap)) for side, wrap in wraps.items()}
    show([list(counts), list(counts.values())])


def main() -> None:
    parser = argparse.ArgumentParser(description="What putting the tag into a page costs.")
    parser.add_argument("--rounds", type=int, default=60, help="samples of each side (60)")
    parser.add_argument("--only", default="", help="only shapes whose name contains this")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        wraps = prepare(SIDES, stack)
        shapes = [shape for shape in make_shapes() if chosen.only in shape.name]
        if shapes:
            report_costs([measure(shape, wraps, chosen.rounds) for shape in shapes])
        report_decoys(wraps)
        report_first_bytes(wraps)


if __name__ == "__main__":
    main()
