"""The ``pagetimer`` command, as a process of its own."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import COMMAND, a_beat, accept, arguments, spool_in

from pagetimer_wsgi.events import Beat
from pagetimer_wsgi.lines import encode, sealed
from pagetimer_wsgi.spool.folders import process_folders
from pagetimer_wsgi.spool.quarantine import Quarantine
from pagetimer_wsgi.spool.spool import Spool
from pagetimer_wsgi.spool.writer import Writer
from pagetimer_wsgi.stores.base import open_store
from pagetimer_wsgi.stores.sql import SqlStore

DAY = 86_400_000
SITE = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<html><head></head><body>plain</body></html>"]

def make_app(word, number=1):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [f"<html><head></head><body>{word} {number}</body></html>".encode()]
    return application

NAME = "no application"

def gives_nothing():
    return None
"""


@contextlib.contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command that serves; give the address that it prints."""
    process = subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **arguments(folder),
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if not address:
            process.kill()
            pytest.fail(f"no address in {line!r}; {process.stderr.read()}")
        yield address[0], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def read(address: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def keep(folder: Path, *beats: Beat) -> None:
    """Put beats into the store that a command of this folder asks by itself."""
    (folder / "pagetimer-data").mkdir()
    store = SqlStore.open(f"sqlite:///{folder}/pagetimer-data/pagetimer.db")
    store.write(list(beats))
    store.close()


def says_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Hold that a command ended with 2 and one clear line."""
    assert done.returncode == 2, done
    assert done.stderr.startswith("pagetimer: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


# --- report and export ------------------------------------------------------------------------


def test_a_report_says_where_the_time_went_in_a_table_in_csv_and_in_json(pagetimer, tmp_path):
    keep(
        tmp_path,
        a_beat(1, username="ada", visible_ms=12_400, age=13_000),
        a_beat(2, username="bob", path="/1", visible_ms=2_000, age=13_000),
        a_beat(3, username="bob", path="/2", visible_ms=None, engaged_ms=None),
    )
    table = pagetimer("report")
    assert table.returncode == 0
    assert table.stderr == ""
    heads, _, first, second = table.stdout.splitlines()[2:]
    assert heads.split()[:4] == ["page", "views", "people", "visible"]
    assert first.split()[:5] == ["/1", "2", "2", "14.4", "s"]
    assert second.split()[:4] == ["/2", "1", "1", "–"]
    rows = list(csv.DictReader(io.StringIO(pagetimer("report", "--format", "csv").stdout)))
    assert [(row["path"], row["visible_ms_total"]) for row in rows] == [("/1", "14400"), ("/2", "")]
    answer = json.loads(pagetimer("report", "--format", "json", "--by", "user").stdout)
    found = [(row["user"], row["page_views"], row["visible_ms_total"]) for row in answer]
    assert found == [("ada", 1, 12_400), ("bob", 2, 2_000)]


@pytest.mark.parametrize("by", ["page", "route", "session", "site", "day"])
def test_a_report_can_be_asked_by_anything(pagetimer, tmp_path, by):
    keep(tmp_path, a_beat(1, site="shop", route="/<n>", session_key="a" * 32))
    done = pagetimer("report", "--by", by, "--format", "json")
    (row,) = json.loads(done.stdout)
    assert row["page_views"] == 1


def test_an_empty_store_has_a_report_that_says_so(pagetimer, tmp_path):
    keep(tmp_path)
    done = pagetimer("report")
    assert (done.returncode, done.stderr) == (0, "")
    assert "There are none in this period." in done.stdout
    assert json.loads(pagetimer("report", "--format", "json").stdout) == []
    assert len(pagetimer("export").stdout.splitlines()) == 1


def test_a_report_tells_of_beats_that_wait(pagetimer, tmp_path):
    keep(tmp_path)
    spool = spool_in(tmp_path)
    spool.append(encode(a_beat()))
    assert "1 beats are accepted and not stored yet" in pagetimer("report").stderr
    spool.process.close()


@pytest.mark.parametrize("command", ["report", "export"])
@pytest.mark.parametrize(
    ("period", "word"),
    [
        pytest.param(["--from", "yesterday"], "2026-01-31", id="no date"),
        pytest.param(["--from", "2026-02-30"], "2026-01-31", id="no such day"),
        pytest.param(["--from", "2026-02-02", "--to", "2026-02-01"], "before", id="back to front"),
        pytest.param(["--to", "9999-12-31"], "calendar", id="the last day of all"),
        pytest.param(["--to", "0001-01-05"], "calendar", id="the first month of all"),
    ],
)
def test_a_period_that_is_none_gives_one_clear_line(pagetimer, tmp_path, command, period, word):
    says_one_line(pagetimer(command, *period), word)


@pytest.mark.parametrize("words", [["report"], ["export"]], ids=" ".join)
def test_output_that_finds_no_room_gives_one_clear_line(tmp_path, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=20,
            **arguments(tmp_path),
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "pagetimer: the output cannot be written: No space left on device"
    ]


def test_an_export_has_the_older_packages_columns_first_and_its_formulas_are_inert(
    pagetimer, tmp_path
):
    keep(tmp_path, a_beat(1, username="=1+2", agent="@SUM(A1)", path="/a,b"))
    done = pagetimer("export")
    assert done.returncode == 0
    heads = done.stdout.splitlines()[0].split(",")
    assert heads[:5] == ["timestamp", "username", "session_key", "ipaddress", "path"]
    assert heads[5:10] == ["visible_ms", "engaged_ms", "last_seen_at", "ended", "capped"]
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["username"], row["agent"], row["path"]) == ("'=1+2", "'@SUM(A1)", "/a,b")
    assert (row["visible_ms"], row["session_key"]) == ("1000", "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["timestamp"])


def test_an_export_is_written_where_asked(pagetimer, tmp_path):
    keep(tmp_path, a_beat(1))
    assert pagetimer("export", "--output", "views.csv").stdout == ""
    assert len((tmp_path / "views.csv").read_text().splitlines()) == 2
    says_one_line(pagetimer("export", "--output", "no/such/views.csv"), "--output")


def test_an_export_that_fails_leaves_the_old_file_as_it_was(pagetimer, tmp_path):
    (tmp_path / "views.csv").write_text("keep me")
    (tmp_path / "folder.db").mkdir()
    store = f"store=sqlite:///{tmp_path}/folder.db"
    done = pagetimer("export", "-o", store, "--output", str(tmp_path / "views.csv"))
    says_one_line(done)
    assert (tmp_path / "views.csv").read_text() == "keep me"
    assert not (tmp_path / "views.csv.part").exists()


def test_drain_tells_of_a_store_that_is_away_though_nothing_waits(pagetimer, tmp_path):
    (tmp_path / "folder.db").mkdir()
    done = pagetimer("drain", "-o", f"store=sqlite:///{tmp_path}/folder.db")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_applications_own_error_is_shown_as_its_own(pagetimer, tmp_path):
    (tmp_path / "site_here.py").write_text("raise ValueError('my own fault')")
    done = pagetimer("run", "site_here:app", "--port", "0")
    assert "ValueError: my own fault" in done.stderr
    assert "with literals only" not in done.stderr


def test_an_export_has_only_what_began_in_its_period(pagetimer, tmp_path):
    old = time.time_ns() // 1_000_000 - 60 * DAY
    keep(tmp_path, a_beat(1), a_beat(2, received_at=old))
    assert len(pagetimer("export").stdout.splitlines()) == 2
    assert len(pagetimer("export", "--from", "2020-01-01").stdout.splitlines()) == 3


# --- options ----------------------------------------------------------------------------------


def test_a_command_is_told_the_options_as_the_application_is(pagetimer, tmp_path):
    keep(tmp_path, a_beat(1))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    config = elsewhere / "site.ini"
    config.write_text(
        "[filter:time]\nuse = egg:pagetimer-wsgi\ndata = %(here)s/../pagetimer-data\n"
    )
    (row,) = json.loads(pagetimer("report", "--format", "json", "--config", str(config)).stdout)
    assert row["path"] == "/1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["-o", "sotre=x"], ["sotre", "store"], id="an option that is none"),
        pytest.param(["-o", "store"], ["NAME=VALUE"], id="no value"),
        pytest.param(["-o", "store=oracel://x"], ["oracel", "sqlite"], id="a scheme nobody offers"),
        pytest.param(["--config", "missing.ini"], ["missing.ini"], id="no such file"),
    ],
)
def test_options_that_are_wrong_give_one_clear_line(pagetimer, words, said):
    says_one_line(pagetimer("report", *words), *said)


