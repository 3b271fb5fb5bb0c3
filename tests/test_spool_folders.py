"""Folders of processes: who holds which, who may adopt which."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from pagetimer_wsgi.spool import folders

HOLD = """
import sys
from pathlib import Path
from pagetimer_wsgi.spool import folders
folder = folders.new_folder(Path(sys.argv[1]))
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds a folder in tmp_path until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        process.path = process.stdout.readline().strip()
        yield process
        process.kill()
        process.wait(timeout=10)


def adopted(spool):
    found = list(folders.adopt(spool))
    for folder in found:
        folder.let_go()
    return [str(folder.path) for folder in found]


def test_the_folder_of_a_process_is_adopted_when_it_is_dead_and_not_before(tmp_path, holder):
    assert adopted(tmp_path) == []
    holder.kill()
    holder.wait(timeout=10)
    assert adopted(tmp_path) == [holder.path]


def test_a_dead_process_is_adopted_from_although_its_forked_child_lives(tmp_path):
    code = HOLD.replace("sys.stdin.read()", "import os\nif os.fork() == 0: sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        path = process.stdout.readline().strip()
        process.wait(timeout=10)
        assert adopted(tmp_path) == [path]
        process.stdin.close()


def test_our_own_folder_is_never_tried_for_that_would_let_its_lock_go(tmp_path):
    own = folders.new_folder(tmp_path)
    assert adopted(tmp_path) == []
    other = "import sys; from pathlib import Path; from pagetimer_wsgi.spool import folders\n"
    other += "print(len(list(folders.adopt(Path(sys.argv[1])))))"
    said = subprocess.run(
        [sys.executable, "-c", other, str(tmp_path)], capture_output=True, timeout=10, check=True
    )
    assert said.stdout == b"0\n"
    own.remove()
    assert list(tmp_path.iterdir()) == []


def test_two_folders_of_one_process_have_different_names(tmp_path):
    one, two = folders.new_folder(tmp_path), folders.new_folder(tmp_path)
    assert one.path != two.path
    one.remove()
    two.remove()


def test_a_folder_without_a_lock_file_is_left_for_a_minute_then_adopted(tmp_path):
    path = tmp_path / "boot-1-1-1"
    path.mkdir()
    assert adopted(tmp_path) == []
    os.utime(path, (1, 1))
    assert adopted(tmp_path) == [str(path)]


def test_what_a_killed_process_left_half_written_does_not_keep_its_folder(tmp_path):
    folder = folders.new_folder(tmp_path)
    for name in ("health.json.0a.draft", "000000000001.mark.0b.draft", "000000000001.mark"):
        (folder.path / name).touch()
    folder.remove()
    assert not folder.path.exists()


def test_a_folder_in_which_beats_lie_is_not_removed(tmp_path):
    folder = folders.new_folder(tmp_path)
    (folder.path / "000000000001.jsonl").touch()
    folder.remove()
    assert (folder.path / "000000000001.jsonl").exists()


def test_a_folder_is_not_held_once_its_lock_file_was_removed(tmp_path):
    folder = folders.new_folder(tmp_path)
    assert folder.is_held()
    (folder.path / "lock").unlink()
    assert not folder.is_held()
    folder.remove()


def test_where_no_locks_are_to_be_had_the_folder_fails_instead_of_trying_on(tmp_path, monkeypatch):
    tried = []

    def no_locks(descriptor, operation):
        tried.append(1)
        raise OSError(errno.ENOLCK if len(tried) < 50 else errno.EINTR, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    with pytest.raises(OSError, match="No locks"):
        folders.new_folder(tmp_path)
    assert len(tried) == 1


def test_a_spool_that_is_gone_or_a_file_has_no_folders(tmp_path):
    (tmp_path / "file").touch()
    assert folders.process_folders(tmp_path / "gone") == []
    assert folders.process_folders(tmp_path / "file") == []


def test_a_link_is_no_folder_of_the_spool(tmp_path):
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool.mkdir()
    elsewhere.mkdir()
    (spool / "dead").symlink_to(elsewhere)
    assert folders.process_folders(spool) == list(folders.adopt(spool)) == []
    assert list(elsewhere.iterdir()) == []
