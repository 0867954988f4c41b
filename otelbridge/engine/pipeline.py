"""A pipeline as it runs: which columns are made, which components see them in which order, and what is carried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from otelbridge.config.model import Configured, watched_by
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import BuildContext, Exporter, Processor
from otelbridge.core.schema import Column, Concept, DType
from otelbridge.engine.group_by_trace import GroupByTrace
from otelbridge.engine.tracking import WatchedBy
from otelbridge.otlp.columns import ColumnExtractor, arbitrary_concept
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.derived import OP_READS, with_derived_of_wire

DERIVED = frozenset({"duration_ms", "is_segment", "op"})
DERIVED_AGAIN = frozenset({"duration_ms", "is_segment"})  # after the trace buffer


@dataclass(frozen=True, slots=True)
class Step:
    """A built processor under its id."""

    id: str
    processor: Processor


@dataclass(slots=True)
class Pipeline:
    """What a task runs.

    Attributes:
        id: e.g. `traces` or `traces/checkout`.
        span_steps: processors before group_by_trace.
        grouping: the trace buffer.
        trace_steps: processors after it.
        trackers: watch what the processors measure.
        exporters: by component id.
        added: columns that processors add for the reader of a trace.
        carried: columns that lie in the trace buffer.
        promised: those of them that processors make: null-filled where one could not.
    """

    id: str
    extractor: ColumnExtractor
    span_steps: Sequence[Step]
    grouping: GroupByTrace
    trace_steps: Sequence[Step]
    trackers: Sequence[WatchedBy]
    exporters: Mapping[str, Exporter]
    added: tuple[Column, ...]
    carried: list[str]
    promised: Mapping[str, DType]

    def steps(self) -> Sequence[Step]:
        """All processors, in order."""
        return (*self.span_steps, *self.trace_steps)

    def without_unread(self, spans: pl.DataFrame) -> pl.DataFrame:
        """Only the columns that something after the buffer reads."""
        broken = [name for name in self.promised if name not in spans.columns]
        if broken:
            spans = spans.with_columns(pl.lit(None, dtype=self.promised[name]).alias(name) for name in broken)
        return spans[self.carried]

    def with_resource(self, batch: Batch) -> Batch:
        """Columns that are not carried, again, because they follow from the origin or from times and parents."""
        spans = self.extractor.with_resource_columns(batch.spans, batch.origins)
        return batch.with_spans(with_derived_of_wire(spans))


@dataclass(frozen=True, slots=True)
class MetricsPipeline:
    """What the task of a `metrics` pipeline runs.

    Attributes:
        id: e.g. `metrics`.
        trackers: watch the metrics that come in.
        keys: attributes that they know.
        exporters: get what trackers find, by component id.
    """

    id: str
    trackers: Sequence[WatchedBy]
    keys: frozenset[str]
    exporters: Mapping[str, Exporter]

    def steps(self) -> Sequence[Step]:
        """None: metrics go to trackers as they come."""
        return ()


def build(
    pipeline_id: str,
    processors: Sequence[Configured],
    exporters: Sequence[Configured],
    folder: str,
    trackers: Sequence[Configured] = (),
) -> Pipeline:
    """Construct the components of one checked configuration; starts nothing."""
    position = next(i for i, item in enumerate(processors) if item.spec.name == "group_by_trace")
    grouping = processors[position]
    everything = [*processors, *exporters]
    reads = frozenset().union(*(item.spec.reads(item.config) for item in everything))
    carries = frozenset().union(
        *(item.spec.carries(item.config) for item in everything),
        *(item.spec.reads(item.config) for item in (*processors[position + 1 :], *exporters)),
    )
    added = tuple(column for item in processors for column in item.spec.adds)
    concepts = _concepts(reads | carries | OP_READS, frozenset(column.name for column in added))
    resource_columns = {concept.name for concept in concepts if concept.where == "resource"}
    wire = [column.name for column in schema.WIRE_COLUMNS]
    carried = [*wire, *sorted((carries | DERIVED) - DERIVED_AGAIN - resource_columns - set(wire))]
    made_later = {column.name for item in processors[position + 1 :] for column in item.spec.adds}
    made_before = {column.name: column.dtype for item in processors[:position] for column in item.spec.adds}
    carried = [name for name in carried if name not in made_later]

    watched = watched_by(trackers)

    def step(item: Configured) -> Step:
        return Step(item.id, item.spec.build(item.config, BuildContext(item.id, folder, watched)))

    return Pipeline(
        id=pipeline_id,
        extractor=ColumnExtractor(concepts),
        span_steps=[step(item) for item in processors[:position]],
        grouping=grouping.spec.build(grouping.config, BuildContext(grouping.id, folder)),
        trace_steps=[step(item) for item in processors[position + 1 :]],
        trackers=_watching(trackers, folder),
        exporters=_exporting(exporters, folder),
        added=added,
        carried=carried,
        promised={name: made_before[name] for name in carried if name in made_before},
    )


def build_metrics(
    pipeline_id: str, trackers: Sequence[Configured], exporters: Sequence[Configured], folder: str
) -> MetricsPipeline:
    """Construct the components of one checked `metrics` pipeline; starts nothing."""
    keys = frozenset[str]().union(*(item.spec.keys(item.config) for item in trackers))
    return MetricsPipeline(pipeline_id, _watching(trackers, folder), keys, _exporting(exporters, folder))


def _watching(trackers: Sequence[Configured], folder: str) -> list[WatchedBy]:
    return [
        WatchedBy(
            item.id,
            partial(item.spec.build, item.config, BuildContext(item.id, folder)),
            item.spec.watches(item.config),
        )
        for item in trackers
    ]


def _exporting(exporters: Sequence[Configured], folder: str) -> dict[str, Exporter]:
    return {item.id: item.spec.build(item.config, BuildContext(item.id, folder)) for item in exporters}


def _concepts(wanted: frozenset[str], added: frozenset[str]) -> list[Concept]:
    concepts = []
    for name in sorted(wanted):
        concept = CONCEPTS.get(name) or arbitrary_concept(name)
        if concept is not None:
            concepts.append(concept)
        elif name not in added:
            known = {column.name for column in (*schema.WIRE_COLUMNS, *schema.DERIVED_COLUMNS)} | DERIVED
            if name not in known:
                raise LookupError(f"no concept and no processor makes the column {name!r}")
    return concepts
