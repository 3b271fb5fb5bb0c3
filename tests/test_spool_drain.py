"""One pass over the spool, into a real SQLite store."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from pagetimer_wsgi import Beat
from pagetimer_wsgi.errors import SpoolAway, StoreAway
from pagetimer_wsgi.lines import encode, sealed
from pagetimer_wsgi.spool import drain as module
from pagetimer_wsgi.spool import folders
from pagetimer_wsgi.spool.drain import drain
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.waiting import what_waits
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

NOON = 1_772_366_400_000
NEWER = sealed(b'"what":"ever"}', 2)

APPEND = """
import os, sys
from pathlib import Path
from pagetimer_wsgi import Beat
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.spool import Spool
folder, url, first, last = sys.argv[1:]
spool = Spool(Path(folder), url, 2**30)
for n in range(int(first), int(last)):
    spool.append(encode(Beat(view_id=f"{n:032x}", seq=0, received_at=n + 1, path=f"/{n}")))
    if n == int(first):
        spool.health.save(spool.process.folder_path)
    os.write(1, b"%d\\n" % n)  # only now it counts as answered
sys.stdin.read()
spool.process.remove_stored(os.environ.get("IDENTITY", ""))
"""


class Room:
    def __init__(self, folder, name="x.db"):
        self.folder = folder
        self.file = folder / name
        self.url = f"sqlite:///{self.file}"
        self.spool = Spool(folder / "spool", self.url, 2**30)
        self.store = SqlStore.open(self.url)
        self.quarantine = Quarantine(folder / "quarantine.jsonl")

    def drain(self):
        return drain(self.spool, self.store, self.quarantine)

    def append(self, *numbers):
        for number in numbers:
            self.spool.append(line(number))

    def waiting(self):
        return what_waits(self.spool.folder).beats

    def paths(self):
        return [view.path for view in self.store.page_views(Query())]

    def quarantined(self):
        return [row.refused() for row in self.quarantine.rows()]

    def appender(self, first, last, **environ):
        return subprocess.Popen(
            [sys.executable, "-c", APPEND, self.folder / "spool", self.url, str(first), str(last)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environ},
        )


def line(number, **known):
    values = {"view_id": f"{number:032x}", "seq": 0, "received_at": NOON, "path": f"/{number}"}
    return encode(Beat(**{**values, **known}))


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path)
    yield room
    room.spool.process.close()
    room.store.close()


def read_lines(process, number):
    return [int(process.stdout.readline()) for _ in range(number)]


def test_what_waits_is_stored_and_counted(room):
    room.append(1, 2, 3)
    assert room.drain() == 3
    assert sorted(room.paths()) == ["/1", "/2", "/3"]
    assert room.drain() == 0
    assert room.spool.figures().stored == 3


def test_an_empty_spool_does_not_touch_the_store(room):
    assert room.drain() == 0
    assert not room.file.exists()


def test_more_than_a_batch_is_stored_in_several(room, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    room.append(*range(10))
    assert room.drain() == 10
    assert len(room.paths()) == 10
    assert room.waiting() == 0


def test_all_that_a_killed_process_accepted_is_stored_once(room):
    with room.appender(0, 10**9) as process:
        answered = read_lines(process, 300)
        assert room.drain() >= 300  # while it lives and appends
        process.kill()
        answered += [int(number) for number in process.stdout.read().split()]
        process.wait(timeout=10)
    (segment,) = room.spool.segments()
    with open(segment.path, "ab") as stream:
        stream.write(line(10**9)[:-9])  # it was killed within a write
    room.drain()
    paths = room.paths()
    assert len(paths) == len(set(paths))
    assert {f"/{number}" for number in answered} <= set(paths)
    assert f"/{10**9}" not in paths
    assert len(paths) <= len(answered) + 1  # one may have been accepted and not yet answered
    assert room.spool.segments() == []
    assert folders.process_folders(room.spool.folder) == []
    assert room.quarantined() == []


def test_a_living_processs_segments_are_stored_and_marked_and_removed_by_it_alone(room):
    room.store.check()
    identity = room.store.identity()
    with room.appender(0, 5, IDENTITY=identity) as process:
        read_lines(process, 5)
        assert room.drain() == 5
        assert room.drain() == 0
        (segment,) = room.spool.segments()
        assert segment.is_stored(identity)
        assert list(folders.adopt(room.spool.folder)) == []
        process.stdin.close()
        process.wait(timeout=10)
    assert room.spool.segments() == []
    assert len(room.paths()) == 5


def test_a_dead_processs_folder_is_adopted_its_figures_inherited_and_it_is_removed(room):
    for first in (0, 5):
        with room.appender(first, first + 5) as process:
            read_lines(process, 5)
            process.kill()
    assert room.spool.figures().accepted == 10  # each kept its figures after its first
    assert room.drain() == 10
    left = sorted(path.name for path in room.spool.folder.iterdir())
    assert left == ["health.json", "health.lock", "machine"]
    assert room.spool.figures().accepted == 10
    assert room.drain() == 0
    assert room.spool.figures().stored == 10


def test_replays_change_nothing(room):
    room.append(1, 2, 3)
    room.drain()
    before = list(room.store.page_views(Query()))
    (segment,) = room.spool.segments()
    segment.path.with_suffix(".mark").unlink()
    assert room.drain() == 3
    assert list(room.store.page_views(Query())) == before


def unfit(number):
    """Return a line that no store takes, with a field that only a newer version knows."""
    rest = line(number, path="/nul\0").split(b",", 2)[2]
    return sealed(b'"colour":"red",' + rest[:-1])


def test_bad_lines_and_what_the_store_refuses_go_to_quarantine_and_the_rest_is_stored(room):
    refused = unfit(2)
    room.append(1)
    for bad in (b"\xff\x00 no line\n", refused, b"\n"):
        room.spool.append(bad)
    room.append(3)
    assert room.drain() == 2
    assert sorted(room.paths()) == ["/1", "/3"]
    assert sorted(room.quarantined()) == sorted([b"\xff\x00 no line", refused[:-1], b""])
    assert room.spool.figures().quarantined == 3
    assert room.quarantine.path.stat().st_mode & 0o777 == 0o600
    assert room.drain() == 0
    assert len(room.quarantined()) == 3


def test_what_is_refused_in_any_batch_is_quarantined_once_and_word_for_word(room, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    refused = [unfit(1), unfit(4), unfit(1), unfit(9)]
    for sent in (refused[0], line(2), line(3), *refused[1:3], line(5), line(6), refused[3]):
        room.spool.append(sent)
    assert room.drain() == 4
    assert room.quarantined() == [sent[:-1] for sent in refused]


def test_a_segment_that_another_drainer_ends_meanwhile_stops_nothing(room, monkeypatch):
    room.append(1)
    room.spool.append(unfit(2))
    write = room.store.write

    def overtaken(beats, page_views=()):
        refused = write(beats, page_views)
        for segment in room.spool.segments():
            segment.remove()
        return refused

    monkeypatch.setattr(room.store, "write", overtaken)
    room.drain()
    assert room.paths() == ["/1"]
    assert not room.quarantine.path.exists()


def test_nothing_is_marked_before_what_it_quarantined_is_on_disk(room):
    room.spool.append(b"bad\n")
    room.append(1)
    room.quarantine.path.mkdir()
    with pytest.raises(IsADirectoryError):
        room.drain()
    (segment,) = room.spool.segments()
    assert segment.stored(room.store.identity()) == 0
    room.quarantine.path.rmdir()
    assert room.drain() == 1
    assert room.quarantined() == [b"bad"]


def test_a_newer_line_and_what_follows_stay(room):
    room.append(1)
    room.spool.append(NEWER)
    room.append(2)
    assert room.drain() == 1
    assert room.drain() == 0
    room.spool.process.remove_stored(room.store.identity())
    (segment,) = room.spool.segments()
    assert segment.path.read_bytes() == line(1) + NEWER + line(2)
    assert room.waiting() == 2
    assert room.quarantined() == []


def test_a_dead_processs_newer_line_keeps_its_folder(room):
    with room.appender(0, 1) as process:
        read_lines(process, 1)
        process.kill()
    (segment,) = room.spool.segments()
    with open(segment.path, "ab") as stream:
        stream.write(NEWER)
    assert [room.drain(), room.drain(), room.drain()] == [1, 0, 0]
    assert room.spool.figures().accepted == 2  # the newer line was accepted, too
    assert room.spool.segments() == [segment]
    (folder,) = folders.adopt(room.spool.folder)
    folder.let_go()


def test_a_mark_of_another_store_does_not_count(room):
    room.append(1, 2)
    room.drain()
    for path in room.folder.glob("x.db*"):
        path.unlink()
    restarted = Spool(room.folder / "spool", room.url, 2**30)
    room.spool.process.close()
    assert drain(restarted, room.store, room.quarantine) == 2
    assert sorted(room.paths()) == ["/1", "/2"]


def moved(room, name="elsewhere"):
    target = room.folder / name
    target.mkdir()
    for path in room.folder.glob("x.db*"):
        path.rename(target / path.name)
    return target


@pytest.mark.parametrize("replaced", [False, True], ids=["gone", "replaced"])
def test_a_database_that_is_not_the_one_that_was_here_gets_nothing_and_beats_wait(room, replaced):
    room.append(1)
    room.drain()
    away = moved(room)
    if replaced:
        SqlStore.open(room.url).check()
    room.append(2)
    for _ in range(2):
        with pytest.raises(StoreAway, match="not the database that was here when"):
            room.drain()
    assert room.paths() == []
    assert room.file.exists() == replaced
    assert len(room.spool.segments()) == 1
    if replaced:
        moved(room, "replacement")
    for path in away.iterdir():
        path.rename(room.folder / path.name)
    assert room.drain() == 1
    assert sorted(room.paths()) == ["/1", "/2"]


def test_what_went_into_another_database_within_a_batch_is_not_marked_as_stored(room, monkeypatch):
    room.append(1)
    room.drain()
    write = room.store.write

    def replaced_first(beats, page_views=()):
        moved(room)
        return write(beats, page_views)

    room.append(2)
    with monkeypatch.context() as patch:
        patch.setattr(room.store, "write", replaced_first)
        with pytest.raises(StoreAway, match="not the database"):
            room.drain()
    moved(room, "replacement")
    for path in (room.folder / "elsewhere").iterdir():
        path.rename(room.folder / path.name)
    assert room.drain() == 1
    assert sorted(room.paths()) == ["/1", "/2"]


def test_while_the_store_is_away_all_waits_and_nobodys_folder_is_kept_locked(room):
    room.append(1)
    with room.appender(5, 6) as process:
        read_lines(process, 1)
        process.kill()
    room.file.mkdir()
    for _ in range(3):
        with pytest.raises(StoreAway):
            room.drain()
    assert len(room.spool.segments()) == 2
    room.file.rmdir()
    assert room.drain() == 2
    assert sorted(room.paths()) == ["/1", "/5"]
    assert len(room.spool.segments()) == 1


def test_a_store_that_goes_away_after_the_write_leaves_no_lock_behind(room, monkeypatch):
    with room.appender(5, 6) as process:
        read_lines(process, 1)
        process.kill()
    room.store.check()
    identity, asked = room.store.identity, []

    def once():
        asked.append(1)
        if len(asked) == 2:
            raise StoreAway("gone")
        return identity()

    monkeypatch.setattr(room.store, "identity", once)
    room.store.close()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreAway):
        room.drain()
    room.store.close()
    assert len(os.listdir("/proc/self/fd")) == before
    room.drain()
    assert room.spool.segments() == []


def test_a_store_that_takes_no_row_at_all_quarantines_none(room):
    room.append(1)
    room.store.check()
    with closing(sqlite3.connect(room.file)) as db:
        for table in ("pagetimer_page", "pagetimer_meta"):
            for what in ("INSERT", "UPDATE"):
                db.execute(
                    f"CREATE TRIGGER no_{table}_{what} BEFORE {what} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
        db.commit()
    with pytest.raises(StoreAway):
        room.drain()
    assert room.quarantined() == []
    assert room.waiting() == 1


def test_two_stores_on_one_spool_folder_are_kept_apart(room):
    other = Room(room.folder, "y.db")
    room.append(1)
    other.append(2)
    assert room.drain() == 1
    assert room.paths() == ["/1"]
    assert other.drain() == 1
    assert other.paths() == ["/2"]
    assert (room.spool.figures().stored, other.spool.figures().stored) == (1, 1)
    other.spool.process.close()
    other.store.close()


def test_two_drainers_at_once_double_nothing(room):
    with room.appender(0, 3000) as process:
        read_lines(process, 3000)
        drainer = subprocess.Popen([sys.executable, "-c", DRAIN, str(room.folder)])
        with drainer:
            end = time.monotonic() + 60
            while drainer.poll() is None and time.monotonic() < end:
                for path in room.spool.folder.glob("*/*.mark"):
                    path.unlink(missing_ok=True)
                room.drain()
            drainer.kill()
        assert drainer.returncode == 0
        process.kill()
    room.drain()
    assert len(room.paths()) == 3000
    assert room.spool.segments() == []


DRAIN = """
import sys
from pathlib import Path
from pagetimer_wsgi.spool.drain import drain
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.stores.sql import SqlStore
folder = Path(sys.argv[1])
url = f"sqlite:///{folder}/x.db"
store = SqlStore.open(url)
for _ in range(20):
    drain(Spool(folder / "spool", url, 2**30), store, Quarantine(folder / "quarantine.jsonl"))
