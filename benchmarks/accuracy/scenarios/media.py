"""Films that play in pages: one that is heard is use all the while."""

from __future__ import annotations

import math

from ..film import KIND, record
from ..lab import Lab
from .scenario import scenario

_PLAY = "--autoplay-policy=no-user-gesture-required"
_VIDEO = '<video src="/film" autoplay loop {}></video>'


@scenario("playing video without sound", _PLAY)
def muted(lab: Lab) -> None:
    _watch(lab, "muted", sound=True, heard=False)


@scenario("playing video with sound", _PLAY)
def heard(lab: Lab) -> None:
    _watch(lab, "", sound=True, heard=True)


@scenario(
    "playing video that has no track of sound",
    _PLAY,
    known="what is neither muted nor at volume 0 is taken for heard",
)
def silent(lab: Lab) -> None:
    _watch(lab, "", sound=False, heard=False)


def _watch(lab: Lab, attributes: str, *, sound: bool, heard: bool) -> None:
    lab.site.files["/film"] = KIND, record(lab.browser, sound=sound)
    lab.site.pages["/a"] += _VIDEO.format(attributes)
    tab = lab.open("/a")
    if heard:
        tab.view.lasting.append((tab.view.shown[0], math.inf))
    lab.wait(45)
    if not tab.run("document.querySelector('video').currentTime"):
        raise RuntimeError("the film did not play")
    tab.close()
