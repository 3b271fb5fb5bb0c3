"""Browsers, processes and machines that end, sleep or crash; pages that are thrown away."""

from __future__ import annotations

import signal

from ..lab import Lab
from .scenario import scenario

# The page's own clock: chromium does not start under libfaketime.
_WRONG_CLOCK = """<script>(function (Right, now, wrong) {
  Date = class extends Right {
    constructor(...parts) { parts.length ? super(...parts) : super(now() + wrong); }
    static now() { return now() + wrong; }
  };
})(Date, Date.now, %d);</script>"""


@scenario("tab crash")
def tab_crash(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(12)
    lab.crash()


@scenario("browser SIGKILL")
def killed(lab: Lab) -> None:
    lab.open("/a")
    lab.wait(40)
    lab.kill(signal.SIGKILL)


@scenario("browser SIGTERM")
def terminated(lab: Lab) -> None:
    lab.open("/a")
    lab.wait(40)
    lab.kill(signal.SIGTERM)


@scenario("process stopped for 20 s")
def stopped(lab: Lab) -> None:
    tab = lab.open("/a")
    lab.wait(5)
    lab.stop(20)
    lab.wait(5)
    tab.close()


@scenario("frozen, then discarded")
def discarded(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(5)
    front = lab.open("/front", beside=tab)
    lab.wait(2)
    tab.freeze()
    lab.wait(2)
    tab.discard()
    lab.wait(2)
    tab.wake(front)
    tab.read(4)
    front.close()
    tab.close()


@scenario("alert open for 8 s")
def alert(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(4)
    tab.alert(8)
    tab.read(4)
    tab.close()


@scenario("30 minutes by virtual time")
def half_an_hour(lab: Lab) -> None:
    tab = lab.open("/a")
    lab.last(1)
    tab.skip(minutes=30)


@scenario("wrong clock, two days ahead")
def clock_ahead(lab: Lab) -> None:
    _read_by_wrong_clock(lab, days=2)


@scenario("wrong clock, 30 days behind")
def clock_behind(lab: Lab) -> None:
    _read_by_wrong_clock(lab, days=-30)


def _read_by_wrong_clock(lab: Lab, days: int) -> None:
    lab.site.heads["/a"] = _WRONG_CLOCK % (days * 86_400_000)
    tab = lab.open("/a")
    tab.read(6)
    tab.close()
