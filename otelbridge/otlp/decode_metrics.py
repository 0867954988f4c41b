"""Export requests of metrics as Arrow arrays: what `otlp.decode` does for spans, and for the same reasons.

The kinds of metrics differ in where their data points keep what, so each kind's points are decoded in a pass of their
own; then they are put together again in the order of the requests, because nobody behind this asks for a kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otelbridge.core.arrays import Array
from otelbridge.core.batch import Origin
from otelbridge.core.errors import Undecodable
from otelbridge.otlp import projection

LEVEL, INCREMENT, TOTAL = range(3)
"""What a point's value is: as it stands now, since the point before, or since the start."""

_GAUGE, _SUM, _HISTOGRAM, _EXPONENTIAL_HISTOGRAM, _SUMMARY = range(5)
_DATA = ("gauge", "sum", "histogram", "exponential_histogram", "summary")  # fields of Metric, in that order
_LAYOUTS = (  # of data points, and which kinds have it
    ((_GAUGE, _SUM), projection.NUMBER_DATA_POINT),
    ((_HISTOGRAM,), projection.HISTOGRAM_DATA_POINT),
    ((_EXPONENTIAL_HISTOGRAM,), projection.EXPONENTIAL_HISTOGRAM_DATA_POINT),
    ((_SUMMARY,), projection.SUMMARY_DATA_POINT),
)
POINT = np.dtype(
    [
        ("time_ns", np.uint64),
        ("start_ns", np.uint64),
        ("value", np.float64),
        ("count", np.uint64),
        ("kind", np.uint8),
        ("is_recorded", np.bool_),
    ],
    align=True,
)
_DELTA = 1  # AGGREGATION_TEMPORALITY_DELTA
_NO_RECORDED_VALUE = 1  # DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


@dataclass(frozen=True, slots=True)
class DecodedMetrics:
    """Data points of one or more requests, in order; metrics and scopes without any are left out.

    Attributes:
        names: string, one a metric.
        points_per_metric: how many consecutive points belong to each metric.
        fields: one POINT a point: time_ns and start_ns (0 where unknown), value (of histograms and summaries the sum;
            0.0 unless is_recorded), count (1 for numbers), kind (LEVEL, INCREMENT or TOTAL; what is not said to be
            delta counts as cumulative).
        distinct_attributes: as in `DecodedSpans`.
        raw_attributes: binary, one row a distinct attribute: its own protobuf bytes.
        attributes: one item an attribute: index into `distinct_attributes`.
        attribute_points: one item an attribute: index of the point it stands on. Those of one point are in order.
        scopes: resource and instrumentation scope, one a ScopeMetrics that holds points.
        points_per_scope: how many consecutive points belong to each of `scopes`.
        points_per_request: how many points each request holds.
    """

    names: pa.Array
    points_per_metric: Array
    fields: Array
    distinct_attributes: pa.RecordBatch
    raw_attributes: pa.Array
    attributes: Array
    attribute_points: Array
    scopes: list[Origin]
    points_per_scope: list[int]
    points_per_request: list[int]

    @property
    def points(self) -> int:
        """Number of data points."""
        return len(self.fields)

    @property
    def bytes(self) -> int:
        """Memory that the arrays take; scopes are a few objects a request."""
        of_points = (self.names, self.points_per_metric, self.fields)
        of_attributes = (self.distinct_attributes, self.raw_attributes, self.attributes, self.attribute_points)
        return sum(array.nbytes for array in (*of_points, *of_attributes))


@dataclass(frozen=True, slots=True)
class _Envelope:
    """Requests down to their metrics, each still its own bytes."""

    resources: pa.Array  # binary, one a ResourceMetrics
    scopes: pa.Array  # binary, one a ScopeMetrics
    request_of_resource: Array
    resource_of_scope: Array
    scope_of_metric: Array
    metrics: pa.Array  # binary


@dataclass(frozen=True, slots=True)
class _Points:
    """Data points in the order of their metrics."""

    metric: Array  # of each point
    fields: Array
    attributes: pa.Array  # binary, one an attribute
    attribute_points: Array