# --- drain ------------------------------------------------------------------------------------


def test_drain_stores_what_waits(pagetimer, tmp_path):
    assert pagetimer("drain").stdout == "0 beats stored\n"
    accept(tmp_path, *(encode(a_beat(number)) for number in range(3)))
    assert pagetimer("drain").stdout == "3 beats stored\n"
    assert pagetimer("drain").stdout == "0 beats stored\n"
    assert len(pagetimer("export").stdout.splitlines()) == 4


def test_what_drain_stored_is_among_the_hosts_figures(pagetimer, tmp_path):
    accept(tmp_path, encode(a_beat(1)), encode(a_beat(2)), b"bad\n")
    pagetimer("drain")
    accept(tmp_path, encode(a_beat(3)))
    pagetimer("drain")
    figures = spool_in(tmp_path).figures()
    assert (figures.accepted, figures.stored, figures.quarantined) == (4, 3, 1)


def test_drain_says_what_is_left_and_what_to_do_about_it(pagetimer, tmp_path):
    newer = sealed(b'"what":"ever"}', 2)
    accept(tmp_path, b"bad\n", encode(a_beat(1, path="/nul\0")), encode(a_beat(2)), newer)
    done = pagetimer("drain")
    assert done.returncode == 0
    file = tmp_path / "pagetimer-data" / "quarantine" / f"{spool_in(tmp_path).name}.jsonl"
    assert done.stdout.splitlines() == [
        "1 beat stored",
        "1 beat left in the spool: accepted meanwhile, or by a newer pagetimer-wsgi, which alone "
        "can read them",
        f"2 lines left in {file}:",
        "  1 × it does not begin with its format and its crc32",
        "  1 × the store refuses it",
        "mend the lines, or the store, and run `pagetimer drain --quarantine`",
    ]


