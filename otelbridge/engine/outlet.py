"""The exporters of a task, and what they made that is not in a checkpoint yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from otelbridge.core.component import Encoded, Exporter, Kept, Parcel
from otelbridge.core.outcomes import DropReason

OnError = Callable[[str, BaseException], None]
"""Told when a component raised: its id and the error. The batch goes on without what it would have added."""


class Outlet:
    """Shows every exporter what is kept, and collects its parcels.

    Attributes:
        pending_bytes: of the parcels that wait for a checkpoint.
    """

    def __init__(self, exporters: Mapping[str, Exporter], on_error: OnError) -> None:
        self.pending_bytes = 0
        self._exporters = exporters
        self._on_error = on_error
        self._parcels: dict[str, list[Parcel]] = {exporter: [] for exporter in exporters}

    def export(self, kept: Kept) -> dict[str, Mapping[str, int]]:
        """Encode what is kept; returns spans dropped on the way, by exporter and reason."""
        dropped: dict[str, Mapping[str, int]] = {}
        for exporter_id, exporter in self._exporters.items():
            encoded = self._encode(exporter_id, exporter, kept)
            self._parcels[exporter_id] += encoded.parcels
            self.pending_bytes += sum(len(parcel.body) for parcel in encoded.parcels)
            dropped[exporter_id] = encoded.dropped
        return dropped

    def take(self) -> dict[str, list[Parcel]]:
        """The parcels by exporter, for a checkpoint; they are handed over once."""
        parcels, self._parcels = self._parcels, {exporter: [] for exporter in self._exporters}
        self.pending_bytes = 0
        return parcels

    def _encode(self, component: str, exporter: Exporter, kept: Kept) -> Encoded:
        try:
            encoded = exporter.encode(kept)
            return Encoded(exporter.pack(encoded.parcels), encoded.dropped)
        except Exception as error:  # noqa: BLE001 # the step boundary: the spans are counted, the pipeline goes on
            self._on_error(component, error)
            return Encoded([], {DropReason.UNREADABLE: kept.spans.height})
