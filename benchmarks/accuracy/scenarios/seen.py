"""Pages that are shown, hidden and closed."""

from __future__ import annotations

from ..lab import Lab
from .scenario import scenario


@scenario("12 s, then closed")
def closed(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(12)
    tab.close()


@scenario("bounce of 0.7 s")
def bounce(lab: Lab) -> None:
    tab = lab.open("/a")
    lab.last(0.7)
    tab.close()


@scenario("visible 10 s, hidden 20 s, visible 5 s")
def hidden(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(10)
    tab.hide()
    lab.wait(20)
    tab.show()
    tab.read(5)
    tab.close()


@scenario("five short bursts")
def bursts(lab: Lab) -> None:
    tab = lab.open("/a")
    for _ in range(5):
        lab.last(0.8)
        tab.hide()
        lab.last(0.8)
        tab.show()
    tab.close()


@scenario("opened in the background, never seen")
def never_seen(lab: Lab) -> None:
    front = lab.open("/front")
    tab = lab.open("/a", background=True)
    front.read(10)
    tab.close()
    front.close()


@scenario("opened in the background, seen after 6 s")
def seen_late(lab: Lab) -> None:
    front = lab.open("/front")
    tab = lab.open("/a", background=True)
    front.read(6)
    lab.turn_to(tab)
    tab.read(5)
    front.close()
    tab.close()


@scenario("no input for 45 s")
def idle(lab: Lab) -> None:
    tab = lab.open("/a")
    lab.wait(45)
    tab.close()


@scenario("used after 40 s of 80")
def used_again(lab: Lab) -> None:
    tab = lab.open("/a")
    lab.wait(40)
    tab.use()
    lab.wait(40)
    tab.close()


@scenario("two tabs in turn")
def two_tabs(lab: Lab) -> None:
    one = lab.open("/a")
    one.read(3)
    other = lab.open("/b", beside=one)
    other.read(3)
    for tab in one, other, one:
        lab.turn_to(tab)
        tab.read(3)
    other.close()
    one.close()
