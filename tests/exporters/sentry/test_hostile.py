"""Bytes that nobody meant: the exporter never raises, and what is sound still arrives."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.core.batch import Origin
from otelbridge.core.component import Kept
from tests.exporters.conftest import Sent, kept, send, with_raw
from tests.support.otlp import request, request_of, span, spans_of, trace_id

ATTRIBUTES, EVENTS, LINKS = 9, 11, 13


def field(number: int, content: bytes) -> bytes:
    """One field of type bytes as it stands on the wire."""
    assert number < 16
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def with_field(number: int, content: bytes) -> Sent:
    """A root and two children, the first with one more field."""
    spans = spans_of(span("root", span("child"), span("sound")), trace_id(1))
    raw = [one.SerializeToString() for one in spans]
    raw[1] += field(number, content)
    return send(with_raw(kept(request_of(spans)), raw))


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x12\x7f"])
@pytest.mark.parametrize(("number", "repaired"), [(ATTRIBUTES, "attributes"), (LINKS, "links"), (EVENTS, None)])
def test_a_malformed_field_costs_itself_alone(number: int, repaired: str | None, content: bytes) -> None:
    result = with_field(number, content)
    assert set(result.spans) == {"child", "sound"}
    assert "otelbridge.repaired" not in result.spans["sound"]["data"]
    if repaired and (number, content) != (LINKS, b""):
        assert result.spans["child"]["data"].get("otelbridge.repaired") in (repaired, None)


def test_a_malformed_attribute_does_not_cost_its_neighbours() -> None:
    spans = spans_of(span("root", attributes={"before": 1}), trace_id(1))
    raw = (
        spans[0].SerializeToString()
        + field(ATTRIBUTES, b"\x0a\x02\xff\xfe")
        + field(ATTRIBUTES, b"\x0a\x01k\x12\x02\x18\x07")
    )
    data = send(with_raw(kept(request_of(spans)), [raw])).transaction["contexts"]["trace"]["data"]
    assert (data["before"], data["k"], data["otelbridge.repaired"]) == (1, 7, "attributes")


def test_an_array_that_cannot_be_read_costs_its_attribute() -> None:
    spans = spans_of(span("root", attributes={"sound": 1}), trace_id(1))
    # key "k", value.array_value with a string of wrong UTF-8: a part that is decoded at export only
    bad = b"\x0a\x01k\x12\x06\x2a\x04\x0a\x02\x0a\x7f"
    raw = spans[0].SerializeToString() + field(ATTRIBUTES, bad)
    data = send(with_raw(kept(request_of(spans)), [raw])).transaction["contexts"]["trace"]["data"]
    assert data["sound"] == 1
    assert data["otelbridge.repaired"] == "attributes"


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\x4a\x7f"])
def test_a_span_that_is_none_is_dropped_alone(raw: bytes) -> None:
    spans = spans_of(span("root", span("child"), span("sound")), trace_id(1))
    result = send(with_raw(kept(request_of(spans)), [spans[0].SerializeToString(), raw, spans[2].SerializeToString()]))
    assert result.dropped == {"unreadable": 1}
    assert set(result.spans) == {"sound"}


@pytest.mark.parametrize(
    "origin", [Origin(b"\xff", b""), Origin(b"", b"\xff"), Origin(b"\x0a\x02\xff\xff", b"\x0a\x02\xff\xff")]
)
def test_a_malformed_resource_or_scope_costs_itself_alone(origin: Origin) -> None:
    traces = kept(request(span("root")))
    bad = Kept(traces.spans, dict.fromkeys(traces.origins, origin), traces.added, (), (), traces.now)
    data = send(bad).transaction["contexts"]["trace"]["data"]
    assert data["otelbridge.repaired"] == "resource"


def test_a_resource_that_is_missing_is_no_problem() -> None:
    traces = kept(request(span("root")))
    assert send(Kept(traces.spans, {}, traces.added, (), (), traces.now)).transaction["platform"] == "other"


def test_nesting_beyond_what_protobuf_reads_costs_its_attribute() -> None:
    inner = AnyValue(string_value="x").SerializeToString()
    for _ in range(150):  # array_value { values { ... } }
        inner = _length_delimited(5, _length_delimited(1, inner))
    raw = spans_of(span("root", attributes={"sound": 1}), trace_id(1))[0].SerializeToString()
    raw += _length_delimited(ATTRIBUTES, _length_delimited(1, b"deep") + _length_delimited(2, inner))
    result = send(with_raw(kept(request(span("root"))), [raw]))
    assert result.transaction["contexts"]["trace"]["data"]["otelbridge.repaired"] == "attributes"


def _length_delimited(number: int, content: bytes) -> bytes:
    length, size = len(content), b""
    while True:
        size += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
        length >>= 7
        if not length:
            return bytes([number << 3 | 2]) + size + content


def test_ten_thousand_mutations_of_spans_are_all_delivered_or_counted() -> None:
    rng = random.Random(7)
    events = [Span.Event(name="exception"), Span.Event(name="other")]
    events[0].attributes.add(key="exception.type").value.string_value = "Boom"
    tree = span(
        "root", span("child", attributes={"a": [1, "x"], "b": {"c": 1.5}, "ai.usage.inputTokens": 3}, events=events)
    )
    spans = spans_of(tree, trace_id(1))
    whole = [one.SerializeToString() for one in spans]
    traces = kept(request_of(spans))
    for _ in range(100):
        raw = [bytes(_mutated(rng, bytearray(one))) for _ in range(50) for one in whole]
        grown = pl.concat([traces.spans] * 50).with_columns(
            pl.Series("trace_id", [number for number in range(1, 51) for _ in whole]).cast(pl.UInt128),
            pl.Series("raw", raw, pl.Binary),
        )
        send(Kept(grown, traces.origins, traces.added, (), (), traces.now))


def _mutated(rng: random.Random, content: bytearray) -> bytearray:
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(4)
        at = rng.randrange(len(content))
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            del content[at : at + rng.randrange(1, 6)]
            content = content or bytearray(b"\x00")
        elif kind == 2:
            content[at:at] = rng.randbytes(rng.randrange(1, 6))
        else:
            content = content[:at] or bytearray(b"\x00")
    return content


TEXT = st.text(max_size=80)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXT | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = TEXT | st.sampled_from(
    ["db.statement", "db.system", "ai.usage.inputTokens", "password", "http.route", "http.request.method", "user.id",
     "url.full", "gen_ai.operation.name", "http.response.status_code", "token", "a.token.count", "rpc.grpc.status_code"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    attributes=st.dictionaries(NAMES, VALUES, max_size=8),
    resource=st.dictionaries(
        NAMES | st.sampled_from(["service.name", "service.version", "host.name"]), VALUES, max_size=4
    ),
    name=TEXT,
    kind=st.sampled_from(["internal", "server", "client", "producer", "consumer"]),
    status=st.integers(0, 2),
    trace_state=TEXT | st.sampled_from(["ot=th:8", "ot=th:zz", "ot=th:", "ot=th:fffffffffffffff"]),
)
def test_sentry_takes_whatever_attributes_there_are(
    attributes: dict[str, object], resource: dict[str, object], name: str, kind: str, status: int, trace_state: str
) -> None:
    tree = span(
        name,
        span(name, kind=kind, status=status, attributes=attributes),
        kind=kind,
        attributes=attributes,
        trace_state=trace_state,
    )
    send(kept(request(tree, resource=resource or None)))


@settings(max_examples=100, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT)
def test_sentry_takes_whatever_a_resource_says(version: str, environment: str, host: str, service: str) -> None:
    resource = {
        "service.name": service,
        "service.version": version,
        "deployment.environment.name": environment,
        "host.name": host,
    }
    send(kept(request(span("root"), resource=resource)))
