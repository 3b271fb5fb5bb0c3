"""Frames in pages: each is a page of its own."""

from __future__ import annotations

from ..lab import Lab
from .scenario import scenario


@scenario("an iframe")
def frame(lab: Lab) -> None:
    lab.site.pages["/a"] += '<iframe src="/inner"></iframe>'
    tab = lab.open("/a")
    tab.frame("/inner")
    lab.wait(8)
    tab.close()


@scenario("a hidden iframe")
def hidden_frame(lab: Lab) -> None:
    lab.site.pages["/a"] += '<iframe src="/inner" style="display: none"></iframe>'
    tab = lab.open("/a")
    tab.frame("/inner", seen=False)
    lab.wait(8)
    tab.close()


@scenario("reading inside an iframe, longer than a sign of use holds")
def used_frame(lab: Lab) -> None:
    lab.site.pages["/a"] += '<iframe src="/inner"></iframe>'
    tab = lab.open("/a")
    tab.frame("/inner")
    lab.wait(4)
    tab.use_frame()
    lab.wait(45)
    tab.close()
