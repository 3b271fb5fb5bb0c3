"""How many calls one address may make."""

from __future__ import annotations

import time

from ..who.address import Address

_MOST_ADDRESSES = 10_000
_REST = -1
"""Stands for all other addresses."""
_ONE_READER = 64
"""Whoever has one IPv6 address has as many as end in so many bits (RFC 4291, 2.5.4)."""


class Rates:
    """Counts calls by address in one table, made anew after each period; bounded.

    :param limit: so many calls; 0 is no limit
    :param period: seconds
    :param all_addresses: whether loopback and private addresses count too
    """

    def __init__(self, limit: int, period: int, all_addresses: bool) -> None:
        self._limit = limit
        self._period = period
        self._all = all_addresses
        self._began = time.monotonic()
        self._calls: dict[int, int] = {}

    def allows(self, address: Address | None) -> bool:
        """Count one call, and tell whether it is still within the limit."""
        if not self._limit or address is None or (address.is_private and not self._all):
            return True
        now = time.monotonic()
        if now - self._began >= self._period:
            self._began, self._calls = now, {}
        calls = self._calls
        key = int(address) >> (_ONE_READER if address.version == 6 else 0)
        if key not in calls and len(calls) >= _MOST_ADDRESSES:
            key = _REST
        calls[key] = calls.get(key, 0) + 1
        return calls[key] <= self._limit
