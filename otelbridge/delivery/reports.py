"""What was dropped, for destinations that keep statistics of it: one report a minute, best effort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from otelbridge.core.component import Exporter, Parcel
from otelbridge.delivery.outbox import Entry

REPORT_SECONDS = 60.0


class DropReports:
    """Drops since the last report, by exporter and destination."""

    def __init__(self, exporters: Mapping[str, Exporter]) -> None:
        self._exporters = exporters
        self._dropped: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
        self._due_at = 0.0

    def add(self, reason: str, entry: Entry) -> None:
        """Count a parcel that was given up, and the spans in it."""
        exporter, destination, category = entry.lane
        counts = self._dropped.setdefault((exporter, destination), Counter())
        counts[reason, category] += 1
        if entry.spans:
            counts[reason, "span"] += entry.spans

    def due(self, now: float, *, at_once: bool) -> Iterator[tuple[str, Parcel]]:
        """The reports to send now, by exporter."""
        if not self._dropped or (now < self._due_at and not at_once):
            return
        self._due_at = now + REPORT_SECONDS
        dropped, self._dropped = self._dropped, {}
        for (exporter, destination), counts in dropped.items():
            known = self._exporters.get(exporter)
            parcel = known.client_report(destination, counts, now) if known else None
            if parcel is not None:
                yield exporter, parcel

    def next_due(self) -> list[float]:
        """When the next report is due; empty when there is nothing to report."""
        return [self._due_at] if self._dropped else []
