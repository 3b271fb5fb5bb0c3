"""The client's promises one by one, by a clock that obeys: minutes pass at once, times are exact.

What hides a page or takes its focus is told here by the page itself, so that events may come in
any order that a browser has or could have. ``test_page_client.py`` tries what browsers do by
themselves.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from browser import Collector, Said, chromium, collector

from pagetimer_wsgi.page.tag import route_cut

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser

PAGES = {
    "/": "<main>one two three</main>",
    "/both": "<article>one two three four <main>five six</main></article>",
    "/article": "<article>one two three</article> four",
    "/body": "<p>one two</p><p hidden>three</p><script>/* four five */</script>",
    "/base": "<base href=/elsewhere/><p>text</p>",
    "/films": "<audio></audio>",
    "/named": "<p id=pagetimer>text</p>",
    "/sandbox": "<iframe sandbox=allow-scripts src=/></iframe>",
}
YEAR_2027 = 1_800_000_000  # s

# What the page is, as the test says; and all that its client says, in the order in which it does.
WATCHED = """
window.shown = window.focused = true;
window.looks = 0;
window.told = [];
window.armed = [];
window.made = [];
(function (beacon, later, now) {
  var calls = 0;
  performance.now = function () { return now.call(performance) + 0.4 * (calls++ % 2); };
  Object.defineProperty(Document.prototype, 'hidden', {
    get: function () { looks++; return !shown; }, configurable: true
  });
  Document.prototype.hasFocus = function () { return focused; };
  Navigator.prototype.sendBeacon = function (address, body) {
    if (/beat$/.test(address)) {
      told.push(Object.fromEntries(new URLSearchParams(body)));
      made.push(told[told.length - 1]);
    }
    return beacon.call(this, address, body);
  };
  window.fetchLater = function (address, request) {
    made.push(Object.fromEntries(new URLSearchParams(request.body)));
    armed.push(request);
    return later.call(window, address, request);
  };
  window.happen = function (name, target) { (target || window).dispatchEvent(new Event(name)); };
})(Navigator.prototype.sendBeacon, window.fetchLater, performance.now);
"""

# What happens, as a person or a browser lets it.
HIDE = "shown = false; happen('visibilitychange', document);"
SHOW = "shown = true; happen('visibilitychange', document);"
BLUR = "focused = false; happen('blur');"
FOCUS = "focused = true; happen('focus');"
LEAVE = "happen('pagehide');"
RETURN = "happen('pageshow');"
FREEZE = "happen('freeze', document);"
CHANGE_ROUTE = "history.pushState(1, '', '/route');"


@dataclass
class Visit:
    """One visit of a page."""

    page: Any
    site: Collector

    def wait(self, seconds: float) -> None:
        """Let the time pass, with every tick in it."""
        self.page.clock.run_for(round(seconds * 1000))

    def sleep(self, seconds: float) -> None:
        """Let the time pass with no tick in it but one at its end."""
        self.page.clock.fast_forward(round(seconds * 1000))

    def does(self, script: str) -> Any:
        """Let the script run in the page, all of it within a millisecond, and return its value."""
        return self.page.evaluate(script)

    @property
    def told(self) -> list[dict[str, str]]:
        """The beats by now."""
        return self.does("told")

    @property
    def whys(self) -> list[str]:
        """Why each of them was sent."""
        return [beat["w"] for beat in self.told]

    def armed(self) -> list[dict[str, str]]:
        """What would be told if the page's process died now."""
        return self.does(
            """armed.filter(function (request) { return !request.signal.aborted; })
                 .map(function (request) {
                   return Object.fromEntries(new URLSearchParams(request.body));
                 })"""
        )

    def left(self) -> dict[str, str]:
        """Leave the page, and return the last beat."""
        self.does(LEAVE)
        return self.told[-1]


@pytest.fixture(scope="module")
def site() -> Iterator[Collector]:
    with collector(PAGES) as site:
        yield site


