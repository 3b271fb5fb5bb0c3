"""Ways from one page to the next."""

from __future__ import annotations

from ..lab import Lab
from ..trackers.npm import Package
from .scenario import scenario

TURBO = Package("@hotwired/turbo", "8.0.13", "dist/turbo.es2017-umd.js")


@scenario("link to the next page")
def link(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(6)
    tab.go("/b")
    tab.read(5)
    tab.close()


@scenario("route change")
def route(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(6)
    tab.route("/b")
    tab.read(5)
    tab.close()


@scenario("route change while hidden")
def hidden_route(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(6)
    tab.hide()
    lab.wait(2)
    tab.route("/b", seen=False)
    lab.wait(4)
    tab.show()
    tab.read(5)
    tab.close()


@scenario("route change, there and back")
def route_and_back(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(4)
    tab.route("/b")
    tab.read(4)
    tab.back("/a")
    tab.read(4)
    tab.close()


@scenario("bfcache there and back")
def back_forward_cache(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(5)
    tab.go("/b")
    tab.read(5)
    tab.back("/a")
    tab.read(5)
    tab.close()


@scenario("prerendered for 10 s, then shown")
def prerendered(lab: Lab) -> None:
    tab = lab.open("/a")
    lab.last(1)
    tab.prerender("/b")
    lab.wait(10)
    tab.enter("/b")
    tab.read(5)
    tab.close()


@scenario("reload storm")
def reloads(lab: Lab) -> None:
    tab = lab.open("/a")
    for _ in range(10):
        lab.last(0.3)
        tab.reload()
    lab.last(0.5)
    tab.close()


@scenario("Turbo, five visits")
def turbo(lab: Lab) -> None:
    lab.site.files["/turbo.js"] = "text/javascript", TURBO.fetch(lab.cache)
    lab.site.heads |= dict.fromkeys(lab.site.pages, '<script src="/turbo.js"></script>')
    tab = lab.open("/a")
    for path in "/b", "/c", "/d", "/e", "/a":
        tab.read(3.4)
        tab.visit(path)
    tab.read(3.4)
    tab.close()


@scenario("document.open() in the middle")
def rewritten(lab: Lab) -> None:
    tab = lab.open("/a")
    tab.read(4)
    tab.soon("document.open(); document.write('<p>Another text.</p>'); document.close();")
    tab.read(6)
    tab.close()
