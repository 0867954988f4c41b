"""The contract of trackers: what watches measurements, beside the components that see spans.

As every component, a tracker is pure but for its own state: no I/O, no clock, no threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from otelbridge.core.findings import Finding
from otelbridge.core.measurements import Measurements


class Tracker(ABC):
    """Watches series of measurements, and says when one changes.

    Sees the measurements of 100 % of the spans, once per tick of the log, in the log's order: what it finds depends on
    them alone. Its state is bounded, and saved in parts, because it is large and changes a little at a time.
    """

    @abstractmethod
    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        """Findings raised, updated or resolved by the measurements of one tick. Never raises on any numbers.

        Args:
            measurements: frames of those names that `ComponentSpec.watches` asks for.
            now: log time at the end of the tick, in seconds since the epoch.
        """

    @property
    def counters(self) -> Mapping[str, int]:
        """What the component counts since the start, for `/metrics`; by a name of its own for each event."""
        return {}

    @property
    @abstractmethod
    def series(self) -> int:
        """How many series it remembers."""

    def changes(self) -> Mapping[str, bytes | None]:
        """Parts of the state that changed since the last call, by name; None for one that is gone."""
        return {}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over all parts that `changes` of the same version gave so far."""
