"""Errors named by what the caller should do about them."""

from __future__ import annotations


class OtelbridgeError(Exception):
    """Every error that is ours and expected; its text is fit for the user."""


class CannotStart(OtelbridgeError):
    """The daemon cannot run here and now: a port is taken, a folder is not writable. One clear line."""


class Undecodable(OtelbridgeError):
    """The request is not what its protocol says. The client must not send it again."""


class TooLarge(Undecodable):
    """The request is larger than the receiver takes."""


class RetryLater(OtelbridgeError):
    """Nothing is wrong with the data: try again after `seconds` (None: the caller's own backoff)."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class RateLimited(RetryLater):
    """The destination asks for a pause: `limits` says for which categories (empty: all) and how many seconds each."""

    def __init__(self, reason: str, limits: tuple[tuple[frozenset[str], float], ...]) -> None:
        super().__init__(reason, max((seconds for _, seconds in limits), default=None))
        self.limits = limits


class Rejected(OtelbridgeError):
    """The other side will never take this: count it under its reason and go on."""


class StateUnreadable(OtelbridgeError):
    """A checkpoint or a log segment does not hold what this version can read."""