@pytest.mark.parametrize("command", ["drain", "check"])
def test_what_waits_for_another_store_is_told_and_may_be_moved_here(pagetimer, tmp_path, command):
    pagetimer("check")
    here = spool_in(tmp_path)
    url = "postgresql://ada:secret@db.invalid/x"
    there = Spool(here.folder.parent, url, 2**30)
    there.append(encode(a_beat(1, received_at=a_beat().received_at - 5 * 60_000)))
    Writer(there, open_store(url), Quarantine(tmp_path / "q"), switched_on=False).tidy()
    there.process.close()
    said = pagetimer(command).stdout
    assert "1 beat waiting for another store, the first for 5 minutes: postgresql://ada@" in said
    assert f"move the folders in {there.folder} to {here.folder}" in said
    for folder in process_folders(there.folder):
        folder.rename(here.folder / folder.name)
    assert "another store" not in pagetimer(command).stdout
    pagetimer("drain")
    assert len(pagetimer("export").stdout.splitlines()) == 2


@pytest.mark.parametrize("command", ["drain", "check"])
def test_what_has_just_come_for_another_store_is_left_to_its_writer(pagetimer, tmp_path, command):
    pagetimer("check")
    there = Spool(spool_in(tmp_path).folder.parent, "postgresql://db.invalid/x", 2**30)
    there.append(encode(a_beat(1)))
    assert "another store" not in pagetimer(command).stdout
    there.process.close()


def test_drain_puts_back_what_was_mended_in_the_quarantine(pagetimer, tmp_path):
    accept(tmp_path, b"bad\n", encode(a_beat(1, path="/nul\0")))
    pagetimer("drain")
    (file,) = (tmp_path / "pagetimer-data" / "quarantine").iterdir()
    mended = file.read_text().replace(r"/nul\u0000", "/mended")
    file.write_text(re.sub(r'"crc32":\d+,', "", mended))
    done = pagetimer("drain", "--quarantine").stdout.splitlines()
    assert done[:3] == [
        "0 beats stored",
        "1 quarantined line stored",
        f"1 line left in {file}:",
    ]
    file.write_text("")
    assert pagetimer("drain", "--quarantine").stdout.splitlines()[1:] == [
        "0 quarantined lines stored"
    ]
    assert not file.exists()
    assert [row["path"] for row in csv.DictReader(pagetimer("export").stdout.splitlines())] == [
        "/mended"
    ]
    assert spool_in(tmp_path).figures().stored == 1


def test_drain_rolls_off_what_was_kept_long_enough(pagetimer, tmp_path):
    old = time.time_ns() // 1_000_000 - 10 * DAY
    keep(tmp_path, a_beat(1, received_at=old), a_beat(2))
    accept(tmp_path, encode(a_beat(3)))
    done = pagetimer("drain", "-o", "keep_page_views=5 days")
    assert done.stdout.splitlines() == [
        "1 beat stored",
        "1 row rolled off, as keep_page_views, keep_beats and keep_rows say",
    ]
    paths = {row["path"] for row in json.loads(pagetimer("report", "--format", "json").stdout)}
    assert paths == {"/2", "/3"}


