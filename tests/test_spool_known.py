"""``Known``: a host goes on with the store that was there, and with no other."""

import subprocess
import sys
from contextlib import closing

import pytest

from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.spool.folders import own_prefix
from pagetimer_wsgi.spool.known import NOTE, Known
from pagetimer_wsgi.stores.sql import SqlStore

TELL = """
import sys
from pathlib import Path
from pagetimer_wsgi.spool.known import Known
from pagetimer_wsgi.stores.sql import SqlStore

known = Known("x", Path(sys.argv[1]))
known.made(SqlStore.open(sys.argv[2]))
known.tell()
"""


@pytest.fixture
def store(tmp_path):
    with closing(SqlStore.open(f"sqlite:///{tmp_path}/x.db")) as store:
        yield store


@pytest.fixture
def another(tmp_path):
    with closing(SqlStore.open(f"sqlite:///{tmp_path}/another.db")) as store:
        store.check()
        yield store


def known_in(folder):
    return Known("sqlite:///x.db", folder / NOTE)


def test_the_store_is_made_once_and_never_again(tmp_path, store):
    known = known_in(tmp_path)
    assert known.identity(store) is None
    assert known.made(store) == known.identity(store) == store.identity()
    (tmp_path / "x.db").unlink()
    with pytest.raises(StoreAway, match="restart to go on with a new one"):
        known.made(store)
    assert not (tmp_path / "x.db").exists()


def test_what_was_only_asked_for_is_not_held_to(tmp_path, store, another):
    known = known_in(tmp_path)
    known.identity(another)
    assert known.made(store) == store.identity()
    with pytest.raises(StoreAway, match="restart to go on with this one"):
        known.made(another)


def test_a_process_beside_it_learns_which_store_it_is(tmp_path, store, another):
    known = known_in(tmp_path)
    known.tell()
    known.made(store)
    known.tell()
    beside = known_in(tmp_path)
    beside.learn()
    with pytest.raises(StoreAway, match="is not the database that was here"):
        beside.made(another)


def test_what_a_process_said_that_has_ended_counts_no_longer(tmp_path, store, another):
    command = [sys.executable, "-c", TELL, tmp_path / NOTE, f"sqlite:///{tmp_path}/x.db"]
    subprocess.run(command, check=True)
    known = known_in(tmp_path)
    known.learn()
    assert known.made(another) == another.identity()
    known.tell()
    assert own_prefix() in (tmp_path / NOTE).read_text()


@pytest.mark.parametrize("note", ["", "{}", '{"store": "x", "process": "y"}'])
def test_a_note_that_says_nothing_is_none(tmp_path, store, note):
    (tmp_path / NOTE).write_text(note)
    known = known_in(tmp_path)
    known.learn()
    known.made(store)
    known.tell()
    assert store.identity() in (tmp_path / NOTE).read_text()
