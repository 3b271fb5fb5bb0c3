"""Limits reached: new beats are refused, old ones stay, and room that is made is used again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.room import FREE_BYTES, MOST_SEGMENTS

from .disks import small_disk
from .hosts import Host, hosting
from .ledger import Ledger, SentBeat, beats_of_a_view, greatest
from .load import Load, Pulse, send
from .test_replays import rows
from .test_stores_away import locked
from .watch import watching

# --- what may wait --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    [
        "gunicorn-gthread",
        *(pytest.param(f"gunicorn-{kind}", marks=pytest.mark.long) for kind in ("sync", "gevent")),
    ],
)
def test_what_waits_stays_within_spool_limit_and_is_stored_when_the_store_is_back(
    server: str, ledger: Ledger, tmp_path: Path
) -> None:
    limit = {"PAGETIMER_SPOOL_LIMIT": "100 KiB"}
    with hosting(server, tmp_path, environment=limit) as host:
        with watching(host, ledger, away=True), loading(host, ledger) as load:
            load.wait_for(20)
            with locked(host.store):
                nothing_is_accepted(ledger)
                waits = host.health()["waiting_bytes"]
            load.wait_for(100)
        ledger.hold(host.store, refusals=True)
    ledger.notes.append(f"{waits >> 10} KiB waited")
    assert 100 * 2**10 <= waits <= 800 * 2**10, "a second's beats more than the limit at most"


def loading(host: Host, ledger: Ledger) -> Load:
    """Return clients who leave the host some time."""
    return Load(host.port, ledger, clients=2, pause=0.002)


def nothing_is_accepted(ledger: Ledger, timeout: float = 60.0) -> None:
    """Return once every worker refuses beats."""
    end = time.monotonic() + timeout
    accepted = -1
    while accepted < ledger.accepted:
        assert time.monotonic() < end, f"beats are still accepted: {ledger.answers}"
        accepted = ledger.accepted
        time.sleep(1.2)  # what is left of the disk is looked at once a second
    assert ledger.answers[503]


def test_ten_thousand_segments_are_the_most_and_the_host_does_not_feel_them(
    ledger: Ledger, tmp_path: Path
) -> None:
    off = {"PAGETIMER_WRITER": "off"}
    beats = beats_of_a_view(3)
    with hosting("gunicorn-gthread", tmp_path, environment=off) as host:
        assert send(host.port, ledger, beats[0]) == 204
        with Pulse(host.port) as before:
            time.sleep(1)
        _leave_segments(host, ledger, MOST_SEGMENTS)
        time.sleep(1.2)
        with Pulse(host.port) as during:
            assert {send(host.port, ledger, beats[1]) for _ in range(300)} == {503}
        host.drain()
        end = time.monotonic() + 60  # a look at so many takes a while, and is rarer then
        while send(host.port, ledger, beats[2]) != 204:
            assert time.monotonic() < end, "nothing is accepted, although there is room again"
            time.sleep(0.5)
        host.drain()
        ledger.hold(host.store, refusals=True)
    slowest = [pulse.percentile(99) for pulse in (before, during)]
    ledger.notes.append("p99 {:.0f}, {:.0f} ms".format(*slowest))


def _leave_segments(host: Host, ledger: Ledger, number: int) -> None:
    """Leave as many segments, of one beat each, as a process that died would have."""
    (spool,) = (path for path in (host.data / "spool").iterdir() if path.is_dir())
    folder = spool / "00000000-1-1-1"
    folder.mkdir()
    (folder / "lock").touch()
    for each in range(number):
        (beat,) = beats_of_a_view(1)
        ledger.send(beat)
        (folder / f"{each:012d}.jsonl").write_bytes(_line(beat))
        ledger.answer(beat, 204)


def _line(beat: SentBeat) -> bytes:
    now = time.time_ns() // 1_000_000
    return encode(
        Beat(
            view_id=beat.view_id,
            seq=beat.seq,
            received_at=now,
            path="/reading",
            visible_ms=beat.visible_ms,
        )
    )


# --- what is left of the disk ---------------------------------------------------------------


def test_with_less_than_100_mib_of_the_disk_free_nothing_is_accepted(
    ledger: Ledger, tmp_path: Path
) -> None:
    spare = 20 * 2**20
    with (
        small_disk(tmp_path / "data", (FREE_BYTES + spare) >> 20) as disk,
        hosting("gunicorn-gthread", tmp_path) as host,
    ):
        filler = disk / "somebody else's"
        with watching(host, ledger), loading(host, ledger) as load:
            for _ in range(2):
                load.wait_for(50)
                filler.write_bytes(bytes(spare))
                nothing_is_accepted(ledger)
                filler.unlink()
            load.wait_for(50)
        ledger.hold(host.store, refusals=True)


# --- how many may come ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "proxies"), [("192.0.2.7", 1), ("10.0.0.7", 1)], ids=["public", "private"]
)
def test_who_sends_too_much_gets_429_and_loses_no_time_and_others_are_heard(
    reader: str, proxies: int, ledger: Ledger, tmp_path: Path
) -> None:
    options = {"PAGETIMER_RATE_LIMIT": "5/3 s", "PAGETIMER_TRUSTED_PROXIES": str(proxies)}
    beats = beats_of_a_view(20)
    with hosting("gunicorn-alone", tmp_path, environment=options) as host:
        answers = [send(host.port, ledger, beat, reader=reader) for beat in beats]
        assert set(answers) == {204, 429}
        assert send(host.port, ledger, beats_of_a_view(1)[0], reader="198.51.100.9") == 204
        time.sleep(3)
        # Each beat carries totals: the next one heals what was refused.
        assert send(host.port, ledger, beats[-1], reader=reader) == 204
        ledger.hold(host.store, refusals=True)
        assert greatest(rows(host.store)[0])[beats[-1].view_id] == beats[-1].visible_ms


def test_readers_behind_a_proxy_that_nobody_named_are_not_taken_for_one(
    ledger: Ledger, tmp_path: Path
) -> None:
    with hosting("gunicorn-alone", tmp_path, environment={"PAGETIMER_RATE_LIMIT": "1/day"}) as host:
        for beat in beats_of_a_view(50):
            assert send(host.port, ledger, beat, reader="192.0.2.7") == 204
        ledger.hold(host.store)