@pytest.fixture(scope="module")
def still(chromium: Any) -> Any:
    """A profile in which time stands still, but for what a test lets pass."""
    context = chromium.new_context()
    context.clock.install(time=YEAR_2027)
    context.clock.pause_at(YEAR_2027 + 1)
    context.add_init_script(WATCHED)
    return context


class Visits(Protocol):
    """Visits a page by a clock that stands still."""

    def __call__(self, path: str = "/", script: str = "", **attributes: str) -> Visit:
        """Start a visit.

        :param script: runs before all of the page's own
        :param attributes: of the tag, without their ``data-``
        """


@pytest.fixture
def visit(still: Any, site: Collector) -> Iterator[Visits]:
    with contextlib.ExitStack() as pages:

        def start(path: str = "/", script: str = "", **attributes: str) -> Visit:
            given = {"off": "", "idle": "5000", **attributes}
            site.beats.clear()
            site.logs.clear()
            site.attributes = {f"data-{name}": value for name, value in given.items()}
            page = still.new_page()
            pages.callback(page.close)
            page.add_init_script(script)
            page.goto(site.url + path)
            page.wait_for_function("!!(window.pagetimer && pagetimer.timer)", polling=20)
            return Visit(page, site)

        yield start


# What is use, and how long it holds


def dispatched(name: str, selector: str = "main") -> str:
    return f"happen('{name}', document.querySelector('{selector}'))"


USES = {
    "a wheel": (dispatched("wheel"), True),
    "a scroll of a part, which does not bubble": (dispatched("scroll"), True),
    "a key": (dispatched("keydown"), True),
    "a press": (dispatched("pointerdown"), True),
    "a move": (dispatched("pointermove"), True),
    "a window that gets the focus that it has": (FOCUS, False),
    "a window that says twice that it is visible": (SHOW, False),
    "a return that was no leave": (RETURN, False),
    "a page that was hidden for a moment": (HIDE + SHOW, True),
}


@pytest.mark.parametrize(
    ("script", "use"), [pytest.param(*case, id=name) for name, case in USES.items()]
)
def test_what_engages_a_reader_again_is(script: str, use: bool, visit: Visits) -> None:
    seen = visit()
    seen.wait(20)
    seen.does(script)
    seen.wait(20)
    left = seen.left()
    assert (left["t"], left["e"]) == ("40000", "10000" if use else "5000")


SOUNDS = {
    "a film that is heard": ("volume = 0.1", "10000"),
    "a muted film": ("muted = true", "5000"),
    "a film without volume": ("volume = 0", "5000"),
}


@pytest.mark.parametrize(
    ("state", "engaged"), [pytest.param(*case, id=name) for name, case in SOUNDS.items()]
)
def test_engaged_time_knows(state: str, engaged: str, visit: Visits) -> None:
    seen = visit("/films")
    seen.does(f"document.querySelector('audio').{state}")
    seen.wait(20)
    seen.does(dispatched("timeupdate", "audio"))
    seen.wait(20)
    assert seen.left()["e"] == engaged


def test_a_pointer_that_moves_at_every_frame_costs_a_look_each_half_second_and_all_of_it_is_use(
    visit: Visits,
) -> None:
    seen = visit()
    seen.wait(20)
    seen.does(dispatched("pointermove"))
    seen.wait(0.4)
    looks = seen.does("looks")
    for _ in range(20):
        seen.does(dispatched("pointermove"))
    assert seen.does("looks") == looks
    seen.wait(20)
    assert seen.left()["e"] == "10400"


def test_engaged_time_goes_on_with_the_focus_and_stops_within_half_a_second_of_its_loss(
    visit: Visits,
) -> None:
    seen = visit()
    seen.wait(2.2)
    seen.does(BLUR)
    seen.wait(2.1)
    seen.does(FOCUS)
    seen.wait(1.4)
    left = seen.left()
    assert left["t"] == "5700"
    assert int(left["e"]) == pytest.approx(3600, abs=500)


