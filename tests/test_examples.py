"""The examples, as a reader meets them: under gunicorn with two workers, in a real browser."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import DevTools
from servers import (
    EXAMPLES,
    Answer,
    Server,
    Visitor,
    assert_installed,
    copy_examples,
    in_this_process,
)

from pagetimer_wsgi.events import PageView
from pagetimer_wsgi.settings import OPTIONS, read

TAG = re.compile(rb'<script async="async" src="/_pagetimer/pagetimer\.js[^>]*></script>')


@dataclass(frozen=True)
class Example:
    """One of them; how it is started and who can log in stands in its own head."""

    folder: str
    head: str
    page: str
    """A page for those who are logged in."""
    route: str
    static: str
    log_in: str
    name_field: str = "name"

    def command(self) -> list[str]:
        """Return what follows gunicorn on its command line, to be given in a clone's folder."""
        text = self._text().replace("\\\n#", "")
        [command] = re.findall(r"bin/gunicorn (--workers 2 .+)", text)
        return command.split()

    def people(self) -> list[tuple[str, str]]:
        """Return name and password of the reader and of the viewer."""
        return re.findall(r"`+(\w+)`+\s+\(password\s+`+(\w+)`+\)", self._text())

    def _text(self) -> str:
        return (EXAMPLES / self.folder / self.head).read_text()


EXAMPLE = [
    pytest.param(
        Example(
            folder="flask_course",
            head="app.py",
            page="/lesson/kneading/",
            route="/lesson/<name>/",
            static="/static/course.css",
            log_in="/log-in",
        ),
        id="flask",
    ),
    pytest.param(
        Example(
            folder="django_intranet",
            head="intranet/wsgi.py",
            page="/handbook/fog/",
            route="/handbook/<slug:chapter>/",
            static="/static/intranet.css",
            log_in="/log-in/",
            name_field="username",
        ),
        id="django",
    ),
    pytest.param(
        Example(
            folder="pyramid_docs",
            head="docs.ini",
            page="/chapter/first-light/",
            route="/chapter/{name}/",
            static="/static/manual.css",
            log_in="/log-in",
        ),
        id="pyramid",
    ),
]


@pytest.fixture(scope="module", params=EXAMPLE)
def example(request: pytest.FixtureRequest) -> Example:
    return request.param


