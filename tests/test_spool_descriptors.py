"""Descriptors: out of the host's way, and never taken for ours when they are not."""

import os
import resource

import pytest

from pagetimer_wsgi.spool.descriptors import Descriptor


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ours"
    descriptor = Descriptor(os.open(path, os.O_RDWR | os.O_CREAT))
    yield path, descriptor
    descriptor.close()


def test_it_lies_above_what_hosts_close_and_no_child_inherits_it(file):
    _, descriptor = file
    assert descriptor.number >= 8192
    assert not os.get_inheritable(descriptor.number)


@pytest.mark.parametrize(("most", "lowest"), [(4096, 3840), (1024, 768), (300, 44), (64, 3)])
def test_where_few_numbers_are_to_be_had_it_takes_one_of_the_highest(tmp_path, most, lowest):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
    try:
        descriptor = Descriptor(os.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert lowest <= descriptor.number < most
    descriptor.close()


def test_where_none_is_free_up_there_it_keeps_its_own(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = os.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (low + 1, limits[1]))
    try:
        descriptor = Descriptor(low)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert descriptor.number == low
    descriptor.close()


def test_a_number_that_was_closed_is_not_ours(file):
    _, descriptor = file
    os.close(descriptor.number)
    assert descriptor.status() is None
    assert not descriptor.has_name()
    descriptor.close()


def test_a_number_that_is_now_the_hosts_is_neither_ours_nor_closed(tmp_path, file):
    _, descriptor = file
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    os.dup2(theirs, descriptor.number)
    assert descriptor.status() is None
    descriptor.close()
    os.write(descriptor.number, b"theirs")
    os.close(descriptor.number)
    os.close(theirs)


def test_a_file_that_was_removed_is_still_ours_but_has_no_name(file):
    path, descriptor = file
    assert descriptor.has_name()
    path.unlink()
    assert descriptor.status() is not None
    assert not descriptor.has_name()