def test_to_be_back_in_focus_is_use(visit: Visits) -> None:
    seen = visit()
    seen.wait(20)
    seen.does(BLUR)
    seen.wait(1)
    seen.does(FOCUS)
    seen.wait(20)
    assert int(seen.left()["e"]) == pytest.approx(10_000, abs=500)


def test_reading_in_a_frame_is_use_while_the_window_has_the_focus(visit: Visits) -> None:
    seen = visit("/sandbox")
    seen.does("document.querySelector('iframe').focus()")
    seen.wait(20)
    seen.does(BLUR)
    seen.wait(20)
    left = seen.left()
    assert left["t"] == "40000"
    assert int(left["e"]) == pytest.approx(20_000, abs=500)


def test_a_key_in_a_page_that_is_hidden_or_out_of_focus_engages_nobody(visit: Visits) -> None:
    seen = visit()
    seen.does(BLUR)
    for _ in range(4):
        seen.wait(1)
        seen.does(dispatched("keydown"))
    seen.does(HIDE)
    for _ in range(4):
        seen.wait(1)
        seen.does(dispatched("keydown"))
    left = seen.left()
    assert left["t"] == "4000"
    assert int(left["e"]) <= 500


# Gaps


@pytest.mark.parametrize(
    ("seconds", "visible"),
    [
        pytest.param(10, "12000", id="a late tick, which counts whole"),
        pytest.param(11, "2500", id="a sleep, of which half a second counts"),
        pytest.param(3600, "2500", id="a long sleep"),
    ],
)
def test_time_without_ticks_is(seconds: int, visible: str, visit: Visits) -> None:
    seen = visit(idle="9000000")
    seen.wait(2)
    seen.sleep(seconds)
    left = seen.left()
    assert left["t"] == left["e"] == visible


def test_what_wakes_a_page_after_a_sleep_counts_as_a_late_tick_does(visit: Visits) -> None:
    seen = visit()
    seen.wait(2)
    seen.does(
        """(function (now) {
             performance.now = function () { return now.call(performance) + 36e5; };
           })(performance.now)"""
    )
    seen.does(dispatched("keydown"))
    assert seen.left()["t"] == "2500"


# Orders of events

ORDERS: dict[str, tuple[list[str], list[str]]] = {
    "left while it still looks visible": (
        [LEAVE, BLUR, FOCUS, dispatched("keydown"), SHOW, CHANGE_ROUTE],
        ["start", "leave"],
    ),
    "left twice": ([LEAVE, LEAVE], ["start", "leave"]),
    "left and hidden": ([LEAVE, HIDE], ["start", "leave"]),
    "hidden and left": ([HIDE, LEAVE], ["start", "hide", "leave"]),
    "hidden twice": ([HIDE, HIDE], ["start", "hide"]),
    "hidden, shown and hidden": ([HIDE, SHOW, HIDE], ["start", "hide", "hide"]),
    "frozen while visible": ([FREEZE, SHOW], ["start", "hide"]),
    "hidden and frozen": ([HIDE, FREEZE], ["start", "hide"]),
    "left and back": ([LEAVE, RETURN], ["start", "leave", "start"]),
    "left, hidden, shown and back": (
        [LEAVE, HIDE, FREEZE, SHOW, RETURN],
        ["start", "leave", "start"],
    ),
    "left, and back while hidden": (
        [LEAVE, HIDE, RETURN, SHOW],
        ["start", "leave", "start"],
    ),
    "back with no leave": ([RETURN], ["start"]),
    "changed in route": ([CHANGE_ROUTE], ["start", "route", "start"]),
    "changed in route to where it is": (
        ["history.pushState(1, '', '/?not=kept#nor-this')", "history.replaceState(1, '')"],
        ["start"],
    ),
    "changed in route while hidden": (
        [HIDE, CHANGE_ROUTE, SHOW],
        ["start", "hide", "route", "start"],
    ),
    "changed in route as it is left": (
        [
            "addEventListener('pagehide', function () { history.replaceState(1, '', '/end'); })",
            LEAVE,
        ],
        ["start", "leave"],
    ),
    "changed in route within a move": (
        [
            f"addEventListener('pointermove', function () {{ {CHANGE_ROUTE} }}, true)",
            dispatched("pointermove"),
        ],
        ["start", "route", "start"],
    ),
}


