"""Which section of an ini file is ours, and that it is read as PasteDeploy reads it."""

import pytest

from pagetimer_wsgi import SettingsError
from pagetimer_wsgi.ini import read_ini

FILTER = "[filter:timer]\nuse = egg:pagetimer-wsgi\nsite = shop\n"


@pytest.fixture
def ini(tmp_path):
    def write(text):
        (tmp_path / "site.ini").write_text(text)
        return tmp_path / "site.ini"

    return write


def test_the_section_pagetimer_is_read(ini, tmp_path):
    options, here, where = read_ini(ini("[pagetimer]\nsite = shop\ndata = %(here)s/var\n"))
    assert options == {"site": "shop", "data": f"{tmp_path}/var"}
    assert here == tmp_path
    assert where.endswith("site.ini [pagetimer]")


def test_the_filter_that_uses_us_is_found_by_what_it_uses(ini):
    other = "[filter:other]\nuse = egg:other\nx = y\n"
    options, _, where = read_ini(ini(other + FILTER))
    assert options == {"site": "shop"}
    assert where.endswith("[filter:timer]")


def test_one_of_several_filters_is_named_after_a_hash(ini):
    path = ini(FILTER + FILTER.replace(":timer", ":second").replace("shop", "docs"))
    assert read_ini(f"{path}#second")[0] == {"site": "docs"}
    with pytest.raises(SettingsError, match=r"FILE#NAME"):
        read_ini(path)


def test_what_default_holds_is_no_option_of_ours(ini):
    text = "[DEFAULT]\ndebug = true\n[pagetimer]\nsite = %(debug)s\n"
    assert read_ini(ini(text))[0] == {"site": "true"}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        pytest.param("[pagetimer]\nsite = 100%\n", "A literal % is written %%", id="percent"),
        pytest.param("site = shop\n", "no section headers", id="no section"),
        pytest.param("[app:main]\nuse = egg:x\n", "egg:pagetimer-wsgi", id="not ours"),
        pytest.param("[pagetimer]\nsite=a\nsite=b\n", "already exists", id="twice"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_would_be_right(ini, text, right):
    with pytest.raises(SettingsError, match=right):
        read_ini(ini(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.ini cannot be read: No such file"):
        read_ini(tmp_path / "none.ini")
