"""The right place: pages that make it hard to find the head's end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from server import Wrap, ask
from shapes import Shape

OPENING = b"<!DOCTYPE html><html><head>"
CLOSING = b"</head><body><p>p</p></body></html>"
META, TITLE = b'<meta charset="utf-8">', b"<title>t</title>"


@dataclass(frozen=True)
class Case:
    """One page.

    :param head: its elements; the tag is right before or after any of them, and nowhere else
    :param closing: what follows the last of them
    :param chunk: bytes in each chunk; 0: all in one
    """

    head: tuple[bytes, ...] = (META, TITLE)
    closing: bytes = CLOSING
    chunk: int = 0

    def document(self) -> bytes:
        return OPENING + b"".join(self.head) + self.closing

    def right_places(self) -> set[int]:
        return {len(OPENING + b"".join(self.head[:count])) for count in range(len(self.head) + 1)}


CASES = {
    "no decoy": Case(),
    "comment": Case((META, b"<!-- no </head> yet -->", TITLE)),
    "script": Case((META, b'<script>s = "</head><body>"</script>')),
    "style": Case((TITLE, b'<style>a { content: "</head>" }</style>')),
    "title": Case((b"<title>The </head> tag</title>", b'<link rel="icon" href="/i.png">')),
    "attribute": Case((b'<meta name="description" content="<body> follows </head>">',)),
    "script in a comment": Case((TITLE, b"<script><!-- <script></head></script> --></script>")),
    "template": Case((TITLE, b"<template></head></template>")),
    "meta in a script": Case((TITLE, b"<script>m = '<meta charset=x>'</script>")),
    "body in a comment": Case((TITLE, b"<!-- <head> <body> -->", b"<meta name=a>")),
    "capitals": Case(closing=b"</HEAD>\n<BODY><p>p</p>"),
    "space in the end tag": Case(closing=b"</head\n><body><p>p</p>"),
    "the end is implied": Case(closing=b"<body><p>p</p>"),
    "no body tag": Case(closing=b"</head>\n<p>p</p>"),
    "again in the body": Case(closing=b"</head><body><script>s = '</head>'</script>"),
    "chunks of 3 bytes": Case(closing=b"</head><body><p>p</p>", chunk=3),
}


def judge(tag: re.Pattern[bytes], wrap: Wrap) -> dict[str, bool]:
    return {name: is_right(tag, wrap, case) for name, case in CASES.items()}


def is_right(tag: re.Pattern[bytes], wrap: Wrap, case: Case) -> bool:
    """Whether the tag went in once, between two elements, and nothing else changed."""
    document = case.document()
    shape = Shape("", document, case.chunk, streamed=bool(case.chunk))
    out = b"".join(ask(wrap(shape.application())))
    tags = list(tag.finditer(out))
    if len(tags) != 1 or out.replace(tags[0][0], b"") != document:
        return False
    return tags[0].start() in case.right_places()