@pytest.mark.parametrize(
    ("steps", "whys"), [pytest.param(*case, id=name) for name, case in ORDERS.items()]
)
def test_what_is_told_of_a_page_that_is(steps: list[str], whys: list[str], visit: Visits) -> None:
    seen = visit()
    for step in steps:
        seen.does(step)
    assert seen.whys == whys
    seen.wait(5)
    assert seen.whys == whys
    views = [beat["v"] for beat in seen.told if beat["w"] == "start"]
    assert len(set(views)) == len(views)  # some began in the same millisecond


def test_a_route_change_ends_and_starts_at_once_and_says_where_from(visit: Visits) -> None:
    seen = visit()
    seen.wait(2)
    for path in "/b", "/c":
        seen.does(f"history.pushState(1, '', '{path}')")
    assert [[beat[name] for name in "pwrt"] for beat in seen.told] == [
        ["/", "start", "", "0"],
        ["/", "route", "", "2000"],
        ["/b", "start", "/", "0"],
        ["/b", "route", "/", "0"],
        ["/c", "start", "/b", "0"],
    ]
    assert [beat["n"] for beat in seen.told[2:]] == ["0", "1", "0"]


def test_without_a_navigation_api_the_next_tick_finds_the_route(visit: Visits) -> None:
    seen = visit(script="delete window.navigation")
    seen.wait(2)
    seen.does(CHANGE_ROUTE)
    assert seen.whys == ["start"]
    seen.wait(0.5)
    assert seen.whys == ["start", "route", "start"]


def test_a_page_that_is_left_before_a_tick_found_its_new_route_ends_the_old_one(
    visit: Visits,
) -> None:
    seen = visit(script="delete window.navigation")
    seen.wait(2)
    seen.does("document.body.innerText = 'new'; history.pushState(1, '', '/route')")
    left = seen.left()
    assert [left[name] for name in "pwtl"] == ["/", "route", "2000", ""]
    assert seen.whys == ["start", "route"]


def test_a_return_starts_from_nothing_and_comes_from_nowhere(visit: Visits) -> None:
    seen = visit()
    seen.wait(8)
    seen.does(CHANGE_ROUTE)
    seen.wait(8)
    seen.does(LEAVE)
    seen.wait(3)
    seen.does(RETURN)
    left, start = seen.told[-2:]
    assert [start[name] for name in "wntrl"] == ["start", "0", "0", "", ""]
    assert (left["v"], left["r"]) != (start["v"], start["r"])
    seen.wait(8)
    left = seen.left()
    assert [left[name] for name in "wter"] == ["leave", "8000", "5000", ""]
    assert int(left["d"]) - int(start["d"]) == 8000


def test_time_from_a_freeze_to_the_first_sign_of_life_does_not_count(visit: Visits) -> None:
    seen = visit()
    seen.wait(2.2)
    seen.does(FREEZE)
    assert seen.told[-1]["t"] == "2200"
    seen.sleep(8)
    seen.does("happen('resume', document)")
    seen.wait(1)
    left = seen.left()
    assert (left["w"], left["t"], left["v"]) == ("leave", "3200", seen.told[0]["v"])


UNSEEN = {
    "a hidden page": "shown = false;",
    "a frame without width": "innerWidth = 0;",
    "a frame without height": "innerHeight = 0;",
}


