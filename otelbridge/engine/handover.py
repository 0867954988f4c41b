"""From the appender to the task, so that what was just decoded is not decoded again.

Bounded: when the task is behind, what does not fit is left to the log, where it is already durable; the task finds a
gap and reads the log instead.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from otelbridge.engine.progress import Stamp
from otelbridge.engine.wires import Decoded


@dataclass(frozen=True, slots=True)
class Group(Generic[Decoded]):
    """Requests that were appended together, decoded.

    Attributes:
        decoded: of all of them.
        stamps: one a request.
        items: their spans or data points.
        bytes: memory that they take, decoded.
    """

    decoded: Decoded
    stamps: Sequence[Stamp]
    items: int
    bytes: int


class Handover(Generic[Decoded]):
    """Written by the appender's thread, read by the task's."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._groups: deque[Group[Decoded]] = deque()
        self._bytes = 0
        self._items = 0
        self._changed = threading.Condition()
        self._woken = False

    def put(self, group: Group[Decoded]) -> None:
        """Offer a group; ignored when there is no room."""
        with self._changed:
            if self._groups and self._bytes + group.bytes > self._capacity_bytes:
                self._woken = True
            else:
                self._groups.append(group)
                self._bytes += group.bytes
                self._items += group.items
            self._changed.notify()

    def take(self, after: int, max_items: int) -> list[Group[Decoded]]:
        """The groups that follow record `after`, up to about `max_items`; empty if the next one is not here."""
        taken: list[Group[Decoded]] = []
        items = 0
        with self._changed:
            self._woken = False
            while self._groups and items < max_items:
                group = self._groups[0]
                if group.stamps[0].sequence <= after:
                    self._drop_first()  # was read from the log meanwhile, in part at least; the log has the rest
                    continue
                if group.stamps[0].sequence != after + 1:
                    break
                self._drop_first()
                taken.append(group)
                items += group.items
                after = group.stamps[-1].sequence
        return taken

    def next_sequence(self) -> int | None:
        """The first record that is here; None when there is none."""
        with self._changed:
            return self._groups[0].stamps[0].sequence if self._groups else None

    def wait(self, items: int, timeout_seconds: float) -> None:
        """Return when about that many are here, somebody called `wake`, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._items >= items or self._woken, timeout_seconds)

    def wake(self) -> None:
        """End a `wait`."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def _drop_first(self) -> None:
        group = self._groups.popleft()
        self._bytes -= group.bytes
        self._items -= group.items
