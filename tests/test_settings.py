"""The option table, and the ways in which a value reaches it."""

from pathlib import Path

import pytest

from pagetimer_wsgi import SettingsError
from pagetimer_wsgi.settings import OPTIONS, Settings, read


def settings(environ: dict[str, str] | None = None, **keywords: object) -> Settings:
    return read(keywords, environ=environ or {})


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("prefix", "/timer/", "/timer"),
        ("prefix", "a/b", "/a/b"),
        ("fsync", "YES", True),
        ("fsync", False, False),
        ("spool_limit", "1.5 GiB", 3 * 2**29),
        ("spool_limit", 4096, 4096),
        ("interval", "2 minutes", 120),
        ("idle_after", 45, 45),
        ("token_max_age", "2 weeks", 14 * 86400),
        ("rate_limit", "100/second", (100, 1)),
        ("rate_limit", "5/10 s", (5, 10)),
        ("rate_limit", (7, 60), (7, 60)),
        ("rate_limit", "0", (0, 60)),
        ("user_key", "REMOTE_USER, who:user.name", ("REMOTE_USER", "who:user.name")),
        ("viewers", "ada, Grace Hopper", frozenset({"ada", "Grace Hopper"})),
        ("viewers", ["ada"], frozenset({"ada"})),
        ("query_parameters", "page q", ("page", "q")),
        ("ip", "FULL", "full"),
        ("url", "https://example.org/t/_pagetimer/", "https://example.org/t/_pagetimer"),
        ("url", "/t/_pagetimer", "/t/_pagetimer"),
        ("time_zone", "Europe/Berlin", "Europe/Berlin"),
        ("site", " ", None),
        ("keep_page_views", "2 weeks", 14 * 86400),
        ("keep_beats", "For Ever", None),
        ("keep_rows", "1000", 1000),
        ("keep_rows", "no limit", None),
    ],
)  # fmt: skip
def test_a_value_becomes_what_its_option_holds(name, written, value):
    assert getattr(settings(**{name: written}), name) == value


@pytest.mark.parametrize(
    ("name", "written", "right"),
    [
        ("prefix", "/a b", "/_pagetimer"),
        ("fsync", "maybe", "yes or no"),
        ("spool_limit", "many", "512 MiB"),
        ("interval", "-3 s", "30 s"),
        ("trusted_proxies", "-1", "0 or more"),
        ("rate_limit", "ten", "6000/minute"),
        ("ip", "some", "truncated, full, none"),
        ("url", "ftp://example.org", "http(s)"),
        ("url", "https://example.org/?x=1", "without ?"),
        ("time_zone", "Mars/Olympus", "Europe/Berlin"),
        ("exclude_ips", "10.0.0.0/33", "10.0.0.0/8"),
        ("exclude", "course", "begins with /"),
        ("secret", "short", "16 characters"),
        ("viewer_token", "short", "12 characters"),
        ("identify", "os.path", "module:function"),
        ("identify", "no_such_module:f", "cannot be imported"),
        ("identify", "os:sep", "not callable"),
        ("user_key", "beaker.session:", "KEY:ITEM"),
        ("query_parameters", 5, "a list"),
        ("keep_page_views", "0", "`for ever`"),
        ("keep_beats", "long", "`for ever`"),
        ("keep_rows", "0", "`no limit`"),
        ("keep_rows", "-1", "`no limit`"),
    ],
)
def test_a_value_that_does_not_convert_stops_the_start_and_says_what_is_right(name, written, right):
    with pytest.raises(SettingsError) as caught:
        settings(**{name: written})
    assert caught.value.option == name
    assert right in str(caught.value)


def test_an_unknown_option_names_the_nearest_known_one():
    with pytest.raises(SettingsError, match="the nearest is session_key"):
        settings(sesion_key="x")


def test_a_keyword_comes_before_the_environment_before_the_ini_before_the_default():
    environ = {"PAGETIMER_IDLE_AFTER": "20 s"}
    ini = {"idle_after": "10 s", "interval": "5 s"}
    assert read({"idle_after": 40}, ini, environ=environ).idle_after == 40
    assert read({}, ini, environ=environ).idle_after == 20
    assert read({}, ini, environ={}).idle_after == 10
    assert read({}, environ={}).idle_after == 30


def test_a_wrong_value_says_where_it_stands():
    with pytest.raises(SettingsError, match=r"production.ini \[pagetimer\]"):
        read({}, {"ip": "x"}, where="production.ini [pagetimer]", environ={})
    with pytest.raises(SettingsError, match="environment variable PAGETIMER_IP"):
        settings({"PAGETIMER_IP": "x"})


def test_a_variable_that_is_no_option_is_one_warning_naming_the_nearest(caplog):
    settings({"PAGETIMER_SITES": "x", "OTHER": "y"})
    assert [record.message for record in caplog.records] == [
        "PAGETIMER_SITES is no option of pagetimer; the nearest is PAGETIMER_SITE."
    ]


def test_relative_paths_count_from_the_ini_files_folder_else_from_the_working_directory(tmp_path):
    ini = {"data": "var", "store": "sqlite:///db/times.db", "secret_file": "/etc/secret"}
    found = read({}, ini, tmp_path, environ={})
    assert found.data == tmp_path / "var"
    assert found.store == f"sqlite:///{tmp_path}/db/times.db"
    assert found.spool == tmp_path / "var" / "spool"
    assert found.secret_file == Path("/etc/secret")
    assert settings().data == Path.cwd() / "pagetimer-data"


def test_an_absolute_sqlite_url_stays_as_it_is(tmp_path):
    assert settings(store="sqlite:////var/times.db").store == "sqlite:////var/times.db"


def test_every_option_has_a_sentence_and_a_default_that_converts():
    for row in OPTIONS.values():
        assert row.metadata["help"].endswith("."), row.name
    assert settings()


def test_no_secret_is_shown_by_the_settings_themselves():
    found = settings(secret="s" * 20, viewer_token="t" * 20, store="sqlite:////p4ss/x.db")
    assert not any(secret in repr(found) for secret in ("s" * 20, "t" * 20, "p4ss"))


def test_a_working_directory_that_was_removed_stops_no_start(tmp_path, monkeypatch):
    gone = tmp_path / "release"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("PWD", str(gone))
    gone.rmdir()
    assert read({}).data == gone / "pagetimer-data"
    assert read({"data": "/srv/beats"}).spool == Path("/srv/beats/spool")
