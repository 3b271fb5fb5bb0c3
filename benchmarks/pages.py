"""The documents: pages as sites have them, and JSON, of a wished size; the same in every run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from itertools import cycle

KB = 1000
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
