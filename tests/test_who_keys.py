"""Secrets, and the keys made of them."""

import stat
import subprocess
import sys

import pytest

from pagetimer_wsgi.who.keys import KeyRing, Keys, NoSecret

OLD, NEW = "an old secret of ours", "a new secret of ours"


def first_secret(path):
    return KeyRing((), None, path).get().session_key("s")


def test_a_secret_is_made_once_and_kept_for_nobody_else_to_read(tmp_path):
    path = tmp_path / "data" / "secret"
    assert first_secret(path) == first_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_processes_that_start_together_agree_on_one_secret(tmp_path):
    program = (
        "import sys, pathlib; from pagetimer_wsgi.who.keys import KeyRing;"
        "print(KeyRing((), None, pathlib.Path(sys.argv[1])).get().session_key('s'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "secret")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    found = {process.communicate(timeout=30)[0] for process in started}
    assert len(found) == 1
    assert len(found.pop().strip()) == 32


def test_a_new_secret_in_front_of_the_list_changes_no_sessions_hash():
    assert Keys([NEW, OLD]).session_key("s") == Keys([OLD]).session_key("s")
    assert Keys([NEW]).session_key("s") != Keys([OLD]).session_key("s")
    assert len(Keys([OLD]).session_key("s")) == 32


def test_a_file_holds_one_key_a_line(tmp_path):
    (tmp_path / "keys").write_text(f"{'n' * 20}\n{'o' * 20}\n")
    found = KeyRing((), tmp_path / "keys", tmp_path / "kept").get()
    assert found.signing == Keys(["n" * 20, "o" * 20]).signing


@pytest.mark.parametrize("content", ["", "short\n", None], ids=["empty", "short", "missing"])
def test_a_file_without_keys_says_what_to_do_and_is_tried_again(tmp_path, content):
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    ring = KeyRing((), path, tmp_path / "kept")
    with pytest.raises(NoSecret, match="keys"):
        ring.get()
    path.write_text("k" * 20)
    assert ring.get()


def test_where_nothing_can_be_kept_there_is_no_secret(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NoSecret, match="Set the option secret"):
        KeyRing((), None, tmp_path / "file" / "secret").get()
