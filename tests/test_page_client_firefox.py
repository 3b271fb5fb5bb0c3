"""The client in a real Firefox, in short: what it tells is what the test's own clock saw.

Firefox has no ``fetchLater`` and no ``visibility-state`` entries, its ``sendBeacon`` refuses what a
policy forbids, and it closes a page in another order than Chromium.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser import AUTOMATED, Collector, Said, about, collector
from firefox import Firefox, firefox, firefox_path

__all__ = ["firefox"]  # a fixture

pytestmark = pytest.mark.browser

PAGES = {
    "/": "<main>one two <b>three</b> <i hidden>four</i></main><a href=/next>next</a>",
    "/next": "<main>four five</main><a href=/>back</a>",
    "/frames": "<iframe src=/next></iframe><iframe src=/unseen style=display:none></iframe>",
    "/unseen": "never seen",
}


@pytest.fixture
def site() -> Iterator[Collector]:
    with collector(PAGES, attributes=AUTOMATED) as site:
        yield site


@pytest.fixture
def slow_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's script takes two seconds to arrive."""
    serve = Collector.__call__

    def slowly(site: Collector, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"].endswith(".js"):
            time.sleep(2)
        return serve(site, environ, start_response)

    monkeypatch.setattr(Collector, "__call__", slowly)


def served(site: Collector, path: str) -> float:
    """Return when the page went out, as soon as it did."""
    deadline = time.monotonic() + 10
    while path not in site.served:
        assert time.monotonic() < deadline, f"{path} was never asked for"
        time.sleep(0.01)
    return site.served[path]


def ended(site: Collector, path: str, end: Callable[[], object]) -> Said:
    """End or hide the page's view, and return the first beat that says so."""
    before = time.monotonic()
    end()
    while time.monotonic() < before + 10:
        for beat in site.of(path):
            if beat.arrived > before and beat["w"] in ("hide", "leave"):
                return beat
        time.sleep(0.01)
    raise AssertionError(f"no end of {path} among {[beat.fields for beat in site.beats]}")


def leave(firefox: Firefox, page: str) -> None:
    """Leave the page, but not by a close: then a busy Firefox loses a beat now and then."""
    firefox.navigate(page, "about:blank")


# Time


@pytest.mark.parametrize(
    "seconds", [pytest.param(0.5, id="a bounce"), pytest.param(2.5, id="some seconds")]
)
def test_a_visit_is_measured_from_the_servers_answer_to_the_close(
    seconds: float, site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/")
    start = site.wait("/", "start")
    assert start["n"] == "0"
    time.sleep(seconds)
    last = ended(site, "/", lambda: firefox.close(page))
    truth = last.arrived - site.served["/"]
    assert last.visible == about(truth)
    assert last.engaged == about(truth)
    assert last["v"] == start["v"]


def minimised(firefox: Firefox, page: str) -> Callable[[], None]:
    firefox.hide(page)
    return lambda: firefox.show(page)


def behind_another_tab(firefox: Firefox, page: str) -> Callable[[], None]:
    other = firefox.open("about:blank", background=True)
    firefox.activate(other)
    return lambda: firefox.close(other)


@pytest.mark.parametrize("hide", [minimised, behind_another_tab])
def test_time_does_not_count_while_the_page_is(
    hide: Callable[[Firefox, str], Callable[[], None]], site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/")
    start = site.wait("/", "start")
    time.sleep(1)
    ways: list[Callable[[], None]] = []
    hidden = ended(site, "/", lambda: ways.append(hide(firefox, page)))
    assert hidden.visible == about(hidden.arrived - site.served["/"])
    time.sleep(1.5)
    shown = time.monotonic()
    ways[0]()
    time.sleep(1)
    last = ended(site, "/", lambda: leave(firefox, page))
    firefox.close(page)
    assert last.visible - hidden.visible == about(last.arrived - shown)
    assert last.engaged - hidden.engaged == about(last.arrived - shown)
    assert last["v"] == start["v"]


def test_a_page_never_seen_makes_no_page_view(site: Collector, firefox: Firefox) -> None:
    page = firefox.open(site.url + "/unseen", background=True)
    served(site, "/unseen")
    time.sleep(1.2)
    firefox.close(page)
    time.sleep(0.5)
    assert not site.beats


def test_a_page_opened_in_the_background_counts_from_when_it_is_seen(
    site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/next", background=True)
    served(site, "/next")
    time.sleep(1.5)
    assert not site.beats
    seen = time.monotonic()
    firefox.activate(page)
    site.wait("/next", "start")
    time.sleep(1)
    last = ended(site, "/next", lambda: leave(firefox, page))
    firefox.close(page)
    assert last.visible == about(last.arrived - seen)


@pytest.mark.usefixtures("slow_script")
def test_the_time_before_the_script_ran_counts(site: Collector, firefox: Firefox) -> None:
    page = firefox.open(site.url + "/")
    start = site.wait("/", "start")
    assert start.visible == about(start.arrived - site.served["/"])
    firefox.close(page)


@pytest.mark.xfail(strict=True, reason="Firefox tells no script since when its page has been shown")
@pytest.mark.usefixtures("slow_script")
def test_the_time_before_the_page_was_seen_does_not_though_the_script_ran_later(
    site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/", background=True)
    time.sleep(served(site, "/") + 1.2 - time.monotonic())
    seen = time.monotonic()
    firefox.activate(page)
    start = site.wait("/", "start")
    assert start.visible == about(start.arrived - seen)
    firefox.close(page)


def test_a_frame_measures_itself_and_a_hidden_frame_nothing(
    site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/frames")
    site.wait("/next", "start")
    site.wait("/frames", "start")
    time.sleep(1)
    last = ended(site, "/next", lambda: leave(firefox, page))
    firefox.close(page)
    assert last.visible == about(last.arrived - site.served["/next"])
    assert not site.of("/unseen")


# From page to page


def test_a_link_ends_one_page_view_and_starts_the_next(site: Collector, firefox: Firefox) -> None:
    page = firefox.open(site.url + "/")
    start = site.wait("/", "start")
    time.sleep(1)
    left = ended(site, "/", lambda: firefox.click(page, "a"))
    began = site.wait("/next", "start")
    assert left["w"] == "leave"
    assert left.visible == about(left.arrived - site.served["/"])
    assert left["v"] == start["v"] != began["v"]
    assert (began["n"], began["r"]) == ("0", site.url + "/")
    firefox.close(page)


def test_a_return_by_the_browsers_cache_is_a_page_view_of_its_own(
    site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/")
    site.wait("/", "start")
    firefox.click(page, "a")
    start = site.wait("/next", "start")
    firefox.evaluate(page, "window.kept = true")
    firefox.click(page, "a")
    site.wait("/", "start", count=2)
    time.sleep(1)
    back = time.monotonic()
    firefox.back(page)
    again = site.wait("/next", "start", count=2)
    assert firefox.evaluate(page, "window.kept") is True, "the page did not come from the cache"
    time.sleep(1)
    last = ended(site, "/next", lambda: leave(firefox, page))
    firefox.close(page)
    assert start["v"] != again["v"] == last["v"]
    assert again["n"] == "0"
    assert start["r"]
    assert last["r"] == ""
    assert last.visible == about(last.arrived - back)


def test_a_route_change_starts_a_page_view_and_the_same_address_does_not(
    site: Collector, firefox: Firefox
) -> None:
    page = firefox.open(site.url + "/")
    start = site.wait("/", "start")
    firefox.evaluate(page, "history.replaceState(1, '')")
    time.sleep(1)
    changed = time.monotonic()
    firefox.evaluate(page, "history.pushState(2, '', '/route')")
    gone, began = site.wait("/", "route"), site.wait("/route", "start")
    time.sleep(1)
    last = ended(site, "/route", lambda: leave(firefox, page))
    firefox.close(page)
    assert [beat["v"] for beat in site.of("/")] == [start["v"], gone["v"]]
    assert gone["v"] == start["v"] != began["v"] == last["v"]
    assert gone.visible - start.visible == about(gone.arrived - start.arrived)
    assert last.visible == about(last.arrived - changed)
    assert last["r"] == "/"


# What it says, and when it is silent


def test_it_says_how_many_words_a_reader_sees(site: Collector, firefox: Firefox) -> None:
    page = firefox.open(site.url + "/")
    site.wait("/", "start")
    time.sleep(0.5)
    last = ended(site, "/", lambda: leave(firefox, page))
    firefox.close(page)
    assert last["l"] == "3"


def test_a_server_that_is_away_gets_the_totals_with_the_next_beat(
    site: Collector, firefox: Firefox
) -> None:
    site.away = True
    page = firefox.open(site.url + "/")
    served(site, "/")
    other = firefox.open("about:blank", background=True)
    time.sleep(1)
    hidden = time.monotonic()
    firefox.activate(other)  # a beat of its own, which is lost as well
    time.sleep(0.3)
    shown = time.monotonic()
    firefox.close(other)
    time.sleep(0.5)
    site.away = False
    last = ended(site, "/", lambda: leave(firefox, page))
    firefox.close(page)
    assert last.visible == about(hidden - site.served["/"] + last.arrived - shown)
    assert int(last["n"]) > 1


def test_it_says_nothing_more_of_a_person_who_opts_out(site: Collector, firefox: Firefox) -> None:
    page = firefox.open(site.url + "/")
    site.wait("/", "start")
    firefox.evaluate(page, "localStorage.pagetimer = 'off'")
    firefox.navigate(page, site.url + "/next")
    served(site, "/next")
    time.sleep(1)
    firefox.evaluate(page, "pagetimer.log('/by-hand') || 1")
    firefox.close(page)
    time.sleep(0.5)
    assert [(beat["p"], beat["w"]) for beat in site.beats] == [("/", "start")]
    assert not site.logs


def test_it_says_nothing_of_a_browser_driven_by_software(firefox: Firefox) -> None:
    with collector(PAGES) as site:
        page = firefox.open(site.url + "/")
        served(site, "/")
        time.sleep(1)
        firefox.close(page)
        time.sleep(0.5)
        assert not site.beats


@pytest.mark.parametrize(
    ("sources", "reports"),
    [
        # The beacon is refused, so fetch tries; Chromium takes the beacon, and drops it.
        pytest.param("'none'", 2, id="forbids its beats, by two reports"),
        pytest.param("'self'", 0, id="allows them, by none"),
    ],
)
def test_the_site_hears_of_a_policy_that(sources: str, reports: int, firefox: Firefox) -> None:
    policy = f"script-src 'self' 'unsafe-inline'; connect-src {sources}"
    watch = "addEventListener('securitypolicyviolation', function () { window.told++; })"
    pages = {"/": f"<script>window.told = 0; {watch}</script>"}
    with collector(
        pages, attributes=AUTOMATED, headers=[("Content-Security-Policy", policy)]
    ) as site:
        page = firefox.open(site.url + "/")
        served(site, "/")
        time.sleep(1)
        firefox.evaluate(page, "history.pushState(1, '', '/route')")
        time.sleep(0.7)
        assert firefox.evaluate(page, "window.told") == reports
        assert bool(site.of("/route", "start")) is (not reports)
        firefox.close(page)


def test_a_machine_without_firefox_skips_or_fails_as_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("PAGETIMER_TESTS_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception):
        firefox_path()
    monkeypatch.setenv("PAGETIMER_TESTS_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception):
        firefox_path()
