"""Freezing and discarding tabs, as a browser does that runs out of memory.

Only the browser itself can: by ``chrome://discards``, one of its pages for its own developers,
which ``chrome://chrome-urls`` has to allow first. (The protocol's ``Page.setWebLifecycleState``
freezes too, but discards nothing.)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from .devtools import DevTools
from .waiting import until

_ALLOW = "chrome://chrome-urls"
_DISCARDS = "chrome://discards"
_BUTTON = "document.querySelector('chrome-urls-app')?.shadowRoot?.querySelector('cr-button')"
_ACT = """(async function (url, act) {
  const {getOrCreateDetailsProvider} = await import('chrome://discards/discards.js');
  const provider = getOrCreateDetailsProvider();
  const {infos} = await provider.getTabDiscardsInfo();
  const tab = infos.find(function (info) { return info.tabUrl === url; });
  await act(provider, tab.id);
})"""


def freeze(browser: DevTools, url: str) -> None:
    """Freeze the tab that shows the address."""
    _act(browser, url, "freezeById(id)")


def discard(browser: DevTools, url: str) -> str:
    """Discard the tab that shows the address, for want of memory; return its new target id."""
    before = set(_pages(browser, url))
    _act(browser, url, "discardById(id, 1)")
    until(lambda: bool(set(_pages(browser, url)) - before), f"empty tab in the place of {url}")
    return next(page for page in _pages(browser, url) if page not in before)


def _act(browser: DevTools, url: str, call: str) -> None:
    _allow(browser)
    with _page(browser, _DISCARDS, "document.querySelector('discards-main')") as page:
        act = f"function (provider, id) {{ return provider.{call}; }}"
        browser.evaluate(page, f"{_ACT}({json.dumps(url)}, {act})")


def _pages(browser: DevTools, url: str) -> list[str]:
    targets = browser.command("Target.getTargets")["targetInfos"]
    return [target["targetId"] for target in targets if target["url"] == url]


def _allow(browser: DevTools) -> None:
    with _page(browser, _ALLOW, _BUTTON) as page:
        is_allowed = f"{_BUTTON}.textContent.includes('Disable')"
        if not browser.evaluate(page, is_allowed):
            browser.evaluate(page, f"{_BUTTON}.click()")
        until(lambda: bool(browser.evaluate(page, is_allowed)), "allowed debugging pages")


@contextlib.contextmanager
def _page(browser: DevTools, url: str, ready: str) -> Iterator[str]:
    page = browser.open(url)
    try:
        until(lambda: bool(browser.evaluate(page, f"!!({ready})")), url)
        yield page
    finally:
        browser.close(page)
