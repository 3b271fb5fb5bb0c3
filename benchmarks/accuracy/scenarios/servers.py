"""Servers that are away, slow or out of reach."""

from __future__ import annotations

from ..lab import Lab
from .scenario import scenario


@scenario("offline at the end")
def offline_at_the_end(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(20)
    lab.cut()
    tab.read(5)
    tab.close()


@scenario("offline in the middle")
def offline_in_the_middle(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(4)
    lab.site.line.cut()
    tab.hide()
    lab.wait(4)
    tab.show()
    tab.read(4)
    lab.site.line.mend()
    tab.read(4)
    tab.close()


@scenario("server away for the first 10 s")
def server_away(lab: Lab) -> None:
    lab.site.away = True
    tab = lab.open("/a")
    tab.read(5)
    tab.hide()
    lab.wait(2)
    tab.show()
    tab.read(3)
    lab.site.away = False
    tab.read(5)
    tab.close()


@scenario("first beats lost")
def first_lost(lab: Lab) -> None:
    lab.site.breaks = True
    tab = lab.open("/a")
    tab.read(5)
    tab.hide()
    lab.wait(2)
    lab.site.line.mend()
    tab.show()
    tab.read(5)
    tab.close()


@scenario("slow server")
def slow_server(lab: Lab) -> None:
    lab.site.slow = 3
    tab = lab.open("/a")
    tab.read(5)
    tab.go("/slow")
    tab.read(5)
    tab.close()


@scenario(
    "hidden and shown before a slow script came",
    known="before the script ran, only the time since the page was last shown counts",
)
def slow_script(lab: Lab) -> None:
    lab.site.slow_script = 8 * lab.pace
    tab = lab.open("/a")
    lab.wait(2)
    tab.hide()
    lab.wait(3)
    tab.show()
    lab.wait(7)
    tab.close()


@scenario("in the background, seen before a slow script came")
def late_script(lab: Lab) -> None:
    lab.site.slow_script = 6 * lab.pace
    tab = lab.open("/a", background=True)
    lab.wait(3)
    lab.turn_to(tab)
    lab.wait(8)
    tab.close()
