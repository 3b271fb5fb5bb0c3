"""The few errors of this package, under one base; each carries the value at fault."""

from __future__ import annotations


class PageTimerError(Exception):
    """Base of every error that this package raises on purpose."""


class SettingsError(PageTimerError):
    """A configuration whose text is wrong. It stops the start.

    :param option: the option's name as it was written
    :param reason: what is wrong and what would be right, one sentence
    :param value: the value at fault, where there is one
    """

    def __init__(self, option: str, reason: str, value: object = None) -> None:
        super().__init__(f"option {option!r}: {reason}")
        self.option = option
        self.reason = reason
        self.value = value


class StoreAway(PageTimerError):
    """The store cannot take or answer anything now; whatever was to be written waits."""


class SpoolAway(PageTimerError):
    """A beat could not be made durable, so it was not accepted."""


class Refused(PageTimerError):
    """A call on a reserved address that cannot be accepted.

    :param status: the HTTP status that answers it, 400 to 499
    :param reason: what was wrong and what would be right, one sentence
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class BadLine(PageTimerError):
    """A line of a spool segment that is no beat.

    :param line: the line's bytes as they were read, without the newline
    """

    def __init__(self, line: bytes, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