@pytest.mark.parametrize("script", [pytest.param(UNSEEN[name], id=name) for name in UNSEEN])
def test_no_page_view_is_made_until_it_is_seen_of(script: str, visit: Visits) -> None:
    seen = visit(script=script + entries("{entryType: 'navigation', responseStart: 1}"))
    seen.wait(40)
    seen.does(CHANGE_ROUTE + LEAVE)
    assert not seen.told
    seen.does("shown = true; innerWidth = innerHeight = 9;" + RETURN)
    seen.wait(3)
    left = seen.left()
    assert (seen.whys, left["t"], left["p"]) == (["start", "leave"], "3000", "/route")


# Before the script ran


def entries(those: str) -> str:
    return f"""performance.getEntries = function () {{
                 var now = Math.round(performance.now()); return [{those}];
               }};"""


NAVIGATION = "{entryType: 'navigation', startTime: 0, responseStart: now - 3000.6},"
VISIBLE = "{entryType: 'visibility-state', startTime: 0},"
SINCE = {
    "the server's answer": (NAVIGATION + VISIBLE, "3000"),
    "the server's answer, whatever else came later": (
        NAVIGATION
        + "{entryType: 'resource', startTime: now - 9, responseStart: now - 5},"
        + "{entryType: 'paint', startTime: now - 4}",
        "3000",
    ),
    "when it was first seen, as after a prerendering": (
        NAVIGATION + VISIBLE + "{entryType: 'visibility-state', startTime: now - 1000.6}",
        "1000",
    ),
    "the script, where nothing else is known": ("", "0"),
}


@pytest.mark.parametrize(
    ("those", "before"), [pytest.param(*case, id=name) for name, case in SINCE.items()]
)
def test_a_page_counts_from(those: str, before: str, visit: Visits) -> None:
    seen = visit(script=entries(those))
    start = seen.told[0]
    assert int(start["t"]) == int(start["e"]) == pytest.approx(int(before), abs=1)
    assert int(start["d"]) - int(start["v"][:12], 16) == int(start["t"])
    seen.wait(1)
    seen.does(CHANGE_ROUTE)
    assert seen.told[-1]["t"] == "0"


# How often it speaks

ARMED = [30, 60, 90, 120, 160, 213.5]
UNARMED = [10, 20, 30, 40, 53.5, 71.5, 95.5, 127.5, 170, 227]
HEARTBEATS = {
    "there is fetchLater": ("", ARMED),
    "there is none": ("delete window.fetchLater", UNARMED),
    "it is forbidden": ("fetchLater = function () { throw new Error('quota'); }", UNARMED),
    "it is forbidden after a second": (
        """fetchLater = (function (later, quota) {
             return function (address, request) {
               if (!quota--) { quota = 0; throw new Error('quota'); }
               return later(address, request);
             };
           })(fetchLater, 2)""",
        UNARMED,
    ),
    "nothing can abort it": ("delete window.AbortController", UNARMED),
}


@pytest.mark.parametrize(
    ("script", "times"), [pytest.param(*case, id=name) for name, case in HEARTBEATS.items()]
)
def test_no_more_than_its_part_can_be_lost_with_the_browser_where(
    script: str, times: list[float], visit: Visits
) -> None:
    seen = visit(script=script)
    seen.wait(240)
    assert {beat["w"] for beat in seen.told[1:]} == {"beat"}
    assert [int(beat["t"]) / 1000 for beat in seen.told[1:]] == times


def test_a_hidden_page_says_nothing_more(visit: Visits) -> None:
    seen = visit()
    seen.wait(2)
    seen.does(HIDE)
    seen.wait(100)
    assert seen.whys == ["start", "hide"]
    assert not seen.armed()


# What is told of a page whose process dies


def test_the_latest_totals_are_armed_at_each_tick_and_at_no_event(visit: Visits) -> None:
    seen = visit()
    for seconds in 1, 2:
        seen.wait(1)
        (totals,) = seen.armed()
        assert [totals[name] for name in "wte"] == ["later", *[f"{seconds}000"] * 2]
    count = seen.does("armed.length")
    seen.does("happen('blur'); happen('focus'); happen('pageshow')")
    assert seen.does("armed.length") == count
    assert not seen.does("armed.some(function (request) { return 'activateAfter' in request; })")


