"""Segments that a disk, or somebody's editor, damaged: every line that is whole is stored."""

from __future__ import annotations

import base64
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.lines import encode

from .hosts import Host, hosting
from .ledger import Ledger, SentBeat, beats_of_a_view
from .load import send

LINES = 3_000
SEGMENTS = 3
KEY = re.compile(rb'"view_id":"([0-9a-f]{32})","seq":(\d+)')
ONE_IN = 25
"""So many lines share one that is damaged."""


def flip(line: bytes, choice: random.Random) -> bytes:
    """Flip one bit of the line, or more."""
    damaged = bytearray(line)
    for _ in range(choice.randint(1, 8)):
        damaged[choice.randrange(len(line))] ^= 1 << choice.randrange(8)
    return bytes(damaged)


def cut(line: bytes, choice: random.Random) -> bytes:
    """Cut off an end of the line, its newline too: what follows is glued to it."""
    return line[: choice.randrange(1, len(line))]


def zero(line: bytes, choice: random.Random) -> bytes:
    """Put zeros in the place of a part of the line, as file systems do after a power loss."""
    begin = choice.randrange(len(line))
    end = choice.randrange(begin, len(line)) + 1
    return line[:begin] + bytes(end - begin) + line[end:]


def overwrite(line: bytes, choice: random.Random) -> bytes:
    """Put other bytes before the line: text, binary, and line ends."""
    return choice.randbytes(choice.randrange(1, 2_000)) + line


DAMAGES = (flip, cut, zero, overwrite)


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 40))]
)
def test_every_whole_line_is_stored_and_no_other_is_lost(
    seed: int, ledger: Ledger, tmp_path: Path
) -> None:
    choice = random.Random(seed)
    with hosting("gunicorn-alone", tmp_path) as host:
        assert send(host.port, ledger, beats_of_a_view(1)[0]) == 204
        host.until(lambda said: said["stored"])
        written = [line_of(beat) for beat in beats(LINES)]
        segments = [damaged(written[part::SEGMENTS], choice) for part in range(SEGMENTS)]
        host.leave(*segments)
        host.until(lambda said: said["quarantined"] and not said["waiting"])
        found = [line for each in segments for line in each.split(b"\n")[:-1]]
        others = set(found) - set(written)
        for beat in wholes(set(found) - others):
            ledger.send(beat)
            ledger.answer(beat, 204)
        assert send(host.port, ledger, beats_of_a_view(1)[0]) == 204
        host.until(lambda said: not said["waiting"])
        counts = ledger.compare(host.store, timeout=0)
        assert (counts.missing, counts.twice) == (0, 0)
        hold_apart(others, host)
        ledger.notes.append(f"{len(others)} lines damaged, {len(host.quarantined())} quarantined")


def beats(number: int) -> list[SentBeat]:
    """Return so many beats, of several page views each."""
    views = [beats_of_a_view(8) for _ in range(-(-number // 8))]
    return [beat for seq in range(8) for beat in (view[seq] for view in views)][:number]


def line_of(beat: SentBeat) -> bytes:
    """Return the line of a beat as it lies in a segment, without its newline."""
    moment = int(beat.view_id[:12], 16) + beat.visible_ms
    kept = Beat(
        view_id=beat.view_id,
        seq=beat.seq,
        received_at=moment,
        age=beat.visible_ms,
        visible_ms=beat.visible_ms,
        path="/reading",
    )
    return encode(kept)[:-1]


def wholes(lines: set[bytes]) -> list[SentBeat]:
    """Return the beats of lines that nothing has happened to."""
    read = [json.loads(line) for line in lines]
    return [SentBeat(beat["view_id"], beat["seq"], beat["visible_ms"]) for beat in read]


def damaged(lines: list[bytes], choice: random.Random) -> bytes:
    """Return a segment of these lines, some of them damaged, the last one cut off."""
    written = []
    for line in lines:
        written.append(line + b"\n")
        if choice.randrange(ONE_IN) == 0:
            written[-1] = choice.choice(DAMAGES)(written[-1], choice)
    return b"".join(written) + lines[0][:20]


def hold_apart(lines: set[bytes], host: Host) -> None:
    """Hold that each of these is in the quarantine."""
    refused = {told(refused_line(row)) for row in host.quarantined()}
    assert {told(line) for line in lines} <= refused


def refused_line(row: dict[str, Any]) -> bytes:
    """Return the line that a row of the quarantine is about."""
    if "base64" in row:
        return base64.b64decode(row["base64"])
    return json.dumps(row["beat"]).encode() if "beat" in row else row["line"].encode()


def told(line: bytes) -> bytes:
    """Return a line in the form in which two with the same JSON are equal."""
    try:
        return json.dumps(json.loads(line)).encode()
    except ValueError:
        return line
