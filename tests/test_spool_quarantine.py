"""Quarantine: exact, readable, editable; and put back when mended."""

import errno
import json
import os
import re
import subprocess
import sys

import pytest

from pagetimer_wsgi import Beat
from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.lines import encode, sealed
from pagetimer_wsgi.spool import mended as module
from pagetimer_wsgi.spool import quarantine as file
from pagetimer_wsgi.spool.mended import put_back
from pagetimer_wsgi.spool.quarantine import Quarantine, Row
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore

NEWER = sealed(b'"what":"ever"}', 2)[:-1]


def line(number, path=None):
    known = {"view_id": f"{number:032x}", "seq": 0, "received_at": 1, "path": path or f"/{number}"}
    return encode(Beat(**known))[:-1]


@pytest.fixture
def quarantine(tmp_path):
    return Quarantine(tmp_path / "quarantine" / "a.jsonl")


@pytest.fixture
def store(tmp_path):
    store = SqlStore.open(f"sqlite:///{tmp_path}/x.db")
    yield store
    store.close()


def paths(store):
    return sorted(view.path for view in store.page_views(Query()))


def edit(quarantine, before, after):
    text = quarantine.path.read_text()
    assert before in text
    quarantine.path.write_text(text.replace(before, after))


LINES = {
    "a beat": (line(1, '/é"\\\0'), "beat"),
    "JSON with spaces and a key twice": (b'{"a": 1.0e5 , "a":2 }', "beat"),
    "JSON after a space": (b" {}", "line"),
    "a number that is none": (b'{"a":1e999}', "line"),
    "text": ("no line: é \0\r\u2028".encode(), "line"),
    "nothing": (b"", "line"),
    "a list": (b"[1]", "line"),
    "no text": (b"\xff\x00", "base64"),
    "JSON with no text in it": (b'{"a":"\xff"}', "base64"),
    "deep JSON": (b'{"a":' * 5000 + b"{}" + b"}" * 5000, "line"),
}


@pytest.mark.parametrize(("refused", "form"), LINES.values(), ids=LINES)
def test_a_line_is_kept_byte_for_byte_in_the_form_that_people_can_read_best(
    quarantine, refused, form
):
    quarantine.put([(refused, "no é")])
    (written,) = quarantine.path.read_bytes().split(b"\n")[:-1]
    assert set(json.loads(written)) == {"at", "reason", form}
    (row,) = quarantine.rows()
    assert (row.refused(), row.reason) == (refused, "no é")


def test_only_this_user_can_read_the_quarantine(quarantine):
    quarantine.put([(b"", "")])
    quarantine.replace([*quarantine.rows()])
    assert quarantine.path.stat().st_mode & 0o777 == 0o600
    assert quarantine.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_edited_is_put_back_and_the_file_goes_when_nothing_is_left(quarantine, store):
    assert store.write([Beat(view_id="0" * 32, seq=0, received_at=1, path="/nul\0")])
    quarantine.put([(line(1, "/nul\0"), "no"), (b"\xff", "no"), (line(2), "no")])
    assert put_back(quarantine, store) == module.PutBack(stored=1, left=2)
    assert paths(store) == ["/2"]
    edit(quarantine, r"/nul\u0000", "/mended")
    edit(quarantine, re.search(r'"crc32":\d+,', quarantine.path.read_text())[0], "")
    edit(quarantine, '"base64":"/w=="', '"line":' + json.dumps(line(3).decode()))
    assert put_back(quarantine, store) == module.PutBack(stored=2, left=0)
    assert paths(store) == ["/2", "/3", "/mended"]
    assert list(quarantine.path.parent.iterdir()) == []
    assert put_back(quarantine, store) == module.PutBack(0, 0)


def test_how_an_editor_spaces_and_orders_a_beat_does_not_matter(quarantine, store):
    quarantine.put([(line(1), "no")])
    row = json.loads(quarantine.path.read_text())
    del row["beat"]["crc32"]
    row["beat"] = dict(sorted(row["beat"].items(), reverse=True))
    quarantine.path.write_text(json.dumps(row) + "\n\n")
    assert put_back(quarantine, store).stored == 1
    assert paths(store) == ["/1"]


BAD = {
    "no line of ours": (b"\xff", "format"),
    "no beat": (sealed(b'"seq":0}')[:-1], "view_id"),
    "a damaged beat": (line(1).replace(b'"seq":0', b'"seq":1'), "crc32"),
    "a beat without a format": (b'{"seq":0}', "format"),
    "a newer line": (NEWER, "format 2"),
    "what the store refuses": (line(1, "/nul\0"), "refuses it still"),
}


@pytest.mark.parametrize(("refused", "reason"), BAD.values(), ids=BAD)
def test_what_still_cannot_be_stored_stays_as_it_is_with_the_reason(
    quarantine, store, refused, reason
):
    quarantine.put([(refused, "at first")])
    (before,) = quarantine.rows()
    for _ in range(2):
        assert put_back(quarantine, store) == module.PutBack(0, 1)
        (row,) = quarantine.rows()
        assert (row.refused(), row.at) == (refused, before.at)
        assert reason in row.reason


