"""Folders and files of ours: who may see and who owns them; none is seen half written."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pagetimer_wsgi import files

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_folder_is_made_with_those_above_it_for_its_owner_alone(tmp_path):
    files.make_folder(tmp_path / "a" / "b" / "c", fsync=True)
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_file_in_the_place_of_a_folder_is_said_to_be_one(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        files.make_folder(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        files.make_folder(tmp_path / "a" / "b")


def test_a_file_is_for_its_owner_alone_and_no_child_inherits_it(tmp_path):
    descriptor = files.open_file(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    assert mode(tmp_path / "a") == 0o600


def test_what_is_made_under_a_strange_umask_is_still_its_owners(tmp_path):
    before = os.umask(0o777)
    try:
        files.make_folder(tmp_path / "a" / "b")
        os.close(files.open_file(tmp_path / "file", os.O_WRONLY | os.O_CREAT))
        files.write_file(tmp_path / "whole", b"data")
        files.make_database_file(tmp_path / "database")
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("a", "a/b")] == [0o700] * 2
    assert [mode(tmp_path / name) for name in ("file", "whole", "database")] == [0o600] * 3


def test_no_link_is_followed_for_root_may_be_led_astray_by_it(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="symbolic") as caught:
        files.open_file(tmp_path / "link", os.O_WRONLY | os.O_CREAT)
    assert caught.value.errno == errno.ELOOP
    files.write_file(tmp_path / "link", b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert (tmp_path / "link").read_bytes() == b"ours"


def test_a_file_that_cannot_be_put_in_place_leaves_no_draft(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_file(tmp_path / "a", b"data")
    assert os.listdir(tmp_path) == ["a"]


ROOT = """
import os, sys
from pathlib import Path
from pagetimer_wsgi import Beat, files
from pagetimer_wsgi.lines import encode
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.writer import Writer
from pagetimer_wsgi.stores.query import Query
from pagetimer_wsgi.stores.sql import SqlStore
from pagetimer_wsgi.who.keys import load_keys
folder = Path(sys.argv[1])
url = f"sqlite:///{folder}/deep/x.db"

def beat(number):
    return encode(Beat(view_id=f"{number:032x}", seq=0, received_at=1, path=f"/{number}"))

def one(*numbers):
    "What a process does: take beats and a bad line, store them, and count what is stored."
    spool = Spool(folder / "data" / "spool", url, 2**30)
    quarantine = Quarantine(folder / "data" / "quarantine" / "q.jsonl")
    writer = Writer(spool, SqlStore.open(url), quarantine)
    load_keys((), None, folder / "data" / "secret")
    for number in numbers:
        spool.append(beat(number))
    spool.append(b"bad\\n")
    writer.turn()
    found = sorted(view.path for view in writer.store.page_views(Query()))
    rows = len(list(quarantine.rows()))
    writer.close()
    return found, rows

def as_nobody(act):
    pid = os.fork()
    if not pid:
        os.setgid(65534)
        os.setuid(65534)
        try:
            act()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def expect(found, wanted):
    assert found == wanted, found

warm = SqlStore.open(f"sqlite:///{folder}/warm.db")
warm.check()  # all is imported before nobody needs it
warm.close()
if sys.argv[2] == "root first":
    expect(one(1), (["/1"], 1))
    as_nobody(lambda: expect(one(2), (["/1", "/2"], 2)))
else:
    as_nobody(lambda: expect(one(1), (["/1"], 1)))
    expect(one(2), (["/1", "/2"], 2))
as_nobody(lambda: expect(one(3), (["/1", "/2", "/3"], 3)))
expect(one(4), (["/1", "/2", "/3", "/4"], 4))
as_nobody(lambda: expect(one(5), (["/1", "/2", "/3", "/4", "/5"], 5)))
for name in ("data", "deep"):
    for path in (folder / name, *(folder / name).rglob("*")):
        assert path.stat().st_uid == 65534, path
"""


@as_root
@pytest.mark.parametrize("first", ["root first", "the other user first"])
def test_root_and_another_user_work_beside_each_other_on_the_same_files(first):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, NOBODY, NOBODY)
        subprocess.run([sys.executable, "-c", ROOT, name, first], timeout=60, check=True)
