"""The client in a real browser: what it tells is what the test's own clock saw."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from browser import (
    AUTOMATED,
    CLIENT,
    CLOSE,
    Collector,
    DevTools,
    about,
    chromium,
    chromium_path,
    collector,
    devtools,
    require,
)

from pagetimer_wsgi.beat.parse import cut_path
from pagetimer_wsgi.page.tag import route_cut

__all__ = ["chromium", "devtools"]  # fixtures

SOURCE = CLIENT / "pagetimer.js"
MINIFIED = CLIENT / "pagetimer.min.js"
BUDGET = 1300
PAGES = {
    "/": "<main>one two three</main><a href=/next>next</a> <input>",
    "/next": "<main>four five</main><a href=/>back</a>",
    "/frames": "<iframe src=/next></iframe><iframe src=/unseen style=display:none></iframe>",
    "/unseen": "never seen",
}


@pytest.fixture
def site() -> Iterator[Collector]:
    with collector(PAGES, attributes=AUTOMATED) as site:
        yield site


def npx(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which("npx")
    require(path, "no npx on this machine")
    return subprocess.run(
        [str(path), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


# The files


def test_the_minified_form_is_what_the_documented_command_makes_of_the_source(
    tmp_path: Path,
) -> None:
    documented = re.search(r"npx (--yes terser@\d+\.\d+\.\d+ .*)", SOURCE.read_text())
    assert documented is not None
    words = shlex.split(documented[1])
    assert words[-2] == "--output"
    made = tmp_path / "made.js"
    words[words.index("pagetimer_wsgi/page/client/pagetimer.js")] = str(SOURCE)
    words[-1] = str(made)
    ran = npx(*words)
    assert ran.returncode == 0, ran.stderr
    assert made.read_bytes() == MINIFIED.read_bytes()


def test_the_minified_form_is_within_its_budget() -> None:
    assert len(gzip.compress(MINIFIED.read_bytes(), 9, mtime=0)) <= BUDGET


@pytest.mark.parametrize("path", [SOURCE, MINIFIED], ids=lambda path: path.name)
def test_both_forms_are_ecmascript_5(path: Path) -> None:
    ran = npx("--yes", "acorn@8", "--ecma5", "--silent", str(path))
    assert ran.returncode == 0, ran.stderr


# Time, in a browser of which the page knows nothing


@pytest.mark.browser
def test_time_while_the_window_is_hidden_does_not_count(
    site: Collector, devtools: DevTools
) -> None:
    page = devtools.open(site.url + "/")
    start = site.wait("/", "start")
    time.sleep(2)
    devtools.hide(page)
    hidden = site.wait("/", "hide")
    first = hidden.arrived - start.arrived
    assert hidden.visible == about(first)
    assert hidden.engaged == about(first)
    time.sleep(2)
    devtools.show(page)
    shown = time.monotonic()
    time.sleep(1.5)
    devtools.close(page)
    left = site.wait("/", "leave")
    truth = first + left.arrived - shown
    assert left.visible == about(truth)
    assert left.engaged == about(truth)
    assert left["v"] == start["v"]


@pytest.mark.browser
def test_the_first_beat_comes_at_once_and_a_bounce_is_measured(
    site: Collector, devtools: DevTools
) -> None:
    page = devtools.open(site.url + "/")
    start = site.wait("/", "start")
    assert start.arrived - site.served["/"] < CLOSE
    assert start["n"] == "0"
    time.sleep(0.7)
    devtools.close(page)
    left = site.wait("/", "leave")
    assert left.visible == about(left.arrived - site.served["/"])


@pytest.mark.browser
def test_a_page_opened_in_the_background_counts_from_when_it_is_seen(
    site: Collector, devtools: DevTools
) -> None:
    front = devtools.open(site.url + "/")
    site.wait("/", "start")
    page = devtools.open(site.url + "/next", background=True)
    time.sleep(1.5)
    assert not site.of("/next")
    devtools.command("Target.activateTarget", targetId=page)
    seen = time.monotonic()
    site.wait("/next", "start")
    time.sleep(1)
    devtools.close(page)
    left = site.wait("/next", "leave")
    assert left.visible == about(left.arrived - seen)
    devtools.close(front)


@pytest.mark.browser
def test_a_page_never_seen_makes_no_page_view(site: Collector, devtools: DevTools) -> None:
    front = devtools.open(site.url + "/")
    site.wait("/", "start")
    page = devtools.open(site.url + "/unseen", background=True)
    time.sleep(1)
    devtools.close(page)
    devtools.close(front)
    site.wait("/", "leave")
    assert not site.of("/unseen")


@pytest.mark.browser
def test_a_return_by_the_browsers_cache_is_a_page_view_of_its_own(
    site: Collector, devtools: DevTools
) -> None:
    # Later, as a page that is left under a session is not kept.
    leave = "window.kept = true; setTimeout(function () { document.links[0].click(); }, 1000) && 1"
    page = devtools.open(site.url + "/")
    devtools.evaluate(page, leave)
    first = site.wait("/next", "start")
    devtools.evaluate(page, leave)
    site.wait("/", "start", count=2)
    devtools.evaluate(page, "setTimeout(function () { history.back(); }, 500) && 1")
    again = site.wait("/next", "start", count=2)
    time.sleep(1)
    assert devtools.evaluate(page, "window.kept") is True, "the page did not come from the cache"
    devtools.close(page)
    left, second = site.wait("/next", "leave"), site.wait("/next", "leave", count=2)
    assert first["v"] == left["v"] != second["v"] == again["v"]
    assert again["n"] == "0"
    assert left["r"] == site.url + "/"
    assert second["r"] == ""  # it comes from nowhere
    assert second.visible == about(second.arrived - again.arrived)


@pytest.mark.browser
def test_a_prerendered_page_counts_from_when_it_is_shown(
    site: Collector, devtools: DevTools
) -> None:
    page = devtools.open(site.url + "/")
    site.wait("/", "start")
    site.served.pop("/next", None)
    devtools.evaluate(
        page,
        """document.head.appendChild(Object.assign(document.createElement('script'), {
             type: 'speculationrules',
             text: '{"prerender": [{"urls": ["/next"], "eagerness": "immediate"}]}'})) && 1""",
    )
    time.sleep(2)
    if "/next" not in site.served:
        pytest.skip("this browser prerendered nothing")
    assert not site.of("/next")
    devtools.click(page, "a")
    shown = site.wait("/", "leave").arrived
    site.wait("/next", "start")
    time.sleep(1)
    devtools.close(page)
    left = site.wait("/next", "leave")
    assert left.visible == about(left.arrived - shown)


@pytest.mark.browser
def test_a_frame_measures_itself_and_a_hidden_frame_nothing(
    site: Collector, devtools: DevTools
) -> None:
    page = devtools.open(site.url + "/frames")
    start = site.wait("/next", "start")
    time.sleep(1)
    devtools.close(page)
    assert site.wait("/next", "leave").visible == about(time.monotonic() - start.arrived)
    site.wait("/frames", "leave")
    assert not site.of("/unseen")


@pytest.mark.browser
def test_engaged_time_ends_where_the_signs_of_use_do(devtools: DevTools) -> None:
    with collector(PAGES, attributes={**AUTOMATED, "data-idle": "1000"}) as site:
        page = devtools.open(site.url + "/")
        start = site.wait("/", "start")
        time.sleep(2.5)
        devtools.type(page, "input", "x")  # one more second
        time.sleep(2)
        devtools.close(page)
        left = site.wait("/", "leave")
        assert left.visible == about(left.arrived - start.arrived)
        assert left.engaged == about(2)


@pytest.mark.browser
def test_reading_inside_a_frame_is_use(chromium: Any) -> None:
    with collector(PAGES, attributes={**AUTOMATED, "data-idle": "1000"}) as site:
        page = chromium.new_page()
        page.goto(site.url + "/frames")
        start = site.wait("/frames", "start")
        page.frame_locator("iframe").first.locator("main").click()
        page.wait_for_timeout(3000)
        page.close()
        left = site.wait("/frames", "leave")
        assert left.engaged == about(left.arrived - start.arrived)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("jump", "counted"),
    [
        pytest.param(20, 0.5, id="a sleep, of which half a second counts"),
        pytest.param(8, 8, id="an alert, which counts whole"),
    ],
)
def test_a_late_tick_is(jump: float, counted: float, site: Collector, chromium: Any) -> None:
    page = chromium.new_page()
    page.add_init_script(
        """(function (now) {
             window.jump = 0;
             performance.now = function () { return now.call(performance) + jump; };
           })(performance.now);"""
    )
    page.goto(site.url + "/")
    start = site.wait("/", "start")
    page.wait_for_timeout(700)
    page.evaluate(f"jump = {jump * 1000}")
    page.wait_for_timeout(700)
    page.close()
    left = site.wait("/", "leave")
    assert left.visible == about(left.arrived - start.arrived + counted)


# What it says, to a person who clicks


NOTHING_TO_ARM = {
    "there is no fetchLater": "delete window.fetchLater",
    "fetchLater is forbidden": "window.fetchLater = function () { throw new Error('quota'); }",
}


@pytest.mark.browser
@pytest.mark.parametrize(
    "script", [pytest.param(NOTHING_TO_ARM[name], id=name) for name in NOTHING_TO_ARM]
)
def test_beats_have_the_wires_form_and_come_each_10_s_where(
    script: str, site: Collector, chromium: Any
) -> None:
    page = chromium.new_page()
    page.add_init_script(script)
    page.goto(site.url + "/")
    began = site.wait("/", "start")
    now = time.time() * 1000
    page.wait_for_timeout(11_000)  # over one heartbeat
    page.click("a")
    left = site.wait("/", "leave")
    next_began = site.wait("/next", "start")
    page.close()
    beats = site.of("/")
    assert [beat["w"] for beat in beats] == ["start", "beat", "leave"]
    assert began["n"] == "0"
    assert len({beat["v"] for beat in beats}) == 1
    assert re.fullmatch("[0-9a-f]{32}", began["v"])
    born = int(began["v"][:12], 16)
    assert abs(now - born) < 5000
    for beat in beats:
        assert all(re.fullmatch("[0-9]+", beat[name]) for name in "nted")
        age = int(beat["d"]) - born
        assert int(beat["e"]) <= int(beat["t"]) <= age
        assert beat["k"] == ""
    assert beats[1].visible == pytest.approx(10, abs=1)
    assert left.visible == about(left.arrived - began.arrived)
    assert left["l"] == "3"
    assert next_began["r"] == site.url + "/"


@pytest.mark.browser
def test_what_is_armed_is_never_sent_beside_a_beat_and_no_seq_carries_two_totals(
    site: Collector, devtools: DevTools
) -> None:
    page = devtools.open(site.url + "/")
    site.wait("/", "start")
    assert devtools.evaluate(page, "!!window.fetchLater")
    for _ in range(2):
        time.sleep(1.2)
        devtools.hide(page)
        time.sleep(1.2)
        devtools.show(page)
    devtools.evaluate(page, "setTimeout(function () { document.links[0].click(); }, 700) && 1")
    site.wait("/next", "start")
    devtools.close(page)
    site.wait("/next", "leave")
    time.sleep(1)
    beats = site.of("/")
    assert [beat["w"] for beat in beats] == ["start", "hide", "hide", "leave"]
    numbers = [int(beat["n"]) for beat in beats]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > len(numbers)  # those armed in between had numbers, too


@pytest.mark.browser
def test_a_page_whose_process_dies_still_tells_its_latest_totals(site: Collector) -> None:
    browser = DevTools(chromium_path())
    try:
        browser.open(site.url + "/")
        start = site.wait("/", "start")
        time.sleep(4)
        for process in browser.command("SystemInfo.getProcessInfo")["processInfo"]:
            if process["type"] == "renderer":
                os.kill(process["id"], signal.SIGKILL)
        last = site.wait("/", "later")
        assert last["v"] == start["v"]
        assert last.visible == pytest.approx(last.arrived - start.arrived, abs=1.2)
    finally:
        browser.quit()


@pytest.mark.browser
def test_a_route_change_ends_one_page_view_and_starts_the_next(
    site: Collector, chromium: Any
) -> None:
    page = chromium.new_page()
    page.goto(site.url + "/")
    start = site.wait("/", "start")
    page.wait_for_timeout(1000)
    page.evaluate("history.replaceState(1, ''); history.pushState(2, '', '/route?secret#part')")
    ended, began = site.wait("/", "route"), site.wait("/route", "start")
    page.wait_for_timeout(1000)
    page.close()
    left = site.wait("/route", "leave")
    assert len(site.of("/")) == 2
    assert ended["v"] == start["v"] != began["v"] == left["v"]
    assert ended.visible == about(ended.arrived - start.arrived)
    assert left.visible == about(left.arrived - began.arrived)
    assert left["r"] == "/"


@pytest.mark.browser
def test_query_and_fragment_go_where_the_tag_asks_for_them(chromium: Any) -> None:
    asked = {**AUTOMATED, "data-cut": route_cut(("*",), True)}
    with collector(PAGES, attributes=asked) as site:
        page = chromium.new_page()
        page.goto(site.url + "/?a=1&b=%20#part")
        site.wait("/?a=1&b=%20#part", "start")
        page.close()


@pytest.mark.browser
def test_a_change_of_what_is_not_kept_is_no_route_change(chromium: Any) -> None:
    asked = {**AUTOMATED, "data-cut": route_cut(("page", "q"), False)}
    with collector(PAGES, attributes=asked) as site:
        page = chromium.new_page()
        page.goto(site.url + "/?utm=x&page=1#top")
        site.wait("/?page=1", "start")
        for address in "?page=1", "?page=1&utm=y", "?tab=2&page=1#end", "?page=2&tab=2":
            page.evaluate(
                "history.replaceState(null, '', address)".replace("address", repr(address))
            )
            page.wait_for_timeout(100)
        site.wait("/?page=2", "start")
        page.close()
        site.wait("/?page=2", "leave")
        assert [beat["w"] for beat in site.of("/?page=1")] == ["start", "route"]
        assert {beat["p"] for beat in site.beats} == {"/?page=1", "/?page=2"}


@pytest.mark.browser
def test_a_browser_cuts_an_address_as_the_server_does(chromium: Any) -> None:
    random = Random(5)
    kept = [(), ("a",), ("a", "b-a"), ("ab", "b"), ("*",)]
    cases = []
    for _ in range(3000):
        address = "/x" + "".join(random.choices("?#&=/ab%-.", k=random.randrange(16)))
        names, fragments = random.choice(kept), random.random() < 0.5
        cases.append((address, route_cut(names, fragments), cut_path(address, names, fragments)))
    page = chromium.new_page()
    routes = page.evaluate(
        """cases => cases.map(([address, cut]) =>
             ('http://h:8' + address).replace(RegExp(cut, 'g'), '$1$2'))""",
        [case[:2] for case in cases],
    )
    page.close()
    wrong = [(*case, route) for case, route in zip(cases, routes, strict=True) if case[2] != route]
    assert not wrong


@pytest.mark.browser
def test_a_tag_that_runs_again_only_brings_its_token(chromium: Any) -> None:
    with collector(PAGES, attributes={**AUTOMATED, "data-pagetimer": "first+/="}) as site:
        page = chromium.new_page()
        page.goto(site.url + "/")
        start = site.wait("/", "start")
        page.evaluate(
            """new Promise(function (done) {
                 var again = document.createElement('script');
                 again.src = '/_pagetimer/pagetimer.js?v=other';
                 again.setAttribute('data-pagetimer', 'second');
                 again.onload = done;
                 document.body.appendChild(again);
               })"""
        )
        page.close()
        left = site.wait("/", "leave")
        assert (start["k"], left["k"]) == ("first+/=", "second")
        assert [beat["w"] for beat in site.beats] == ["start", "leave"]


@pytest.mark.browser
def test_a_tag_that_comes_after_its_page_was_complete_counts_from_then(
    site: Collector, chromium: Any
) -> None:
    page = chromium.new_page()
    untagged = "/_pagetimer/pagetimer.js"
    page.goto(site.url + untagged)  # and then on to another route, as Turbo does
    page.wait_for_timeout(2000)
    page.evaluate(
        """var tag = document.createElement('script'), cut = '()()^.*?//[^/]*';
           tag.src = '/_pagetimer/pagetimer.js';
           Object.assign(tag.dataset, { pagetimer: '', idle: '30000', cut: cut, off: '' });
           document.body.appendChild(tag);"""
    )
    assert site.wait(untagged, "start").visible < CLOSE
    page.close()


# When it is silent


@pytest.mark.browser
@pytest.mark.parametrize(
    ("attributes", "script"),
    [
        pytest.param({}, "", id="a browser driven by software"),
        pytest.param(AUTOMATED, "localStorage.pagetimer = 'off'", id="a person who opted out"),
    ],
)
def test_it_says_nothing_of(attributes: dict[str, str], script: str, chromium: Any) -> None:
    with collector(PAGES, attributes=attributes) as site:
        page = chromium.new_page()
        page.add_init_script(script)
        page.goto(site.url + "/")
        page.wait_for_function("!!(window.pagetimer && pagetimer.log)")
        page.evaluate("pagetimer.log('/by-hand')")
        page.wait_for_timeout(700)
        page.close()
        time.sleep(0.3)
        assert not site.beats
        assert not site.logs


@pytest.mark.browser
def test_it_works_under_a_strict_policy(chromium: Any) -> None:
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'"
    with collector(
        PAGES, attributes=AUTOMATED, headers=[("Content-Security-Policy", policy)]
    ) as site:
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site.url + "/")
        site.wait("/", "start")
        page.close()
        site.wait("/", "leave")
        assert not [text for text in said if "pagetimer" in text]


@pytest.mark.browser
def test_a_policy_that_forbids_beats_is_tried_once(chromium: Any) -> None:
    policy = "script-src 'self'; connect-src 'none'"
    with collector(
        PAGES, attributes=AUTOMATED, headers=[("Content-Security-Policy", policy)]
    ) as site:
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site.url + "/")
        page.wait_for_timeout(700)
        page.evaluate("history.pushState(1, '', '/route')")
        page.wait_for_timeout(700)
        page.close()
        assert not site.beats
        assert len([text for text in said if "/_pagetimer/beat" in text]) == 1


BREAKS = {
    "nothing breaks": "",
    "no sendBeacon": "delete Navigator.prototype.sendBeacon",
    "a sendBeacon that refuses": "Navigator.prototype.sendBeacon = function () { return false; }",
    "no Navigation API": "delete window.navigation",
    "no localStorage": """Object.defineProperty(window, 'localStorage',
        { get: function () { throw new Error('denied'); } })""",
    "no entries of performance": "delete Performance.prototype.getEntriesByType",
}


@pytest.mark.browser
@pytest.mark.parametrize("script", [pytest.param(BREAKS[name], id=name) for name in BREAKS])
def test_it_still_tells_both_routes_of_a_browser_with(
    script: str, site: Collector, chromium: Any
) -> None:
    page = chromium.new_page()
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.add_init_script(script)
    page.goto(site.url + "/")
    site.wait("/", "start")
    page.evaluate("history.pushState(1, '', '/route')")
    site.wait("/route", "start")
    page.close()
    assert not errors


@pytest.mark.browser
def test_no_error_of_it_reaches_the_page(site: Collector, chromium: Any) -> None:
    page = chromium.new_page()
    page.add_init_script(
        """window.caught = [];
        window.onerror = window.onunhandledrejection = function () { caught.push(1); };
        Navigator.prototype.sendBeacon = function () { throw new Error('no'); };
        Document.prototype.hasFocus = function () { throw new Error('no'); };"""
    )
    page.goto(site.url + "/")
    page.wait_for_timeout(1200)
    page.evaluate("pagetimer.log('/by-hand')")
    page.evaluate(MINIFIED.read_text())  # by a bundler, say: there is no current script
    assert page.evaluate("caught") == []
    page.close()


@pytest.mark.browser
def test_a_server_that_is_away_gets_the_totals_with_the_next_beat(chromium: Any) -> None:
    with collector(PAGES, attributes=AUTOMATED) as site:
        site.away = True
        page = chromium.new_page()
        page.goto(site.url + "/")
        page.wait_for_timeout(1500)
        site.away = False
        page.close()
        left = site.wait("/", "leave")
        assert left.visible == about(left.arrived - site.served["/"])


# For the page's own code


@pytest.mark.browser
def test_an_application_may_log_by_hand(site: Collector, chromium: Any) -> None:
    page = chromium.new_page()
    page.goto(site.url + "/")
    site.wait("/", "start")
    page.evaluate("pagetimer.log('/by hand?&')")
    page.wait_for_timeout(300)
    page.close()
    (said,) = site.logs
    assert said["path"] == "/by hand?&"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["date"])


@pytest.mark.browser
def test_its_headers_go_with_every_later_beat_and_log(site: Collector, chromium: Any) -> None:
    page = chromium.new_page()
    page.goto(site.url + "/")
    site.wait("/", "start")
    page.evaluate("pagetimer.headers = {Authorization: 'Bearer x'}; pagetimer.log('/by-hand')")
    page.evaluate("history.pushState(1, '', '/route')")
    began = site.wait("/route", "start")
    page.wait_for_timeout(300)
    page.close()
    assert began.headers["authorization"] == "Bearer x"
    assert site.logs[0].headers["authorization"] == "Bearer x"


def test_a_machine_without_chromium_skips_or_fails_as_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("PAGETIMER_TESTS_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception):
        chromium_path()
    monkeypatch.setenv("PAGETIMER_TESTS_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception):
        chromium_path()