"""


def test_a_spool_that_another_machine_uses_is_not_drained_from_here(room):
    with room.appender(0, 3) as process:
        read_lines(process, 3)
        process.kill()
    (room.spool.folder / "machine").write_bytes(b"0123456789abcdef0123456789abcdef")
    with pytest.raises(SpoolAway, match="another machine"):
        room.drain()
    assert not room.file.exists()
    assert len(folders.process_folders(room.spool.folder)) == 1


def test_a_folder_whose_lock_the_host_closed_goes_when_it_is_stored_without_a_restart(room):
    room.append(1)
    lost = room.spool.process.folder_path
    os.close(room.spool.process._folder.lock.number)
    room.append(2)
    assert room.drain() == 3  # the line that may have gone with the folder is there twice
    assert not lost.exists()
    assert sorted(room.paths()) == ["/1", "/2"]
    assert room.spool.figures().accepted == 2


ODD_IDS = {
    "1970": f"{0:012x}{1:020x}",
    "2500": f"{16_725_225_600_000:012x}{2:020x}",
    "a stray": f"{2**48 - 1:012x}{3:020x}",
}


def test_page_views_of_1970_and_2500_are_stored_like_all_others(room):
    for view_id in ODD_IDS.values():
        room.spool.append(line(1, view_id=view_id))
    assert room.drain() == 3
    assert {view.view_id for view in room.store.page_views(Query())} == set(ODD_IDS.values())
    assert room.quarantined() == []


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_set_a_day_off_and_back_lets_nothing_wait(room, monkeypatch, days):
    clock = time.time
    room.append(1)
    monkeypatch.setattr(time, "time", lambda: clock() + days * 86_400)
    room.append(2)
    with room.appender(5, 7) as process:
        read_lines(process, 2)
        process.kill()
    assert room.drain() == 4
    monkeypatch.setattr(time, "time", clock)
    room.append(3)
    assert room.drain() == 1
    room.spool.process.remove_stored(room.store.identity())
    assert room.spool.segments() == []


MANY = """
import os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_spool_drain import Room, line
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
room = Room(Path(sys.argv[1]))
for number in range(200):
    folder = room.spool.folder / f"dead-{number}"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "000000000001.jsonl").write_bytes(line(number))
before = os.listdir("/proc/self/fd")
assert room.drain() == 200
room.store.close()
assert len(os.listdir("/proc/self/fd")) == len(before)
assert not list(room.spool.folder.glob("dead-*"))
"""


def test_more_dead_processes_than_there_may_be_open_files_are_adopted_all_the_same(tmp_path):
    command = [sys.executable, "-c", MANY, str(tmp_path), os.path.dirname(__file__)]
    subprocess.run(command, timeout=60, check=True)