def decode_metrics(requests: Sequence[bytes]) -> DecodedMetrics:
    """Decode requests together; raises Undecodable if any of them is not an ExportMetricsServiceRequest.

    Which one it was is found by decoding them one at a time; that is the rare case.
    """
    try:
        envelope = _envelope(requests)
        metrics = projection.METRIC.array_to_record_batch(envelope.metrics)
        points = _points(metrics)
        distinct = points.attributes.dictionary_encode()
        distinct_attributes = projection.KEY_VALUE.array_to_record_batch(distinct.dictionary)
    except ValueError as error:
        raise Undecodable(f"not an ExportMetricsServiceRequest: {error}") from None

    per_metric = np.bincount(points.metric, minlength=len(metrics))
    used = np.flatnonzero(per_metric)
    scopes, points_per_scope, request_of_scope = _origins(envelope, used, per_metric[used])
    per_request = np.bincount(request_of_scope, points_per_scope, minlength=len(requests))
    return DecodedMetrics(
        names=metrics.column("name").take(pa.array(used)),
        points_per_metric=per_metric[used],
        fields=points.fields,
        distinct_attributes=distinct_attributes,
        raw_attributes=distinct.dictionary,
        attributes=distinct.indices.to_numpy(),
        attribute_points=points.attribute_points,
        scopes=scopes,
        points_per_scope=points_per_scope.tolist(),
        points_per_request=per_request.astype(np.int64).tolist(),
    )


def concatenate_metrics(parts: Sequence[DecodedMetrics]) -> DecodedMetrics:
    """Several decoded groups of requests as one."""
    if len(parts) == 1:
        return parts[0]
    attributes, attribute_points = [], []
    distinct = points = 0
    for part in parts:
        attributes.append(part.attributes + distinct)
        attribute_points.append(part.attribute_points + points)
        distinct += len(part.distinct_attributes)
        points += part.points
    return DecodedMetrics(
        names=pa.concat_arrays([part.names for part in parts]),
        points_per_metric=np.concatenate([part.points_per_metric for part in parts]),
        fields=np.concatenate([part.fields for part in parts]),
        distinct_attributes=pa.concat_batches([part.distinct_attributes for part in parts]),
        raw_attributes=pa.concat_arrays([part.raw_attributes for part in parts]),
        attributes=np.concatenate(attributes),
        attribute_points=np.concatenate(attribute_points),
        scopes=[scope for part in parts for scope in part.scopes],
        points_per_scope=[count for part in parts for count in part.points_per_scope],
        points_per_request=[count for part in parts for count in part.points_per_request],
    )


def _envelope(requests: Sequence[bytes]) -> _Envelope:
    resource_lists = projection.METRICS_REQUEST.list_to_record_batch(list(requests)).column(0)
    resources = resource_lists.flatten()
    scope_lists = resources.field("scope_metrics")
    scopes = scope_lists.flatten()
    metric_lists = scopes.field("metrics")
    return _Envelope(
        resources=resources.field("resource"),
        scopes=scopes.field("scope"),
        request_of_resource=_parents(resource_lists),
        resource_of_scope=_parents(scope_lists),
        scope_of_metric=_parents(metric_lists),
        metrics=metric_lists.flatten(),
    )


