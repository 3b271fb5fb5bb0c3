"""Which pages may carry a token, and what their headers then say."""

import pytest

from pagetimer_wsgi.page.headers.caches import (
    forbids_sharing,
    make_private,
    may_carry_token,
    with_token,
)
from pagetimer_wsgi.page.headers.fields import Fields

CONTROL = "Cache-Control"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([("cache-control", "Public, S-MaxAge=3"), ("CDN-Cache-Control", "max-age=3")], "private"),
        ([(CONTROL, "s-maxage =3, ,"), ("Fastly-Surrogate-Control", "max-age=3")], "private"),
        ([(CONTROL, 'private="set-cookie"')], "private"),
        (
            [(CONTROL, 'max-age=60, ext="a, public", public')],
            'max-age=60, ext="a, public", private',
        ),
        ([("X-Accel-Expires", "60"), ("Last-Modified", "x")], "private"),
        ([], "private"),
    ],
    ids=str,
)
def test_private_headers_are_private_for_all_caches(headers, wanted):
    private = make_private(Fields(headers))
    assert private == [(CONTROL, wanted)]
    assert forbids_sharing(Fields(private))


@pytest.mark.parametrize(
    "headers",
    [
        [(CONTROL, "private"), ("X-Accel-Expires", "60")],
        [(CONTROL, 'ext="private"')],
        [(CONTROL, 'private="set-cookie"')],
        [(CONTROL, 'ext="open, private')],
        [(CONTROL, 'ext="escaped \\", private, b"')],
        [],
    ],
    ids=str,
)
def test_what_only_looks_private_is_not(headers):
    assert not forbids_sharing(Fields(headers))


@pytest.mark.parametrize(
    "values", [["Private"], ["max-age=9, NO-STORE"], ["max-age=9", "private"]], ids=str
)
def test_private_and_no_store_are_heard_in_any_case_and_any_header(values):
    fields = Fields([(CONTROL, value) for value in values])
    assert forbids_sharing(fields)
    assert may_carry_token(fields)


@pytest.mark.parametrize(
    ("values", "may_carry"), [(["no-cache, , "], True), ([""], True), (["no-cache", "x"], False)]
)
def test_only_what_stands_between_commas_counts(values, may_carry):
    fields = Fields([(CONTROL, value) for value in values])
    assert (forbids_sharing(fields), may_carry_token(fields)) == (False, may_carry)


def test_a_page_with_a_token_says_private_and_nothing_of_its_last_change():
    headers = [("X-A", "1"), ("last-modified", "x"), ("ETag", '"x"'), (CONTROL, "No-Cache")]
    assert with_token(Fields(headers)) == [
        ("X-A", "1"),
        ("ETag", '"x"'),
        (CONTROL, "No-Cache, private"),
    ]
    headers = [("Last-Modified", "x"), (CONTROL, "no-store")]
    assert with_token(Fields(headers)) == [(CONTROL, "no-store")]
