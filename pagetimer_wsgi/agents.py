"""What an agent text says: browser, system, device, and whether it is a person's at all."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# What programs call themselves, and the address that polite ones leave. (Cubot makes telephones.)
_PROGRAM = re.compile(
    r"(?<!cu)bots?\b|crawl|spider|slurp|headless|lighthouse|\+https?://"
    r"|^(?:curl|wget|python|java|go-http-client|libwww|httpie|php|ruby|node)\b",
    re.IGNORECASE,
)


class Agent(NamedTuple):
    """What an agent text says; ``None`` where it does not.

    :param browser: family, without version: ``Firefox``, ``Chrome Mobile``
    :param system: family of the operating system: ``Windows``, ``Android``
    :param device: what it runs on where that is named: ``iPhone``, ``Samsung SM-G991B``
    :param bot: whether a program says of itself that it is one, or is known as one
    """

    browser: str | None
    system: str | None
    device: str | None
    bot: bool


@lru_cache(maxsize=4096)
def describe(agent: str) -> Agent:
    """Return what the agent text says, by ua-parser's list.

    A bot is what that list calls a spider, or what calls itself a bot, a crawler, headless or
    a well-known program without a screen. Who lies about it is not found.
    """
    from ua_parser import parse  # its list takes a while to load

    found = parse(agent)
    device = _family(found.device)
    bot = device == "Spider" or _PROGRAM.search(agent) is not None
    return Agent(
        browser=_family(found.user_agent),
        system=_family(found.os),
        device=None if device == "Spider" else device,
        bot=bot,
    )


def _family(found: object) -> str | None:
    family: str | None = getattr(found, "family", None)
    return None if family in ("", "Other") else family