def test_drain_waits_while_another_process_drains(pagetimer, tmp_path):
    accept(tmp_path, encode(a_beat(1)))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, spool_in(tmp_path).folder / "drain.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        holder.stdout.readline()
        drain = subprocess.Popen([*COMMAND, "drain"], stdout=subprocess.PIPE, **arguments(tmp_path))
        with drain:
            with pytest.raises(subprocess.TimeoutExpired):
                drain.wait(3)
            holder.stdin.close()
            assert drain.communicate(timeout=20)[0] == "1 beat stored\n"


def test_drain_waits_a_little_for_the_lock_of_the_figures_and_goes_on_without(pagetimer, tmp_path):
    accept(tmp_path, encode(a_beat(1)))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, spool_in(tmp_path).folder / "health.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        holder.stdout.readline()
        done = pagetimer("drain")
        holder.stdin.close()
    assert done.stdout.startswith("1 beat stored\nWhat was stored now is missing in health's")


HOLD = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_drain_loses_nothing_where_the_database_cannot_be_opened(pagetimer, tmp_path):
    data = tmp_path / "pagetimer-data"
    (data / "pagetimer.db").mkdir(parents=True)
    accept(tmp_path, encode(a_beat()))
    done = pagetimer("drain")
    assert done.returncode == 2
    assert "Nothing is lost" in done.stderr
    assert "Traceback" not in done.stderr
    (data / "pagetimer.db").rmdir()
    assert pagetimer("drain").stdout == "1 beat stored\n"


# --- run and dashboard ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("site_here:application", "plain"),
        ("site_here", "plain"),
        ("site_here:make_app('x')", "x 1"),
        ("site_here:make_app(word='y', number=2)", "y 2"),
    ],
)
def test_run_serves_an_application_wrapped_until_it_is_told_to_end(tmp_path, target, body):
    (tmp_path / "site_here.py").write_text(SITE)
    with serving(tmp_path, "run", target, "--port", "0") as (address, process):
        status, text = read(address)
        assert status == 200
        assert f"<body>{body}</body>" in text
        assert "data-pagetimer=" in text
        assert read(address + "_pagetimer/health")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    "target",
    [
        "no_such_module:application",
        "site_here:no_such_name",
        "site_here:NAME",
        "site_here:NAME()",
        "site_here:gives_nothing()",
        "site_here:make_app()",
        "site_here:make_app(*['x'], **{'z': 1})",
        "site_here:make_app(open('/etc/passwd'))",
        "site_here:make_app(",
        "site_here:a + b",
        ":application",
        ".site_here:application",
        "",
    ],
)
def test_a_target_that_is_none_gives_one_clear_line(pagetimer, tmp_path, target):
    (tmp_path / "site_here.py").write_text(SITE)
    says_one_line(pagetimer("run", target, "--port", "0"), repr(target))


def test_a_port_that_is_taken_or_none_gives_one_clear_line(pagetimer, tmp_path):
    (tmp_path / "site_here.py").write_text(SITE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for asked in (port, "65536"):
            done = pagetimer("run", "site_here", "--port", asked)
            assert done.returncode == 2
            assert "Traceback" not in done.stderr
            said = done.stderr.splitlines()[-1]
            assert said.startswith("pagetimer")
            assert asked in said


def test_the_dashboard_is_open_on_loopback_and_to_no_foreign_name(tmp_path):
    keep(tmp_path, a_beat(1, path="/seen"))
    with serving(tmp_path, "dashboard", "--port", "0") as (address, process):
        status, text = read(address)
        assert (status, "/seen" in text) == (200, True)
        port = address.rstrip("/").rpartition(":")[2]
        assert read(address, Host=f"localhost:{port}")[0] == 200
        assert read(address, Host=f"evil.example:{port}")[0] == 403
        assert read(address + "api/report", Host="evil.example")[0] == 403
        assert read(address + "api/report")[0] == 200
        assert read(address + "other")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_without_a_command_it_says_which_there_are(pagetimer):
    done = pagetimer()
    assert done.returncode == 2
    assert "COMMAND" in done.stderr
    assert pagetimer("--version").stdout.startswith("pagetimer-wsgi ")
