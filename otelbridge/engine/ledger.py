"""The balance of a pipeline: every span that came in is exported, dropped for a reason, or held.

    received = dropped + held in the trace buffer + kept
    kept     = exported + dropped by the exporter or its destination + held in the outbox      (for each exporter)

The task counts; the counts are part of its checkpoint, so that the balance holds over restarts too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from otelbridge.core.outcomes import DropReason


@dataclass(frozen=True, slots=True)
class Balance:
    """A ledger between two batches, and what the trace buffer held then: `received == kept + dropped + held`.

    A ledger that is read while a batch is on its way shows spans that have left the buffer and are nowhere yet.
    """

    received: int = 0
    kept: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    held: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    traces: Mapping[str, int] = field(default_factory=dict)
    late: Mapping[str, int] = field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """What is missing for the balance to hold: 0, or there is a defect."""
        return self.received - self.kept - sum(self.dropped.values()) - self.held


@dataclass(slots=True)
class Ledger:
    """Counts of spans since the data folder was created.

    Attributes:
        received: spans read from the log.
        dropped: by reason, before any exporter saw them.
        kept: handed to every exporter.
        export_dropped: by exporter and reason: what an exporter could not encode.
        findings: by kind.
        traces: by outcome: kept, dropped.
        late: late spans, by what became of them: kept, dropped.
    """

    received: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    export_dropped: dict[str, Counter[str]] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)
    traces: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)

    def drop(self, dropped: Mapping[DropReason, int]) -> None:
        """Count what a batch's processors dropped."""
        for reason, spans in dropped.items():
            self.dropped[str(reason)] += spans

    def drop_at_export(self, exporter: str, dropped: Mapping[str, int]) -> None:
        """Count what an exporter could not encode."""
        counts = self.export_dropped.setdefault(exporter, Counter())
        for reason, spans in dropped.items():
            counts[str(reason)] += spans

    def held(self) -> int:
        """Spans that must lie in the trace buffer for the balance to hold."""
        return self.received - self.kept - sum(self.dropped.values())

    def balance(self, held: int) -> Balance:
        """The counts at this moment, for readers in other threads."""
        return Balance(
            self.received, self.kept, dict(self.dropped), held, dict(self.findings), dict(self.traces), dict(self.late)
        )

    def snapshot(self) -> bytes:
        """All counts."""
        return msgspec.msgpack.encode(
            (self.received, self.kept, self.dropped, self.export_dropped, self.findings, self.traces, self.late)
        )

    @classmethod
    def restore(cls, snapshot: bytes) -> Ledger:
        """The ledger that wrote the snapshot."""
        saved = msgspec.msgpack.decode(snapshot)
        received, kept, dropped, export_dropped, findings, traces, late = saved
        return cls(
            received,
            kept,
            Counter(dropped),
            {exporter: Counter(counts) for exporter, counts in export_dropped.items()},
            Counter(findings),
            Counter(traces),
            Counter(late),
        )