def _points(metrics: pa.RecordBatch) -> _Points:
    data_lists = [metrics.column(name) for name in _DATA]
    data_of_kind = [one.flatten() for one in data_lists]
    data = projection.METRIC_DATA.array_to_record_batch(pa.concat_arrays(data_of_kind))
    kind_of_data = np.repeat(np.arange(len(_DATA)), [len(one) for one in data_of_kind])
    point_lists = data.column("data_points")
    data_of_point = _parents(point_lists)
    metric = np.concatenate([_parents(one) for one in data_lists])[data_of_point]

    per_kind = np.bincount(kind_of_data[data_of_point], minlength=len(_DATA))
    batches = _decoded_by_layout(point_lists.flatten(), per_kind)
    attribute_lists = [batch.column("attributes") for batch in batches]
    attribute_points = _stacked(attribute_lists, [len(batch) for batch in batches])
    fields = np.empty(len(metric), POINT)
    for batch, here in zip(batches, np.split(fields, np.cumsum([len(batch) for batch in batches])), strict=False):
        _fill(here, batch)
    fields["kind"] = _meanings(data, kind_of_data)[data_of_point]
    if (metric[1:] < metric[:-1]).any():  # metrics of several layouts
        order = np.argsort(metric, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        metric, fields, attribute_points = metric[order], fields[order], place[attribute_points]
    attributes = pa.concat_arrays([_NO_ATTRIBUTES, *(one.flatten() for one in attribute_lists)])
    return _Points(metric, fields, attributes, attribute_points)


def _decoded_by_layout(points: pa.Array, per_kind: Array) -> list[pa.RecordBatch]:
    """The points, which are sorted by kind, in one batch for each layout that occurs."""
    batches = []
    start = 0
    for kinds, handler in _LAYOUTS:
        count = int(per_kind[list(kinds)].sum())
        if count:
            batches.append(handler.array_to_record_batch(points.slice(start, count)))
        start += count
    return batches


def _fill(fields: Array, batch: pa.RecordBatch) -> None:
    fields["time_ns"] = batch.column("time_unix_nano").to_numpy()
    fields["start_ns"] = batch.column("start_time_unix_nano").to_numpy()
    if "sum" in batch.schema.names:
        value, fields["count"] = batch.column("sum"), batch.column("count").to_numpy()
    else:
        value = pc.coalesce(batch.column("as_double"), batch.column("as_int").cast(pa.float64(), safe=False))
        fields["count"] = 1
    is_recorded = (batch.column("flags").to_numpy() & _NO_RECORDED_VALUE) == 0
    if value.null_count:
        is_recorded &= value.is_valid().to_numpy(zero_copy_only=False)
        value = value.fill_null(0.0)
    fields["value"] = np.where(is_recorded, value.to_numpy(), 0.0)
    fields["is_recorded"] = is_recorded


def _meanings(data: pa.RecordBatch, kind: Array) -> Array:
    is_delta = data.column("aggregation_temporality").to_numpy() == _DELTA
    is_monotonic = data.column("is_monotonic").to_numpy(zero_copy_only=False)
    is_distribution = (kind == _HISTOGRAM) | (kind == _EXPONENTIAL_HISTOGRAM)
    conditions = [((kind == _SUM) | is_distribution) & is_delta, (kind == _GAUGE) | (kind == _SUM) & ~is_monotonic]
    return np.select(conditions, [INCREMENT, LEVEL], TOTAL).astype(np.uint8)


def _origins(envelope: _Envelope, metrics: Array, points_per_metric: Array) -> tuple[list[Origin], Array, Array]:
    """Of these metrics: their scopes, and for each scope how many points it holds and which request it is of.

    Only these become Python objects: 16 MiB of empty ones must cost no more than their decoding.
    """
    scopes, first = np.unique(envelope.scope_of_metric[metrics], return_index=True)
    points = np.add.reduceat(points_per_metric, first) if len(first) else np.zeros(0, np.int64)
    resources = envelope.resource_of_scope[scopes]
    emitters = list(
        zip(
            envelope.resources.take(pa.array(resources)).to_pylist(),
            envelope.scopes.take(pa.array(scopes)).to_pylist(),
            strict=True,
        )
    )
    origins = {emitter: Origin(*emitter) for emitter in set(emitters)}
    return [origins[emitter] for emitter in emitters], points, envelope.request_of_resource[resources]


def _parents(lists: pa.Array) -> Array:
    """For each item in the lists: in which it is."""
    parents: Array = pc.list_parent_indices(lists).to_numpy()
    return parents


def _stacked(lists: Sequence[pa.Array], lengths: Sequence[int]) -> Array:
    """For each item in several columns of lists, one below the other: in which row it is."""
    starts = np.cumsum([0, *lengths])
    parents = [np.zeros(0, np.int64), *(_parents(one) + start for one, start in zip(lists, starts, strict=False))]
    return np.concatenate(parents)


_NO_ATTRIBUTES = pa.array([], pa.binary())