@pytest.mark.parametrize(
    ("step", "later"),
    [
        pytest.param(HIDE, 0, id="hidden"),
        pytest.param(LEAVE, 0, id="left"),
        pytest.param(CHANGE_ROUTE, 1, id="changed in route"),
    ],
)
def test_nothing_stays_armed_beside_a_beat_of_a_page_that_is(
    step: str, later: int, visit: Visits
) -> None:
    seen = visit()
    seen.wait(3)
    seen.does(step)
    assert not seen.armed()
    seen.wait(3)
    assert len(seen.armed()) == later


def test_no_two_messages_of_a_page_view_bear_one_number(visit: Visits) -> None:
    seen = visit()
    for step in "", HIDE, SHOW, LEAVE:
        seen.does(step)
        seen.wait(3)
    made = seen.does("made")
    assert [int(message["n"]) for message in made] == list(range(len(made)))
    assert len({message["v"] for message in made}) == 1


def test_only_beats_are_made_where_nothing_can_be_armed(visit: Visits) -> None:
    seen = visit(script="delete window.fetchLater")
    seen.wait(12)
    seen.does(LEAVE)
    assert [(beat["n"], beat["w"]) for beat in seen.told] == [
        ("0", "start"),
        ("1", "beat"),
        ("2", "leave"),
    ]


# Words


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("/", "3", id="the main part"),
        pytest.param("/both", "2", id="the main part, before an article"),
        pytest.param("/article", "3", id="an article, before the body"),
        pytest.param("/body", "2", id="the body, of which only what a reader sees counts"),
    ],
)
def test_the_words_are_those_of(path: str, words: str, visit: Visits) -> None:
    seen = visit(path)
    assert seen.told[0]["l"] == ""
    assert seen.left()["l"] == words


@pytest.mark.parametrize(
    ("state", "words"), [("loading", ""), ("interactive", "3"), ("complete", "3")]
)
def test_what_it_says_of_words_is_known_by_a_page_that_is(
    state: str, words: str, visit: Visits
) -> None:
    seen = visit()
    seen.does(f"Object.defineProperty(document, 'readyState', {{value: '{state}'}})")
    assert seen.left()["l"] == words


def test_a_route_tells_neither_the_next_ones_words_nor_those_of_the_one_before(
    visit: Visits,
) -> None:
    replace = "document.body.innerText = 'new'; history.pushState(1, '', '{}');"
    seen = visit()
    seen.wait(6)
    seen.does(replace.format("/route"))
    seen.wait(1)
    seen.does(replace.format("/next"))
    assert [[beat[name] for name in "pwl"] for beat in seen.told] == [
        ["/", "start", ""],
        ["/", "route", "3"],  # as they were in its fifth second
        ["/route", "start", ""],
        ["/route", "route", ""],
        ["/next", "start", ""],
    ]
    seen.wait(1)
    assert seen.armed()[0]["l"] == ""
    seen.wait(5)
    assert seen.armed()[0]["l"] == "1"


# Who and when


def tag_again(token: str, times: int = 1) -> str:
    return f"""Promise.all(Array.from({{length: {times}}}, function () {{
        return new Promise(function (done) {{
          var again = document.createElement('script');
          again.src = '/_pagetimer/pagetimer.js?v=other';
          again.dataset.pagetimer = '{token}';
          again.onload = function () {{ done(1); }};
          document.body.appendChild(again);
        }});
      }}))"""