SPOILT = [b"torn", b"[]", b'{"at":1,"reason":"r"}', b'{"at":1,"reason":"r","base64":"!"}']


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_row_that_an_edit_has_spoilt_stays_word_for_word(quarantine, store, spoilt):
    quarantine.put([(line(1), "no")])
    with open(quarantine.path, "ab") as stream:
        stream.write(spoilt)
    assert put_back(quarantine, store) == module.PutBack(1, 1)
    assert quarantine.path.read_bytes() == spoilt + b"\n"


def test_many_rows_are_put_back_in_batches_and_keep_their_order(quarantine, store, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 3)
    quarantine.put([(b"%d" % n if n % 2 else line(n), "no") for n in range(20)])
    assert put_back(quarantine, store) == module.PutBack(10, 10)
    assert [row.refused() for row in quarantine.rows()] == [b"%d" % n for n in range(1, 20, 2)]
    assert len(paths(store)) == 10


def test_while_the_store_is_away_all_stays(quarantine, store, tmp_path):
    quarantine.put([(line(1), "no")])
    before = quarantine.path.read_bytes()
    (tmp_path / "x.db").mkdir()
    with pytest.raises(StoreAway):
        put_back(quarantine, store)
    assert quarantine.path.read_bytes() == before


def test_a_file_that_cannot_be_replaced_keeps_all_its_rows(quarantine, store, monkeypatch):
    quarantine.put([(line(1), "no"), (b"bad", "no")])
    before = quarantine.path.read_bytes()

    def fails(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.os, "fsync", fails)
    with pytest.raises(OSError, match="No space"):
        put_back(quarantine, store)
    assert quarantine.path.read_bytes() == before


KILLED = """
import os, sys
from pathlib import Path
from pagetimer_wsgi.spool import mended
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.stores.sql import SqlStore
mended._BATCH = 1
where, file, url = sys.argv[1:]
left = int(where)
def step():
    global left
    left -= 1
    if left < 0:
        os._exit(9)
def seen(event, arguments):
    if event == "os.rename" and file in map(str, arguments[:2]):
        step()
sys.addaudithook(seen)
write = SqlStore.write
def slowly(*arguments):
    step()
    refused = write(*arguments)
    step()
    return refused
SqlStore.write = slowly
mended.put_back(Quarantine(Path(file)), SqlStore.open(url))
"""


@pytest.mark.parametrize("after", [0, 1, 4, 7, 8])
def test_killed_at_any_moment_it_loses_nothing_and_the_next_doubles_nothing(
    quarantine, store, after
):
    store.check()
    quarantine.put([(line(1), "no"), (b"bad", "no"), (line(2), "no"), (line(3), "no")])
    url = f"sqlite:///{quarantine.path.parent.parent}/x.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(after), str(quarantine.path), url])
    assert killed.returncode == 9
    assert len(list(quarantine.rows())) == 4
    put_back(quarantine, store)
    assert paths(store) == ["/1", "/2", "/3"]
    assert [row.refused() for row in quarantine.rows()] == [b"bad"]


def test_a_row_needs_a_line():
    with pytest.raises(ValueError, match="base64"):
        Row(1, "r").refused()


LIMITED = """
import resource, sys
from pathlib import Path
from pagetimer_wsgi.spool.quarantine import Quarantine
quarantine = Quarantine(Path(sys.argv[1]))
quarantine.put([(b"one", "why")])
size = quarantine.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
try:
    quarantine.put([(b"two", "why")])
except OSError as error:
    print(error)
assert quarantine.path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
quarantine.put([(b"three", "why")])
"""


def test_where_the_disk_takes_half_of_it_none_stays_and_it_works_again(quarantine):
    command = [sys.executable, "-c", LIMITED, str(quarantine.path)]
    said = subprocess.run(command, timeout=10, check=True, capture_output=True, text=True).stdout
    assert "only 20 of" in said
    assert [row.refused() for row in quarantine.rows()] == [b"one", b"three"]


def test_what_could_not_be_synced_is_cut_off(quarantine, monkeypatch):
    quarantine.put([(b"one", "why")])

    def fails(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="Input/output"):
            quarantine.put([(b"two", "why")])
    assert [row.refused() for row in quarantine.rows()] == [b"one"]


def test_a_torn_row_of_a_killed_process_takes_no_other_with_it(quarantine):
    quarantine.put([(b"one", "why")])
    whole = quarantine.path.read_bytes()
    quarantine.path.write_bytes(whole + whole[:-9])
    quarantine.put([(b"two", "why")])
    first, torn, second = quarantine.rows()
    assert (first.refused(), second.refused()) == (b"one", b"two")
    assert torn == whole[:-9] + b"\n"
