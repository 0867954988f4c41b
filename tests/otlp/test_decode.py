"""Requests become Arrow arrays, or a clear refusal."""

from __future__ import annotations

import random

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.core.errors import Undecodable
from otelbridge.otlp.decode import concatenate, count_invalid_ids, decode
from tests.support import recordings
from tests.support.otlp import request, request_of, span, spans_of, trace_id


def reference(body: bytes) -> list[tuple[Span, Resource, InstrumentationScope]]:
    """Every span with its resource and scope, as the official library reads them."""
    return [
        (one, resource.resource, scope.scope)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for one in scope.spans
    ]


@pytest.mark.parametrize("name", recordings.names())
def test_every_span_of_a_recording_keeps_its_bytes_and_origin(name: str) -> None:
    decoded = decode([recordings.load(name)])

    origins = [
        (Resource.FromString(origin.resource), InstrumentationScope.FromString(origin.scope))
        for origin, spans in zip(decoded.scopes, decoded.spans_per_scope, strict=True)
        for _ in range(spans)
    ]
    read = [(Span.FromString(raw), *origin) for raw, origin in zip(decoded.raw.to_pylist(), origins, strict=True)]
    assert read == reference(recordings.load(name))


def test_several_requests_are_decoded_as_one_by_one() -> None:
    bodies = [recordings.load("drizzle-pg"), b"", request(span("a"), trace=7)]

    together, apart = decode(bodies), concatenate([decode([body]) for body in bodies])

    assert together.spans_per_request == apart.spans_per_request == [335, 0, 1]
    assert together.raw.equals(apart.raw)
    assert together.scopes == apart.scopes
    for decoded in (together, apart):
        keys = decoded.distinct_attributes.column("key").take(decoded.attributes)
        assert len(keys) == len(decoded.attribute_spans)
    assert together.attribute_spans.equals(apart.attribute_spans)


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x05abc", b"\x0b", b"{}", b"\x0a\x04\x12\x02\x12\x05"])
def test_what_is_not_a_request_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable, match="not an ExportTraceServiceRequest"):
        decode([body])


def test_the_verdict_on_mutated_requests_is_the_official_librarys_but_for_opaque_fields() -> None:
    """Opaque until export: events, links, array, kvlist and bytes values, resource and scope."""
    rng = random.Random(7)
    body = request(span("GET /", attributes={"a": "x", "b": 1, "c": 1.5, "d": True}), trace=3)
    harsher = 0
    for _ in range(3000):
        mutated = bytearray(body)
        for _ in range(rng.randrange(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        try:
            decode([bytes(mutated)])
            ours = True
        except Undecodable:
            ours = False
        try:
            ExportTraceServiceRequest.FromString(bytes(mutated))
            theirs = True
        except DecodeError:
            theirs = False
        harsher += theirs and not ours
    assert harsher == 0


def test_unusable_ids_are_counted() -> None:
    spans = [
        *spans_of(span("good"), trace_id(1)),
        *spans_of(span("no trace"), b""),
        *spans_of(span("zero trace"), bytes(16)),
        *spans_of(span("short span id", span_id=b"\x01\x02"), trace_id(2)),
        *spans_of(span("zero span id", span_id=bytes(8)), trace_id(2)),
    ]

    assert count_invalid_ids(decode([request_of(spans)])) == 4
    assert count_invalid_ids(decode([b""])) == 0


def test_sixteen_mebibytes_of_empty_scopes_cost_no_objects() -> None:
    empty_scopes = b"\x12\x00" * 1_000_000
    length = len(empty_scopes)
    varint = b""
    while length:
        varint += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
        length >>= 7

    decoded = decode([b"\x0a" + varint + empty_scopes])

    assert decoded.spans == 0
    assert decoded.scopes == []