@pytest.mark.parametrize(
    ("age", "token"),
    [
        pytest.param(59, "second", id="is less than a minute old"),
        pytest.param(61, "first", id="is older"),
    ],
)
def test_a_tag_that_runs_again_names_later_page_views_and_one_that(
    age: int, token: str, visit: Visits
) -> None:
    seen = visit(pagetimer="first")
    seen.wait(age)
    seen.does(tag_again("second"))
    seen.does(CHANGE_ROUTE)
    # Whose the next page is its own tag may know better, and that is not there yet.
    assert [beat["k"] for beat in (seen.told[0], *seen.told[-2:])] == ["first", token, ""]
    seen.wait(1)
    assert seen.armed()[0]["k"] == "second"


def test_a_tag_that_runs_five_times_makes_one_client(visit: Visits) -> None:
    seen = visit(pagetimer="first")
    timer = seen.does("window.log = pagetimer.log; pagetimer.timer")
    seen.does(tag_again("last", times=4))
    assert seen.does("pagetimer.log === log && pagetimer.timer") == timer
    seen.wait(31)
    seen.does(CHANGE_ROUTE)
    assert seen.whys == ["start", "beat", "route", "start"]


@pytest.mark.parametrize(
    "now", [pytest.param(5_000, id="in 1970"), pytest.param(16 * 10**12, id="in 2477")]
)
def test_the_id_has_its_form_and_its_time_where_the_clock_is(now: int, visit: Visits) -> None:
    seen = visit(script=f"Date.now = function () {{ return {now}; }};")
    seen.wait(3)
    left = seen.left()
    assert re.fullmatch("0[0-9a-f]{31}", left["v"])
    assert int(left["d"]) - int(left["v"][:12], 16) == 3000


# What a page or a browser may break

NO_BEACON = "delete Navigator.prototype.sendBeacon;"
NO_FETCH = "delete window.fetch;"
BREAKS = {
    "no sendBeacon": NO_BEACON,
    "no sendBeacon and no fetch": NO_BEACON + NO_FETCH,
    "a sendBeacon that refuses and no fetch": NO_FETCH
    + "Navigator.prototype.sendBeacon = function () { return false; };",
    "no fetchLater": "delete window.fetchLater;",
    "no AbortController": "delete window.AbortController;",
    "no entries of performance": "performance.getEntries = undefined;",
    "nothing of the last ten years": NO_BEACON
    + NO_FETCH
    + """delete window.fetchLater; delete window.AbortController; delete window.navigation;
         performance.getEntries = undefined; delete window.URL;""",
    "prototypes to which its page added": """Object.prototype.added = Array.prototype.added =
        String.prototype.added = function () { throw new Error('called'); };""",
    "a pagetimer of the page's own": "window.pagetimer = {log: 1, token: 'theirs'};",
}


@pytest.mark.parametrize("script", [pytest.param(BREAKS[name], id=name) for name in BREAKS])
def test_it_tells_both_routes_and_logs_in_a_browser_with(
    script: str, visit: Visits, site: Collector
) -> None:
    seen = visit(script=script)
    errors: list[Any] = []
    seen.page.on("pageerror", lambda error: errors.append(error))
    seen.wait(2)
    seen.does(CHANGE_ROUTE)
    seen.wait(2)
    seen.does("pagetimer.log('/by-hand')")
    seen.does(LEAVE)
    for end in site.wait("/", "route"), site.wait("/route", "leave"):
        assert end.visible == pytest.approx(2, abs=0.5)  # by the ticks alone, where they must do
    assert site.wait("/route", "start")["k"] == ""
    assert logged(site)["path"] == "/by-hand"
    assert not errors


def logged(site: Collector) -> Said:
    """Return what was logged, as soon as it is there."""
    deadline = time.monotonic() + 10
    while not site.logs and time.monotonic() < deadline:
        time.sleep(0.01)
    return site.logs[0]


FETCHES = {
    "rejects": "return Promise.reject(new Error('theirs'));",
    "throws": "throw new Error('theirs');",
}


