"""Ways in which a body that was right becomes a strange one."""

from __future__ import annotations

import random
from collections.abc import Callable

NASTY = (
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",  # half a surrogate pair
    b"%ED%A0%80",
    b"%00",
    b"%",
    b"%zz",
    b"&" * 70,
    b"=",
    b";",
    b"+",
    b"\r\n\r\n",
    b"-1",
    b"1e3",
    b"0x10",
    b"9007199254740992",
    b"9007199254740993",
    b"9" * 300,
    "\u0663".encode(),  # a digit that is not of ASCII
    b"NaN",
    b"a" * 600,
    b"a" * 17_000,
    b"{}",
    b"[" * 3_000,
    b'"\\ud800"',
    b"null",
    b"=cmd|' /C calc'!A0",
)


def _flip(choice: random.Random, body: bytes) -> bytes:
    if not body:
        return body
    at = choice.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << choice.randrange(8)]) + body[at + 1 :]


def _cut(choice: random.Random, body: bytes) -> bytes:
    start, end = sorted(choice.randrange(len(body) + 1) for _ in "12")
    return body[:start] + body[end:]


def _end(choice: random.Random, body: bytes) -> bytes:
    return body[: choice.randrange(len(body) + 1)]


def _put_in(choice: random.Random, body: bytes) -> bytes:
    at = choice.randrange(len(body) + 1)
    return body[:at] + choice.choice(NASTY) + body[at:]


def _double(choice: random.Random, body: bytes) -> bytes:
    start, end = sorted(choice.randrange(len(body) + 1) for _ in "12")
    return body[:end] + body[start:end] + body[end:]


def _shuffle(choice: random.Random, body: bytes) -> bytes:
    pairs = body.split(b"&")
    choice.shuffle(pairs)
    return b"&".join(pairs)


def _set(choice: random.Random, body: bytes) -> bytes:
    pairs = body.split(b"&")
    at = choice.randrange(len(pairs))
    pairs[at] = pairs[at].partition(b"=")[0] + b"=" + choice.choice(NASTY)
    return b"&".join(pairs)


def _noise(choice: random.Random, body: bytes) -> bytes:
    return choice.randbytes(choice.choice((0, 1, 40, 3_000, 16_384, 16_385)))


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_flip, _cut, _end, _put_in, _double, _shuffle, _set, _noise),
)