@pytest.fixture(scope="module")
def server(
    example: Example, gunicorn: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> Server:
    folder = copy_examples(tmp_path_factory.mktemp("wrapped"))
    return gunicorn(*example.command(), folder=folder)


@pytest.fixture(scope="module")
def unwrapped(
    example: Example, gunicorn: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """The same application without the lines that wrap it."""
    folder = copy_examples(tmp_path_factory.mktemp("unwrapped"))
    for file in [*folder.rglob("*.py"), *folder.rglob("*.ini")]:
        text = re.sub(r"^\[filter:pagetimer\]\n(?:.+\n)*", "", file.read_text(), flags=re.MULTILINE)
        lines = [line for line in text.splitlines(True) if "pagetimer" not in line.lower()]
        file.write_text("".join(lines))
    return gunicorn(*example.command(), folder=folder)


def log_in(visitor: Visitor, example: Example, name: str, password: str) -> Visitor:
    form = visitor.get(example.log_in).body.decode()
    fields = dict(re.findall(r'name="(csrfmiddlewaretoken)" value="(\w+)"', form))
    fields |= {example.name_field: name, "password": password}
    assert visitor.post(example.log_in, **fields).status in (302, 303)
    return visitor


@pytest.mark.browser
def test_the_store_says_who_read_which_page_and_how_long(
    example: Example, server: Server, devtools: DevTools
) -> None:
    reader, password = example.people()[0]
    page = enter(devtools, example, server.url, reader, password)

    began = time.monotonic()
    go(devtools, page, f'main a[href="{example.page}"]', server.url + example.page)
    time.sleep(1.2)
    hidden = time.monotonic()
    devtools.hide(page)
    time.sleep(2)
    shown = time.monotonic()
    devtools.show(page)
    time.sleep(0.8)
    left = time.monotonic()
    go(devtools, page, 'header a[href="/"]', server.url + "/")
    time.sleep(1)
    devtools.close(page)
    closed = time.monotonic()

    views = server.stored(lambda found: len(of(found, reader, "/")) == 2 and all_ended(found))
    [reading] = of(views, reader, example.page)
    last = of(views, reader, "/")[-1]
    assert reading.visible_ms == pytest.approx(((hidden - began) + (left - shown)) * 1000, abs=1000)
    assert last.visible_ms == pytest.approx((closed - left) * 1000, abs=1000)
    assert reading.engaged_ms is not None
    assert 0 < reading.engaged_ms <= reading.visible_ms
    assert reading.route == example.route
    assert reading.referrer
    assert reading.words

    sessions = {view.session_key for view in views if view.username == reader}
    assert len(sessions) == 1
    assert re.fullmatch("[0-9a-f]{32}", sessions.pop() or "")
    assert [view.username for view in views if view.path == example.log_in] == [None]


@pytest.mark.browser
def test_the_older_packages_calls_from_a_page_are_stored_for_its_reader(
    example: Example, server: Server, devtools: DevTools
) -> None:
    reader, password = example.people()[0]
    page = enter(devtools, example, server.url, reader, password)
    go(devtools, page, f'main a[href="{example.page}"]', server.url + example.page)

    # As djaffar's description has it, and as django-pagetimer's script sends it.
    log = send(devtools, page, "log/", "'date=' + new Date().toISOString()")
    ping = send(devtools, page, "endpoint/", "'path=' + encodeURIComponent(location.pathname)")
    devtools.close(page)

    assert log == [204, ""]
    assert (ping[0], json.loads(ping[1])) == (200, {"status": "ok"})
    views = server.stored(lambda found: {"log", "ping"} <= {view.kind for view in found})
    session = of(views, reader, example.page)[-1].session_key
    for kind in "log", "ping":
        [call] = [view for view in views if view.kind == kind]
        assert (call.username, call.path) == (reader, example.page)
        assert call.session_key == session


@pytest.mark.parametrize("logged_in", [False, True], ids=["anonymous", "logged-in"])
def test_a_page_is_the_same_as_unwrapped_but_for_one_tag(
    example: Example, server: Server, unwrapped: Server, logged_in: bool
) -> None:
    wrapped, plain = Visitor(server.url), Visitor(unwrapped.url)
    if logged_in:
        for visitor in wrapped, plain:
            log_in(visitor, example, *example.people()[0])
    for path in ["/", example.log_in, example.page, "/nowhere"]:
        ours, theirs = wrapped.get(path), plain.get(path)
        assert ours.status == theirs.status
        is_page = (
            theirs.status not in (302, 303) and theirs.body.lstrip()[:9].lower() == b"<!doctype"
        )
        assert len(TAG.findall(ours.body)) == is_page, path
        assert comparable(TAG.sub(b"", ours.body)) == comparable(theirs.body)
        assert ours.header("Content-Length") == str(len(ours.body))
        assert headers(ours, server) == headers(theirs, unwrapped, private=logged_in and is_page)
    assert plain.get("/_pagetimer/health").status == 404


def test_a_static_file_is_untouched(example: Example, server: Server, unwrapped: Server) -> None:
    ours = Visitor(server.url).get(example.static)
    theirs = Visitor(unwrapped.url).get(example.static)
    assert ours.body == theirs.body
    assert (
        ours.body == next((EXAMPLES / example.folder).rglob(Path(example.static).name)).read_bytes()
    )
    names = ("content-type", "content-length", "cache-control", "set-cookie", "vary")
    assert [ours.header(name) for name in names] == [theirs.header(name) for name in names]
    assert (ours.header("ETag") is None) == (theirs.header("ETag") is None)
    assert (ours.header("Last-Modified") is None) == (theirs.header("Last-Modified") is None)


def test_only_the_viewer_sees_the_dashboard(example: Example, server: Server) -> None:
    reader, viewer = example.people()
    assert Visitor(server.url).get("/_pagetimer/").status == 403
    assert log_in(Visitor(server.url), example, *reader).get("/_pagetimer/").status == 403
    assert log_in(Visitor(server.url), example, *viewer).get("/_pagetimer/").status == 200


def test_the_tests_run_against_the_installed_package() -> None:
    assert_installed(in_this_process())


def test_the_servers_that_tests_start_run_the_installed_package(server: Server) -> None:
    packages = server.packages()
    assert len(packages) >= 2
    for package in packages:
        assert_installed(package)


def test_the_ini_file_lists_every_option_with_its_default_and_its_sentence() -> None:
    text = (EXAMPLES / "pagetimer.ini").read_text()
    listed = re.findall(r"((?:^# .+\n)+);(\w+) =(?: (.+))?$", text, flags=re.MULTILINE)
    assert [name for _, name, _ in listed] == list(OPTIONS)
    assert len(re.findall("^;", text, flags=re.MULTILINE)) == len(OPTIONS)
    # What the table says in words of these two is a place in the folder `data`.
    places = {"store": "sqlite:///pagetimer-data/pagetimer.db", "spool": "pagetimer-data/spool"}
    for comment, name, default in listed:
        row = OPTIONS[name].metadata
        assert re.sub("^# ", "", comment, flags=re.MULTILINE).split() == row["help"].split()
        assert default == places.get(name, row["default"] or "")


def test_the_ini_file_with_every_option_uncommented_changes_nothing(tmp_path: Path) -> None:
    parser = configparser.ConfigParser()
    text = (EXAMPLES / "pagetimer.ini").read_text()
    valued = [name for name, row in OPTIONS.items() if row.metadata["default"] is not None]
    parser.read_string(re.sub(rf"^;({'|'.join(valued)}) =", r"\1 =", text, flags=re.MULTILINE))
    written = dict(parser["pagetimer"])
    assert list(written) == valued
    assert read({}, written, tmp_path, environ={}) == read({}, {}, tmp_path, environ={})


def enter(devtools: DevTools, example: Example, url: str, name: str, password: str) -> str:
    """Open the site in a window of its own and log in, as a person does."""
    devtools.command("Storage.clearCookies")
    page = devtools.open(url + "/")
    arrive(devtools, page, url + "/")
    go(devtools, page, f'header a[href="{example.log_in}"]', url + example.log_in)
    devtools.type(page, f"main input[name={example.name_field}]", name)
    devtools.type(page, "main input[name=password]", password)
    go(devtools, page, "main button", url + "/")
    return page


def go(devtools: DevTools, page: str, selector: str, url: str) -> None:
    """Click, and wait for the page that it leads to."""
    devtools.evaluate(page, f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
    devtools.click(page, selector)
    arrive(devtools, page, url)


def arrive(devtools: DevTools, page: str, url: str) -> None:
    """Wait until the page is at that address and whole."""
    deadline = time.monotonic() + 10
    found = None
    while found != [url, "complete"]:
        assert time.monotonic() < deadline, f"{devtools.address(page)} does not become {url}"
        time.sleep(0.05)
        with contextlib.suppress(RuntimeError):  # between two pages there is none to ask
            found = devtools.evaluate(page, "[location.href, document.readyState]")


def send(devtools: DevTools, page: str, endpoint: str, body: str) -> list[object]:
    """Send a form from the page by XMLHttpRequest; return the answer's status and text."""
    return devtools.evaluate(
        page,
        f"""new Promise(function (done) {{
            var xhr = new XMLHttpRequest();
            xhr.open('POST', '/_pagetimer/{endpoint}', true);
            xhr.setRequestHeader('Content-type', 'application/x-www-form-urlencoded');
            xhr.onloadend = function () {{ done([xhr.status, xhr.responseText]); }};
            xhr.send({body});
        }})""",
    )


def of(views: list[PageView], user: str, path: str) -> list[PageView]:
    """Return this user's measured page views of the path, the oldest first."""
    return [view for view in views if (view.kind, view.username, view.path) == ("page", user, path)]


def all_ended(views: list[PageView]) -> bool:
    return all(view.ended == "exact" for view in views)


def comparable(body: bytes) -> bytes:
    """Return a page without what differs from one answer to the next."""
    return re.sub(rb'(csrfmiddlewaretoken" value=")\w+', rb"\1", body)


def headers(answer: Answer, server: Server, private: bool = False) -> list[tuple[str, str]]:
    """Return the headers that must be the same, with what a token asks of them."""
    kept = []
    for name, value in answer.headers:
        if name.lower() == "set-cookie":
            value = re.sub(r"=[^;]*", "=", value)
        if name.lower() not in ("content-length", "date"):
            kept.append((name.lower(), value.replace(server.url, "")))
    if private and not re.search("private|no-store", answer.header("Cache-Control") or ""):
        directives = answer.header("Cache-Control")
        kept = [pair for pair in kept if pair[0] != "cache-control"]
        kept.append(("cache-control", ", ".join(filter(None, [directives, "private"]))))
    return sorted(kept)
