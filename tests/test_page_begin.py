"""The headers of a page whose bytes changed."""

from __future__ import annotations

import pytest

from pagetimer_wsgi.page.begin import settled

KEPT = [("Content-Type", "text/html"), ("X-Digest", "a"), ("Content-Length-Hint", "9")]


@pytest.mark.parametrize(("length", "added"), [(None, []), (7, [("Content-Length", "7")])], ids=str)
def test_what_was_true_of_the_old_bytes_is_replaced_by_what_is_true_of_the_new(length, added):
    said = [
        *KEPT,
        ("CONTENT-LENGTH", "5"),
        ("content-length", "5"),
        ("Digest", "a"),
        ("ACCEPT-Ranges", "bytes"),
    ]
    assert settled(said, length) == [*KEPT, ("ACCEPT-Ranges", "none"), *added]


def test_a_page_whose_end_is_known_by_its_transfer_gets_no_length_beside():
    """RFC 9112, 6.2."""
    said = [("transfer-encoding", "chunked"), ("Content-Length", "5")]
    assert settled(said, 7) == [("transfer-encoding", "chunked")]
