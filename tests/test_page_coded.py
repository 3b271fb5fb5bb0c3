"""Coded pages: decoded, scanned and coded again, to their end and where they are cut off."""

from __future__ import annotations

import gzip
import zlib

import pytest

from pagetimer_wsgi.page.document.coded import CodedScanner
from pagetimer_wsgi.page.document.coding import find_coding
from pagetimer_wsgi.page.document.head import Scanner

TAG = b"<script></script>"


def coded_scanner():
    return CodedScanner(Scanner(lambda said: TAG), find_coding("gzip"))


@pytest.mark.parametrize(
    ("page", "goes_out"),
    [
        (b"<html><title>a</title>", b"<html><title>a</title>" + TAG),
        (b"<html><head><li", b"<html><head>" + TAG + b"<li"),
        (b"<p>a fragment", b"<p>a fragment"),
    ],
    ids=["inside its head", "inside a tag", "fragment"],
)
def test_a_page_that_is_whole_is_ended_by_the_rules_of_its_document(page, goes_out):
    scanner = coded_scanner()
    assert gzip.decompress(scanner.feed(gzip.compress(page)) + scanner.close()) == goes_out
    assert (scanner.is_whole, scanner.found) == (True, TAG in goes_out)


@pytest.mark.parametrize(
    "page", [b"<html><title>a</title>", b"<html><head><met"], ids=["all out", "some held"]
)
def test_a_page_that_is_cut_off_goes_out_as_far_as_it_came_and_without_an_end(page):
    coder = zlib.compressobj(wbits=31)
    scanner = coded_scanner()
    out = scanner.feed(coder.compress(page) + coder.flush(zlib.Z_SYNC_FLUSH)) + scanner.close()
    reader = zlib.decompressobj(31)
    assert reader.decompress(out) == page
    assert (reader.eof, scanner.is_whole, scanner.found) == (False, False, False)


def test_bytes_that_make_no_plain_ones_yet_make_no_coded_ones():
    scanner = coded_scanner()
    header, rest = gzip.compress(b"<html>")[:10], gzip.compress(b"<html>")[10:]
    assert [scanner.feed(part) for part in (b"", header)] == [b"", b""]
    assert gzip.decompress(scanner.feed(rest) + scanner.close()) == b"<html>" + TAG
