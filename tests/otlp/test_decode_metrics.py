"""Requests of metrics become arrays, or a clear refusal."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otelbridge.core.errors import Undecodable
from otelbridge.otlp.decode_metrics import DecodedMetrics, concatenate_metrics, decode_metrics
from tests.support.metrics import (
    exponential_histogram,
    gauge,
    histogram,
    metrics_request,
    number_point,
    sdk_request,
    sum_metric,
    summary,
)
from tests.support.otlp import key_value

MEBIBYTE = 1024 * 1024


def every_kind() -> bytes:
    """Kinds whose points are decoded together stand apart, and one of them twice."""
    seen = {"time_unix_nano": 2_000, "start_time_unix_nano": 1_000, "attributes": {"a": "x", "b": 1}}
    return metrics_request(
        summary("s", count=3, sum=6.0, **seen),
        sum_metric("t", number_point(5, attributes={"c": 1.5}), number_point(6)),
        histogram("h", count=2, sum=4.5, **seen),
        gauge("g", number_point(0.5, attributes={"d": True})),
        exponential_histogram("e", count=1, sum=8.0, **seen),
        histogram("h2", count=9, **seen),
    )


def reference(body: bytes) -> list[tuple[Any, ...]]:
    """Every data point with its metric, as the official library reads them."""
    return [
        (
            *(resource.resource, scope.scope, metric.name),
            *(point.time_unix_nano, point.start_time_unix_nano, *_value_and_count(point)),
            [(item.key, str(item.value)) for item in point.attributes],
        )
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data") or "gauge").data_points
    ]


def _value_and_count(point: Any) -> tuple[float | None, int]:
    if isinstance(point, pb.NumberDataPoint):
        kind = point.WhichOneof("value")
        return (None if kind is None else float(getattr(point, kind))), 1
    is_there = isinstance(point, pb.SummaryDataPoint) or point.HasField("sum")
    return (point.sum if is_there else None), point.count


def read(decoded: DecodedMetrics) -> list[tuple[Any, ...]]:
    """The same, of what was decoded."""

    def repeated(items: list[Any], counts: list[int]) -> list[Any]:
        return [item for item, count in zip(items, counts, strict=True) for _ in range(count)]

    attributes: list[list[tuple[str, str]]] = [[] for _ in range(decoded.points)]
    distinct = decoded.distinct_attributes.to_pylist()
    for attribute, point in zip(decoded.attributes.tolist(), decoded.attribute_points.tolist(), strict=True):
        (value,) = [value for value in (distinct[attribute]["value"] or {}).values() if value is not None]
        attributes[point].append((distinct[attribute]["key"], str(key_value("", value).value)))
    fields = decoded.fields
    columns = [fields["time_ns"], fields["start_ns"], fields["value"], fields["is_recorded"], fields["count"]]
    points = [
        (time, start, value if is_recorded else None, count)
        for time, start, value, is_recorded, count in zip(*(each.tolist() for each in columns), strict=True)
    ]
    origins = [
        (Resource.FromString(one.resource), InstrumentationScope.FromString(one.scope)) for one in decoded.scopes
    ]
    metrics = decoded.names.to_pylist()
    rows = zip(
        repeated(origins, decoded.points_per_scope),
        repeated(metrics, decoded.points_per_metric.tolist()),
        points,
        attributes,
        strict=True,
    )
    return [(*origin, metric, *point, on_point) for origin, metric, point, on_point in rows]


@pytest.mark.parametrize("body", [sdk_request(), every_kind()], ids=["sdk", "every kind"])
def test_every_point_is_what_the_official_library_reads(body: bytes) -> None:
    assert read(decode_metrics([body])) == reference(body)


def test_several_requests_are_decoded_as_one_by_one() -> None:
    bodies = [sdk_request(), b"", metrics_request(gauge("a", number_point(1))), every_kind()]

    together, apart = decode_metrics(bodies), concatenate_metrics([decode_metrics([body]) for body in bodies])

    assert together.points_per_request == apart.points_per_request == [len(reference(body)) for body in bodies]
    assert read(together) == read(apart) == [point for body in bodies for point in reference(body)]


def test_metrics_and_scopes_without_points_are_left_out() -> None:
    decoded = decode_metrics(
        [metrics_request(pb.Metric(name="nothing"), gauge("no points")), metrics_request(gauge("a", number_point(1)))]
    )

    assert decoded.names.to_pylist() == ["a"]
    assert decoded.points_per_scope == [1]
    assert decoded.points_per_request == [0, 1]


def test_the_data_of_a_metric_that_is_sent_in_two_pieces_is_put_together() -> None:
    first, second = gauge("a", number_point(1)), pb.Metric(gauge=pb.Gauge(data_points=[number_point(2)]))
    metric = first.SerializeToString() + second.SerializeToString()
    scope = b"\x12" + bytes([len(metric)]) + metric
    resource = b"\x12" + bytes([len(scope)]) + scope
    body = b"\x0a" + bytes([len(resource)]) + resource

    decoded = decode_metrics([body])

    assert decoded.fields["value"].tolist() == [1.0, 2.0]
    assert read(decoded) == reference(body)


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x05abc", b"\x0b", b"{}", b"\x0a\x04\x12\x02\x12\x05"])
def test_what_is_not_a_request_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable, match="not an ExportMetricsServiceRequest"):
        decode_metrics([body])


@pytest.mark.parametrize("body", [sdk_request(), every_kind()], ids=["sdk", "every kind"])
def test_the_verdict_on_mutated_requests_is_the_official_librarys_but_for_opaque_fields(body: bytes) -> None:
    """Opaque: descriptions, buckets, quantiles, exemplars, array, kvlist and bytes values, resource and scope."""
    rng = random.Random(7)
    verdicts = {(ours, theirs): 0 for ours in (True, False) for theirs in (True, False)}
    for _ in range(3000):
        mutated = bytearray(body)
        for _ in range(rng.randrange(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        try:
            decode_metrics([bytes(mutated)])
            ours = True
        except Undecodable:
            ours = False
        try:
            ExportMetricsServiceRequest.FromString(bytes(mutated))
            theirs = True
        except DecodeError:
            theirs = False
        verdicts[ours, theirs] += 1
    assert verdicts[False, True] == 0
    assert min(verdicts[True, True], verdicts[False, False]) > 300


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_sixteen_mebibytes_of_empty_messages_cost_no_objects(depth: int) -> None:
    """Of empty resources, scopes or metrics."""
    body = [b"\x0a\x00", b"\x12\x00", b"\x12\x00"][depth - 1] * (8 * MEBIBYTE)
    for _ in range(depth - 1):
        body = b"\x12" + _length(body) + body
    if depth > 1:
        body = b"\x0a" + body[1:]

    decoded = decode_metrics([body])

    assert (decoded.points, decoded.scopes, len(decoded.names)) == (0, [], 0)


def _length(body: bytes) -> bytes:
    length, varint = len(body), b""
    while length:
        varint += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
        length >>= 7
    return varint
