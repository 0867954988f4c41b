"""Outcomes on their way into the outbox: many in one transaction, because deleting parcels one by one is dear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from otelbridge.delivery.outbox import Entry

SETTLE_PARCELS = 100  # outcomes written in one transaction, or
SETTLE_SECONDS = 0.2  # those of this time
RETRY_SECONDS = 1.0
BEHIND_PARCELS = 1000  # so many at most are sent twice after a crash, while the disk is full


class Settlement:
    """Collects outcomes until they are due; those that could not be written are kept."""

    def __init__(self, write: Callable[[Mapping[str, Sequence[Entry]]], None]) -> None:
        self._write = write
        self._outcomes: dict[str, list[Entry]] = {}
        self._count = 0
        self._due_at = 0.0
        self._has_failed = False

    def add(self, outcome: str, entry: Entry, now: float) -> None:
        """A parcel has left."""
        if not self._outcomes:
            self._due_at = now + SETTLE_SECONDS
        self._outcomes.setdefault(outcome, []).append(entry)
        self._count += 1

    def settle_when_due(self, now: float) -> None:
        """Write if it is time to. Raises RetryLater when it could not be written; it is due again a second later."""
        is_large = self._count >= SETTLE_PARCELS and not self._has_failed
        if not self._outcomes or not (is_large or now >= self._due_at):
            return
        self._due_at = now + RETRY_SECONDS
        self._has_failed = True
        self.settle()

    def settle(self) -> None:
        """Write now. Raises RetryLater."""
        if self._outcomes:
            self._write(self._outcomes)
        self._outcomes = {}
        self._count = 0
        self._has_failed = False

    @property
    def is_behind(self) -> bool:
        """Nothing more should be sent before this is written."""
        return self._count >= BEHIND_PARCELS

    def numbers(self) -> set[int]:
        """Parcels whose outcome is not written yet."""
        return {entry.number for entries in self._outcomes.values() for entry in entries}

    def due(self) -> list[float]:
        """When to write next; empty when there is nothing to write."""
        return [self._due_at] if self._outcomes else []
