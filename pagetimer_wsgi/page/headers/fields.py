"""The headers of one response, asked for by name again and again."""

from __future__ import annotations

from collections.abc import Sequence

from .. import Headers


class Fields:
    """Headers by name; all names here are in lower case.

    :param pairs: as the application gave them
    :ivar names: which there are
    """

    __slots__ = ("_values", "names", "pairs")

    def __init__(self, pairs: Headers) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            lowered = name.lower()
            if lowered in values:
                values[lowered].append(value)
            else:
                values[lowered] = [value]
        self.pairs = pairs
        self.names = values.keys()
        self._values = values

    def values(self, name: str) -> Sequence[str]:
        """Return what all fields of one name say, in their order."""
        return self._values.get(name, ())

    def without(self, *names: str) -> Headers:
        """Return the headers as they came, but for those of these names."""
        if self.names.isdisjoint(names):
            return self.pairs
        return [pair for pair in self.pairs if pair[0].lower() not in names]
