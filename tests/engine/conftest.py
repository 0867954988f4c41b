"""A pipeline of the engine alone: trace buffer and an exporter that notes what it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from otelbridge.config.model import Configured
from otelbridge.core.component import ComponentConfig, ComponentSpec, Encoded, Exporter, Kept, Kind, Parcel
from otelbridge.engine.group_by_trace import SPEC as GROUP_BY_TRACE
from otelbridge.engine.group_by_trace import GroupByTraceConfig
from otelbridge.engine.pipeline import Pipeline, build
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode


@dataclass
class NotingExporter(Exporter):
    """One parcel a trace and export, with the names of its spans."""

    kept: list[Kept] = field(default_factory=list)

    def encode(self, kept: Kept) -> Encoded:
        self.kept.append(kept)
        traces = kept.spans.group_by("trace_id", maintain_order=True).agg("name")
        return Encoded(
            [
                Parcel(f"{trace_id:032x}", "here", "transaction", "+".join(sorted(names)).encode(), len(names))
                for trace_id, names in traces.sort("trace_id").iter_rows()
            ]
        )

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        return ()


def raise_error(_component: str, error: BaseException) -> None:
    raise error


@dataclass
class Bench:
    """A task and what came out of it, driven by hand."""

    task: TracesTask
    sequence: int = 0
    parcels: list[str] = field(default_factory=list)

    def feed(self, *bodies: bytes, at: float) -> None:
        stamps = []
        for _ in bodies:
            self.sequence += 1
            stamps.append(Stamp(self.sequence, at))
        for _boundary in self.task.feed(decode(bodies), stamps):
            pass

    def exported(self, at: float | None = None) -> list[str]:
        """The bodies of parcels made since the last call, after advancing the clock."""
        if at is not None:
            self.task.advance(at)
        progress = self.task.progress()
        return [parcel.body.decode() for parcels in progress.parcels.values() for parcel in parcels]


def pipeline(processors: Sequence[Configured] = (), after: Sequence[Configured] = (), **grouping: Any) -> Pipeline:
    spec: ComponentSpec[Any] = ComponentSpec(
        Kind.EXPORTER, "noting", ComponentConfig, lambda _config, _context: NotingExporter(), "notes"
    )
    return build(
        "traces",
        [*processors, Configured("group_by_trace", GROUP_BY_TRACE, GroupByTraceConfig(**grouping)), *after],
        [Configured("noting", spec, ComponentConfig())],
        "",
    )


@pytest.fixture
def bench() -> Callable[..., Bench]:
    def make(*arguments: Any, **grouping: Any) -> Bench:
        return Bench(TracesTask(pipeline(*arguments, **grouping), raise_error))

    return make
