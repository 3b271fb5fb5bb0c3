"""What a head says, before the tag's place, that decides over the tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Said:
    """What stood in the head that is not a matter of place, as text without references.

    :ivar policies: the content of each ``<meta http-equiv="Content-Security-Policy">``
    :ivar base: the address of the first ``<base>`` that has one
    """

    policies: list[str] = field(default_factory=list)
    base: str | None = None

    def note(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take an element of the head (HTML, 4.2.3 and 4.2.5.3).

        :param name: ``base`` or ``meta``; others say nothing here
        :param attributes: of HTML, with names in lower case; of XHTML, as they came
        """
        if name == "base" and self.base is None:
            self.base = attributes.get("href")
        elif name == "meta" and _is_policy(attributes):
            self.policies.append(attributes["content"])


def _is_policy(attributes: Mapping[str, str]) -> bool:
    pragma = attributes.get("http-equiv", "").lower()
    return pragma == "content-security-policy" and bool(attributes.get("content"))
