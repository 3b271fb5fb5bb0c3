"""A spool's place: on a local disk, and in the hands of one machine at a time."""

import os
import time

import pytest

from pagetimer_wsgi.errors import SpoolAway
from pagetimer_wsgi.spool import place as module
from pagetimer_wsgi.spool.place import Place, network_file_system
from pagetimer_wsgi.spool.spool import Spool

URL = "sqlite:///pagetimer.db"
OTHER = b"0123456789abcdef0123456789abcdef"


def mountinfo(device, kind):
    number = f"{os.major(device)}:{os.minor(device)}"
    return (
        "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        f"36 22 {number} /a\\040b /mnt rw,noatime master:1 propagate_from:2 - {kind} host:/a rw\n"
        "a line that is too short\n"
    )


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ("nfs", True),
        ("nfs4", True),
        ("cifs", True),
        ("smb3", True),
        ("lustre", True),
        ("ceph", True),
        ("fuse.sshfs", True),
        ("fuse.glusterfs", True),
        ("ext4", False),
        ("tmpfs", False),
        ("overlay", False),
        ("9p", False),
        ("fuse.mergerfs", False),
    ],
)
def test_a_network_file_system_is_told_by_the_folders_device(tmp_path, monkeypatch, kind, refused):
    device = tmp_path.stat().st_dev
    (tmp_path / "mounts").write_text(mountinfo(device, kind))
    monkeypatch.setattr(module, "_MOUNTS", tmp_path / "mounts")
    assert network_file_system(device) == (kind if refused else None)
    assert network_file_system(device + 1) is None


def test_without_proc_no_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOUNTS", tmp_path / "gone")
    assert network_file_system(tmp_path.stat().st_dev) is None


def test_on_a_network_file_system_nothing_is_accepted_and_the_reason_is_told(tmp_path, monkeypatch):
    (tmp_path / "mounts").write_text(mountinfo(tmp_path.stat().st_dev, "nfs4"))
    monkeypatch.setattr(module, "_MOUNTS", tmp_path / "mounts")
    spool = Spool(tmp_path / "spool", URL, 2**30)
    for _ in range(2):
        with pytest.raises(SpoolAway, match=r"network file system \(nfs4\).* set the option spool"):
            spool.append(b"one\n")
    assert spool.segments() == []


@pytest.fixture
def clocks(monkeypatch):
    """The two clocks, to be set."""
    now = {"time": time.time(), "monotonic": 1000.0}
    monkeypatch.setattr(module.time, "time", lambda: now["time"])
    monkeypatch.setattr(module.time, "monotonic", lambda: now["monotonic"])
    return now


def mark(folder):
    return (folder / module.MARK).read_bytes()


def put_others_mark(folder, age, clocks):
    (folder / module.MARK).write_bytes(OTHER)
    moment = clocks["time"] - age
    os.utime(folder / module.MARK, (moment, moment))


def test_the_first_to_come_puts_its_mark_and_keeps_it_fresh(tmp_path, clocks):
    place = Place(tmp_path)
    assert place.objection() is None
    assert mark(tmp_path) == module.machine_id()
    assert [path.name for path in tmp_path.iterdir()] == [module.MARK]
    put = (tmp_path / module.MARK).stat().st_mtime_ns
    clocks["time"] += 5
    place.objection()
    assert (tmp_path / module.MARK).stat().st_mtime_ns == put
    clocks["time"] += 6
    place.objection()
    assert (tmp_path / module.MARK).stat().st_mtime_ns > put


def test_another_machines_mark_is_refused_while_it_is_young(tmp_path, clocks):
    put_others_mark(tmp_path, 59, clocks)
    assert "another machine uses" in Place(tmp_path).objection()
    assert mark(tmp_path) == OTHER


def test_after_a_minute_it_is_taken_over_and_the_next_look_shows_by_whom(tmp_path, clocks):
    put_others_mark(tmp_path, 61, clocks)
    place = Place(tmp_path)
    assert "is being taken over" in place.objection()
    assert place.objection() is None
    assert mark(tmp_path) == module.machine_id()


def test_who_is_overtaken_while_it_takes_over_is_refused(tmp_path, clocks):
    put_others_mark(tmp_path, 61, clocks)
    place = Place(tmp_path)
    assert "is being taken over" in place.objection()
    put_others_mark(tmp_path, 0, clocks)
    assert "another machine uses" in place.objection()


@pytest.mark.parametrize("ahead", [86_400, 59])
def test_a_mark_whose_time_says_nothing_is_watched_for_a_minute_of_our_own_clock(
    tmp_path, clocks, ahead
):
    put_others_mark(tmp_path, -ahead, clocks)
    place = Place(tmp_path)
    assert "another machine uses" in place.objection()
    clocks["monotonic"] += 59
    assert "another machine uses" in place.objection()
    clocks["monotonic"] += 1
    assert "is being taken over" in place.objection()
    assert place.objection() is None


def test_a_mark_that_is_touched_is_another_living_machines_whatever_its_time(tmp_path, clocks):
    place = Place(tmp_path)
    for touched in range(20):
        put_others_mark(tmp_path, -86_400 - touched, clocks)
        assert "another machine uses" in place.objection()
        clocks["monotonic"] += 10


def test_of_two_that_put_the_first_mark_at_once_one_is_refused(tmp_path, clocks, monkeypatch):
    place, link = Place(tmp_path), os.link

    def overtaken(draft, path):
        put_others_mark(tmp_path, 0, clocks)
        link(draft, path)

    monkeypatch.setattr(os, "link", overtaken)
    assert "another machine uses" in place.objection()
    assert mark(tmp_path) == OTHER


def test_where_no_links_are_to_be_had_the_mark_is_put_all_the_same(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert Place(tmp_path).objection() is None
    assert [path.name for path in tmp_path.iterdir()] == [module.MARK]


IDS = {
    "a machine's": ("3d1219c7c4c5404aaa1f6d2a48adfda4\n", "boot", 0),
    "none in a container": ("", "11111111-2222-3333-4444-555555555555\n", 1),
    "one that is not set yet": ("uninitialized\n", "11111111-2222-3333-4444-555555555555\n", 1),
}


@pytest.mark.parametrize("case", IDS)
def test_a_machine_is_known_by_its_id_and_without_one_by_its_boot(tmp_path, monkeypatch, case):
    *texts, _ = IDS[case]
    paths = [tmp_path / "machine-id", tmp_path / "boot_id"]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    monkeypatch.setattr(module, "_MACHINE_IDS", paths)
    found = module.machine_id()
    assert len(found) == 32
    paths[1 - IDS[case][2]].write_text("changed")
    assert module.machine_id() == found
    paths[IDS[case][2]].write_text("f" * 32)
    assert module.machine_id() != found
    assert texts[IDS[case][2]].strip().encode() not in found


def test_where_a_machine_has_no_id_at_all_its_spool_works(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MACHINE_IDS", [tmp_path / "gone"])
    assert Place(tmp_path).objection() is None
