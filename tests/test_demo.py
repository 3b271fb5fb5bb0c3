"""``pagetimer demo``: the sample site, its sample month, and what the terminal says."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request as HttpRequest
from urllib.request import urlopen
from xml.etree import ElementTree

import pytest
from webob import Request

from pagetimer_wsgi.demo import sample
from pagetimer_wsgi.demo.site import CHAPTERS, PATHS, Site
from pagetimer_wsgi.demo.watch import Watch
from pagetimer_wsgi.errors import StoreAway
from pagetimer_wsgi.events import PageView, fold
from pagetimer_wsgi.stores import Query, Store

START = "import pagetimer_wsgi.demo as demo; demo.run(None)"
NOW = 1_772_366_400_000  # 2026-03-01 12:00 UTC


class Demo:
    """The demo in a process of its own."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        self.lines: list[str] = []
        # What somebody's own site is configured with must not matter, least of all its store.
        environ = os.environ | {"PAGETIMER_STORE": "sqlite:////nowhere/at/all.db"}
        with errors.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environ,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = self.wait_for(r"http://\S+/$").split()[-1]
        self.dashboard = self.wait_for("dashboard").split()[-1]
        self.folder = Path(re.search(r"/\S*pagetimer-demo-\w+", self.wait_for("data are in"))[0])

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str, number: int = 1) -> str:
        """Return the first line with this pattern, once there are so many."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [line for line in self.lines if re.search(pattern, line)]
            if len(found) >= number:
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in {self.lines}; {self.errors.read_text()}")

    def get(self, path: str) -> str:
        with urlopen(self.address + path.removeprefix("/"), timeout=10) as response:
            return response.read().decode()

    def beat(self, **fields: object) -> int:
        """Send a beat as the client does, with the token of its page."""
        token = re.search(r'data-pagetimer="([^"]+)"', self.get(str(fields["p"])))[1]
        request = HttpRequest(
            self.dashboard + "beat",
            data=urlencode(fields | {"k": token}).encode(),
            headers={
                "Content-Type": "text/plain;charset=UTF-8",
                "Origin": self.address.rstrip("/"),
                "Sec-Fetch-Site": "same-origin",
            },
        )
        with urlopen(request, timeout=10) as response:
            return response.status

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=15)
        self._reader.join(timeout=5)
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def running(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "errors")
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.stop(signal.SIGTERM)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


# The whole of it


def test_it_says_the_sites_address_first_then_the_dashboards(demo: Demo):
    addresses = [line for line in demo.lines if "http://" in line]
    assert [line.split()[-1] for line in addresses] == [demo.address, demo.dashboard]
    assert demo.lines[:2] == addresses
    assert demo.address.startswith("http://127.0.0.1:")
    assert demo.dashboard == demo.address + "_pagetimer/"


def test_its_data_lie_in_the_folder_that_it_names(demo: Demo):
    assert (demo.folder / "pagetimer.db").is_file()
    assert "removed at the end" in demo.wait_for("data are in")


def test_every_page_carries_the_client(demo: Demo):
    for path in PATHS:
        assert demo.get(path).count("/_pagetimer/pagetimer.js") == 1


def test_the_dashboard_holds_a_sample_month_marked_as_sample(demo: Demo):
    page = demo.get("/_pagetimer/")
    assert "Sample data is among it" in page
    views = re.search(r"<dt>Page views</dt><dd>(.*?)</dd>", page)[1]
    assert 1200 < int(re.sub(r"\D", "", views)) < 1900


def test_a_page_that_is_left_is_one_line_and_stands_out_on_the_dashboard(demo: Demo):
    now = time.time_ns() // 1_000_000 - 12_500
    view_id = f"{now:012x}{secrets.token_hex(10)}"
    known = {"v": view_id, "p": "/chapter-2", "d": now + 12_400}
    assert demo.beat(n=0, t=0, e=0, w="start", **known) == 204
    assert demo.beat(n=1, t=12_400, e=9_100, w="leave", **known) == 204
    assert demo.wait_for("chapter-2") == "/chapter-2  12.4 s visible, 9.1 s engaged"
    page = demo.get("/_pagetimer/")
    own = page.split('class="own"')[1].split("</section>")[0]
    assert "/chapter-2" in own
    assert "12.4 s" in own
    time.sleep(1.2)
    assert sum("chapter-2" in line for line in demo.lines) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_leaves_nothing_behind(tmp_path: Path, number: int):
    with running(tmp_path) as demo:
        demo.get("/")
        assert demo.stop(number) == 0
        assert not demo.folder.exists()
        assert demo.errors.read_text() == ""
        assert demo.lines[-1] == "The demo is over; its data are removed."


def test_a_page_left_just_before_the_end_still_gets_its_line(tmp_path: Path):
    with running(tmp_path) as demo:
        now = time.time_ns() // 1_000_000 - 3_000
        view_id = f"{now:012x}{secrets.token_hex(10)}"
        demo.beat(v=view_id, n=0, t=2_000, e=1_000, w="leave", p="/glossary", d=now + 2_000)
        assert demo.stop(signal.SIGTERM) == 0
        assert "/glossary  2.0 s visible, 1.0 s engaged" in demo.lines


# The site


def get(address: str, **options: object) -> object:
    return Request.blank(address, **options).get_response(Site())


def test_every_link_of_the_site_leads_somewhere():
    for path in PATHS:
        page = get(path).text
        for link in re.findall(r'(?:href|src|action)="([^"]*)"', page):
            target, _, anchor = link.partition("#")
            if target != "/_pagetimer/":
                answer = get(target)
                assert answer.status_int == 200, (path, link)
                assert not anchor or f'id="{anchor}"' in answer.text, (path, link)


@pytest.mark.parametrize("path", [f"/chapter-{chapter.number}" for chapter in CHAPTERS])
def test_a_chapter_is_worth_some_minutes_of_reading(path: str):
    page = get(path)
    assert len(re.sub(r"<[^>]*>", " ", page.text).split()) > 350
    assert '<a href="/_pagetimer/">' in page.text


def test_links_hold_where_the_site_is_mounted_deeper():
    page = get("/chapter-1", environ={"SCRIPT_NAME": "/course"}).text
    assert all(
        link.startswith(("/course/", "#")) for link in re.findall(r'(?:href|src)="([^"]*)"', page)
    )


def test_the_search_finds_words_in_any_case_and_shows_them_in_their_place():
    page = get("/search?q=harrison").text
    assert "stands on 3 pages" in page
    assert "<mark>Harrison</mark>" in page


@pytest.mark.parametrize("query", ["", "q=", "q=%20", "q=%ff", "q=zzzz", "q=%3Cb%3E"])
def test_a_search_for_nothing_that_is_there_is_answered(query: str):
    page = get(f"/search?{query}")
    assert page.status_int == 200
    assert "<mark>" not in page.text
    assert "<b>" not in page.text


def test_a_page_that_is_not_there_is_404_with_the_way_back():
    page = get("/chapter-9")
    assert page.status_int == 404
    assert '<a href="/">' in page.text


def test_only_reading_is_possible():
    answer = get("/", method="POST")
    assert (answer.status_int, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_files_are_not_sent_twice():
    first = get("/static/style.css")
    assert first.content_type == "text/css"
    again = get("/static/style.css", headers={"If-None-Match": f'"{first.etag}"'})
    assert (again.status_int, again.body) == (304, b"")


def test_the_picture_is_svg():
    picture = get("/static/sundial.svg")
    assert picture.content_type == "image/svg+xml"
    assert ElementTree.fromstring(picture.text).tag == "{http://www.w3.org/2000/svg}svg"


# The sample month


def test_a_seed_always_gives_the_same_month():
    assert list(sample.month(NOW, seed=3)) == list(sample.month(NOW, seed=3))
    assert list(sample.month(NOW, seed=3)) != list(sample.month(NOW, seed=4))


def test_the_month_could_have_been():
    beats = list(sample.month(NOW))
    assert len(fold(beats)) == len(beats)
    assert 1200 < len(beats) < 1900
    for beat in beats:
        begun = beat.received_at - beat.age
        assert NOW - 30 * 86_400_000 < begun <= beat.received_at <= NOW
        assert beat.view_id[:12] == f"{begun:012x}"
        assert beat.site == "sample"
        assert beat.path in PATHS
        if beat.visible_ms is not None:
            assert 0 <= beat.engaged_ms <= beat.visible_ms <= beat.age


def test_the_month_knows_all_kinds_of_page_views():
    views = fold(sample.month(NOW)).values()
    assert len({view.username for view in views if view.username}) == 8
    assert {view.path for view in views} == set(PATHS)
    assert {view.ended for view in views} == {"exact", "at least"}
    assert {view.visible_ms is None for view in views} == {True, False}
    assert {view.username is None for view in views} == {True, False}


# The lines in the terminal


class Shelf(Store):
    """A store in memory; what lies in it can be exchanged."""

    def __init__(self) -> None:
        self.views: list[PageView] = []
        self.away = False

    @classmethod
    def open(cls, url: str, *, fsync: bool = False, migrate: bool = True) -> Shelf:
        raise NotImplementedError

    def identity(self) -> str:
        return "shelf"

    def write(self, beats, page_views=()):
        raise NotImplementedError

    def beats(self, query):
        raise NotImplementedError

    def purge_by_steps(self, query, of="page_views"):
        raise NotImplementedError

    def check(self) -> str:
        raise NotImplementedError

    def page_views(self, query: Query) -> Iterator[PageView]:
        if self.away:
            raise StoreAway("gone")
        yield from (view for view in self.views if view.site == query.site)


def a_view(path: str, visible: int | None, **known: object) -> PageView:
    values = {
        "view_id": path.strip("/").encode().hex().rjust(32, "0"),
        "kind": "page",
        "path": path,
        "first_seq": 0,
        "last_seq": 1,
        "started_at": NOW,
        "last_seen_at": NOW,
        "visible_ms": visible,
        "engaged_ms": visible,
        "ended": "exact",
        "site": "demo",
        **known,
    }
    return PageView(**values)


def watched(*shelves: list[PageView]) -> list[str]:
    """Return what is said where the store holds one of these after the other."""
    store, lines = Shelf(), []
    watch = Watch(store, "demo", lines.append)
    for views in shelves:
        store.views = views
        watch.look()
    return lines


def test_a_page_is_said_once_and_only_when_it_was_left():
    still_open = [a_view("/a", 500, ended="at least")]
    left = [a_view("/a", 1_000)]
    assert watched(still_open, left, left) == ["/a  1.0 s visible, 1.0 s engaged"]


def test_pages_are_said_in_the_order_in_which_they_were_left():
    views = [a_view("/b", 1, last_seen_at=NOW + 1), a_view("/a", 1, last_seen_at=NOW + 2)]
    assert [line.split()[0] for line in watched(views[::-1])] == ["/b", "/a"]


def test_the_sample_is_not_said():
    assert watched([a_view("/a", 1, site="sample")]) == []


def test_a_hidden_page_that_is_read_on_is_said_again_as_the_same():
    hidden, back = [a_view("/a", 1_000)], [a_view("/a", 4_000, ended="at least")]
    assert watched(hidden, back, [a_view("/a", 5_000)]) == [
        "/a  1.0 s visible, 1.0 s engaged",
        "/a  5.0 s visible, 5.0 s engaged in all, after coming back",
    ]


def test_a_hidden_page_that_is_closed_is_not_said_again():
    assert len(watched([a_view("/a", 1_000)], [a_view("/a", 1_020, last_seq=2)])) == 1


def test_unknown_time_is_said_as_unknown():
    assert watched([a_view("/a", None)]) == ["/a  – visible, – engaged"]


def test_a_store_that_is_away_is_asked_again():
    store, lines = Shelf(), []
    store.views, store.away = [a_view("/a", 1_000)], True
    watch = Watch(store, "demo", lines.append)
    watch.look()
    store.away = False
    watch.look()
    assert len(lines) == 1
