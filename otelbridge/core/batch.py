"""A batch of spans on its way through the processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from otelbridge.core.findings import Finding
from otelbridge.core.outcomes import DropReason


@dataclass(frozen=True, slots=True)
class Origin:
    """Who emitted a span: the protobuf bytes of its resource and its instrumentation scope."""

    resource: bytes
    scope: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans as columns (see `core.schema`) and what was learnt about them on the way.

    Attributes:
        spans: one row a span.
        now: log time in seconds since the epoch; the only clock a component knows.
        origins: the `origin` column's values -> resource and scope.
        findings: what processors found in this batch so far.
        dropped: spans that left this batch, by reason.
        measurements: frames of measurements that processors made of these spans, by name of the measurement.
    """

    spans: pl.DataFrame
    now: float
    origins: Mapping[int, Origin] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    dropped: Mapping[DropReason, int] = field(default_factory=dict)
    measurements: tuple[tuple[str, pl.DataFrame], ...] = ()

    def with_spans(self, spans: pl.DataFrame) -> Batch:
        """The same batch with other columns; rows must neither come nor go."""
        return replace(self, spans=spans)

    def with_columns(self, *columns: pl.Expr | pl.Series) -> Batch:
        """The same batch with columns added or replaced."""
        return replace(self, spans=self.spans.with_columns(*columns))

    def add_findings(self, findings: Iterable[Finding]) -> Batch:
        """The same batch with findings added."""
        return replace(self, findings=(*self.findings, *findings))

    def without_findings(self, marks: tuple[Finding, ...]) -> Batch:
        """The same batch without these very findings."""
        if not marks:
            return self
        return replace(self, findings=tuple(one for one in self.findings if not any(one is mark for mark in marks)))

    def add_measurements(self, name: str, frame: pl.DataFrame | None) -> Batch:
        """The same batch with measurements added, if any; the frame's columns are those of `MeasurementKind.schema`."""
        if frame is None or frame.is_empty():
            return self
        return replace(self, measurements=(*self.measurements, (name, frame)))

    def drop(self, reason: DropReason, doomed: pl.Expr | pl.Series) -> Batch:
        """The batch without the rows where `doomed` (Boolean) is true, each counted under `reason`."""
        stays = ~doomed
        # Of known rows those that stay are gathered: a third of what it costs to filter.
        kept = self.spans[stays.arg_true()] if isinstance(stays, pl.Series) else self.spans.filter(stays)
        count = self.spans.height - kept.height
        if count == 0:
            return self
        dropped = {**self.dropped, reason: self.dropped.get(reason, 0) + count}
        return replace(self, spans=kept, dropped=dropped)
