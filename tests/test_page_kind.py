"""Of what kind a page is: how it is scanned, in what it is coded, how long it is."""

import pytest

from pagetimer_wsgi.page.document.head import Scanner
from pagetimer_wsgi.page.document.xhtml import XmlScanner
from pagetimer_wsgi.page.headers.fields import Fields
from pagetimer_wsgi.page.kind import kind_of as kind_of_fields
from pagetimer_wsgi.page.kind import may_be_page

HTML = ("Content-Type", "text/html")


def kind_of(status, headers):
    return kind_of_fields(Fields(headers)) if may_be_page(status, headers) else None


@pytest.mark.parametrize(
    ("content_type", "scanner"),
    [
        ("text/html", Scanner),
        ("Text/HTML;charset=utf-8", Scanner),
        ("application/xhtml+xml", XmlScanner),
        (" Application/XHTML+XML ; charset=UTF-8", XmlScanner),
    ],
)
def test_html_and_xhtml_are_each_read_by_their_own_rules(content_type, scanner):
    assert kind_of("200 OK", [("content-type", content_type)]).scanner is scanner


@pytest.mark.parametrize(
    "charset",
    [
        *("utf-16", "UTF-16LE", "utf16", "utf-32", "ucs-2", "ISO-10646-UCS-2", "unicode"),
        *("csUnicode", "unicodeFFFE", "iso-2022-jp", "csISO2022KR", "hz-gb-2312", "replacement"),
    ],
)
@pytest.mark.parametrize("form", ["charset={}", 'Charset = "{}"', "x=y; charset='{}'"])
def test_an_encoding_in_which_ascii_does_not_stand_for_itself_makes_no_page(charset, form):
    assert kind_of("200", [("Content-Type", f"text/html; {form.format(charset)}")]) is None


@pytest.mark.parametrize(
    ("values", "is_coded"),
    [
        ([], False),
        ([""], False),
        (["identity"], False),
        (["Identity", ""], False),
        (["gzip"], True),
        ([" X-GZip "], True),
        (["deflate"], True),
    ],
    ids=str,
)
def test_the_coding_is_that_of_the_header(values, is_coded):
    kind = kind_of("200", [HTML, *(("Content-Encoding", value) for value in values)])
    assert (kind.coding is not None) == is_coded


@pytest.mark.parametrize(
    "values", [["gzip, gzip"], ["gzip", "br"], ["aes128gcm"], ["identity, gzip"]], ids=str
)
def test_several_codings_or_others_make_no_page(values):
    assert kind_of("200", [HTML, *(("Content-Encoding", value) for value in values)]) is None


@pytest.mark.parametrize(
    ("values", "length"),
    [(["5"], 5), ([" 05 "], 5), (["5", "5"], None), (["-5"], None), ([], None)],
    ids=str,
)
def test_the_length_is_the_one_number_that_the_header_says(values, length):
    kind = kind_of("200", [HTML, *(("Content-Length", value) for value in values)])
    assert kind.length == length


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Disposition", ' ATTACHMENT ; filename="a"'),
        ("cache-control", "max-age=1 , No-Transform"),
        ("Content-Range", ""),
        ("X-SENDFILE", ""),
    ],
    ids=str,
)
def test_what_is_no_page_to_look_at_or_not_to_be_changed_is_none(header):
    assert kind_of("200 OK", [HTML]) is not None
    assert kind_of("200 OK", [HTML, header]) is None


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Disposition", "attachments"),
        ("Content-Disposition", 'inline; filename="attachment"'),
        ("Cache-Control", "x-no-transform"),
        ("X-Content-Range", "bytes 0-1/2"),
    ],
    ids=str,
)
def test_what_is_only_called_alike_hinders_nothing(header):
    assert kind_of("200 OK", [HTML, header]) is not None


@pytest.mark.parametrize("status", ["201 Not 200", "302 Found 404", "1200 OK", "x200"])
def test_a_status_is_read_from_its_beginning(status):
    assert kind_of(status, [HTML]) is None
