"""The headers of one response, asked for by name again and again."""

from __future__ import annotations

from collections.abc import KeysView, Sequence

from .. import Headers


class Fields:
    """Headers by name; all names here are in lower case.

    :param pairs: as the application gave them
    """

    __slots__ = ("_values", "pairs")

    def __init__(self, pairs: Headers) -> None:
        self.pairs = pairs
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    @property
    def names(self) -> KeysView[str]:
        """Which there are."""
        return self._values.keys()

    def values(self, name: str) -> Sequence[str]:
        """Return what all fields of one name say, in their order."""
        return self._values.get(name, ())

    def without(self, *names: str) -> Headers:
        """Return the headers as they came, but for those of these names."""
        if self.names.isdisjoint(names):
            return self.pairs
        return [pair for pair in self.pairs if pair[0].lower() not in names]