@pytest.mark.parametrize("fetch", [pytest.param(FETCHES[name], id=name) for name in FETCHES])
def test_no_error_reaches_a_page_whose_own_fetch(fetch: str, visit: Visits) -> None:
    seen = visit(
        script=NO_BEACON
        + f"""window.caught = []; window.asked = [];
            window.onerror = window.onunhandledrejection = function () {{ caught.push(1); }};
            window.fetch = function (address, request) {{ asked.push(request); {fetch} }};"""
    )
    seen.wait(2)
    seen.does("pagetimer.log('/by-hand')")
    seen.does(LEAVE)
    asked = seen.does("asked.map(function (one) { return [one.method, one.keepalive]; })")
    assert asked == [["POST", True]] * 3  # start, log, leave
    assert seen.does("caught") == []


def test_an_element_of_its_name_does_not_stop_it(visit: Visits) -> None:
    seen = visit("/named")
    seen.wait(2)
    assert seen.left()["t"] == "2000"
    assert seen.does("typeof pagetimer.log") == "function"


def test_it_speaks_beside_its_script_whatever_the_pages_base_is(
    visit: Visits, site: Collector
) -> None:
    visit("/base")
    site.wait("/base", "start")


def test_a_page_in_a_sandbox_is_measured(visit: Visits, site: Collector) -> None:
    visit("/sandbox")
    site.wait("/", "start")


def test_after_document_open_time_goes_on_and_the_next_tick_hears_again(visit: Visits) -> None:
    seen = visit()
    seen.wait(20)
    seen.does("document.open(); document.write('<main>all new</main>'); document.close()")
    seen.wait(1)
    seen.does(dispatched("keydown"))
    seen.wait(9)
    left = seen.left()
    assert [left[name] for name in "wtel"] == ["leave", "30000", "10000", "2"]


def violation(address: str) -> str:
    return (
        "dispatchEvent(new SecurityPolicyViolationEvent("
        f"'securitypolicyviolation', {{blockedURI: {address}}}));"
    )


def test_a_violation_for_another_address_does_not_stop_it(visit: Visits) -> None:
    seen = visit()
    for address in "'inline'", "location.origin + '/_pagetimer/other'", "undefined":
        seen.does(violation(address))
    assert seen.left()["w"] == "leave"


def test_a_violation_for_its_own_address_stops_it(visit: Visits) -> None:
    seen = visit()
    seen.does(violation("location.origin + '/_pagetimer/beat'"))
    seen.wait(40)
    seen.does(LEAVE)
    assert seen.whys == ["start"]
    assert not seen.armed()


def test_only_the_word_off_opts_out_and_does_so_at_once(visit: Visits) -> None:
    seen = visit(script="localStorage.pagetimer = 'on'")
    seen.does(HIDE + SHOW)
    assert seen.whys == ["start", "hide"]
    seen.does("localStorage.pagetimer = 'off';" + CHANGE_ROUTE)
    seen.wait(40)
    assert seen.whys == ["start", "hide"]
    seen.does("localStorage.removeItem('pagetimer')")


# For the page's own code


def test_a_log_without_a_path_is_of_the_route_that_is_shown(visit: Visits, site: Collector) -> None:
    seen = visit()
    seen.does(CHANGE_ROUTE + "pagetimer.log()")
    assert logged(site)["path"] == "/route"


def test_headers_that_were_there_first_go_with_the_first_beat(
    visit: Visits, site: Collector
) -> None:
    visit(script="window.pagetimer = {headers: {Authorization: 'Bearer x'}};")
    assert site.wait("/", "start").headers["authorization"] == "Bearer x"


def test_the_route_is_what_the_tag_keeps_of_the_address(visit: Visits) -> None:
    seen = visit("/?page=1&axb=2#top", cut=route_cut(("page", "a.b"), True))
    assert seen.told[0]["p"] == "/?page=1#top"
    seen.does("history.pushState(1, '', '/?axb=3&page=1#top')")
    assert seen.whys == ["start"]
    seen.does("location.hash = '#end'")
    seen.wait(0.5)
    assert seen.told[-1]["p"] == "/?page=1#end"
