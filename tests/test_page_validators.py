"""ETags: weak and marked on the way out, exactly our mark turned back on the way in."""

import pytest

from pagetimer_wsgi.page.headers.validators import mark, mark_again, turn_back

VERSION = "0a1b2c3d"


@pytest.mark.parametrize(
    ("etag", "marked"),
    [
        ('"x"', f'W/"x-pts{VERSION}"'),
        ('W/"x"', f'W/"x-ptw{VERSION}"'),
        ('""', f'W/"-pts{VERSION}"'),
        (' "x" ', f'W/"x-pts{VERSION}"'),
        ('"a,b!\xe9"', f'W/"a,b!\xe9-pts{VERSION}"'),
        (f'W/"x-pts{VERSION}"', f'W/"x-pts{VERSION}-ptw{VERSION}"'),
        *((bad, bad) for bad in ("x", '"x', 'w/"x"', '"a b"', '"a"b"', "", "W/x", '"a", "b"')),
    ],
)
def test_a_well_formed_etag_goes_out_weak_and_marked_and_another_stays(
    etag: str, marked: str
) -> None:
    assert mark([("etag", etag), ("X-A", etag)], VERSION) == [("etag", marked), ("X-A", etag)]


@pytest.mark.parametrize(
    ("condition", "original"),
    [
        (f'W/"x-pts{VERSION}"', '"x"'),
        (f'W/"x-ptw{VERSION}"', 'W/"x"'),
        (f'W/"-pts{VERSION}"', '""'),
        (f'W/"a,b-pts{VERSION}", "y",W/"c-ptw{VERSION}"', '"a,b", "y",W/"c"'),
        (f'W/"x-pts{VERSION}-ptw{VERSION}"', f'W/"x-pts{VERSION}"'),
        *(
            (same, same)
            for same in (
                "*",
                '"x"',
                f'"x-pts{VERSION}"',
                f'W/"x-pts{VERSION}-gzip"',
                f'W/"x-pts{VERSION}f"',
                'W/"x-ptsffffffff"',
                f'W/"x-ptx{VERSION}"',
                f"W/x-pts{VERSION}",
                "",
            )
        ),
    ],
)
def test_exactly_our_mark_is_turned_back(condition: str, original: str) -> None:
    assert turn_back(condition, lambda version: version == VERSION)[0] == original


@pytest.mark.parametrize("etag", ['"x"', 'W/"x"'])
def test_what_was_marked_comes_back_as_it_was_and_goes_out_again_on_the_304(etag: str) -> None:
    (_, marked), *_ = mark([("ETag", etag)], VERSION)
    original, known = turn_back(marked, lambda version: version == VERSION)
    assert original == etag
    for answered in ('"x"', 'W/"x"'):
        headers = [("ETag", answered), ("X-Twin", answered)]
        assert mark_again(headers, known) == [("ETag", marked), ("X-Twin", answered)]


@pytest.mark.parametrize("etag", ['"y"', "x", ""])
def test_an_etag_that_was_not_asked_for_stays_on_the_304(etag: str) -> None:
    assert mark_again([("ETag", etag)], {"x": 'W/"x-pts00"'}) == [("ETag", etag)]
