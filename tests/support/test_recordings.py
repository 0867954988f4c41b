"""The recordings are what their README says: sound OTLP, with the counts of its tables."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support import recordings

README = recordings.FOLDER / "README.md"
SECOND_NS = 1_000_000_000
DAY_OF_RECORDING_NS = range(1_795_478_400 * SECOND_NS, 1_795_564_800 * SECOND_NS)  # 2026-11-24 in UTC
DAY_OF_METRICS_NS = range(1_795_824_000 * SECOND_NS, 1_795_910_400 * SECOND_NS)  # 2026-11-28 in UTC
POOL_STATES = {  # how instrumentations spell the state of a connection, and the name of its pool
    "db.client.connection.count": ("db.client.connection.state", "db.client.connection.pool.name"),
    "db.client.connections.usage": ("state", "pool.name"),
}
POOL_LIMITS = {"db.client.connection.max": "db.client.connection.pool.name"}
OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "llm.token_count.completion")
INPUT_TOKENS = ("gen_ai.usage.input_tokens", "llm.token_count.prompt", "ai.usage.tokens")

Row = dict[str, str]


def table(first_two_columns: str) -> list[Row]:
    """The rows of the table in the README whose header begins so."""
    lines = README.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_two_columns} |"))
    header = cells(lines[start])
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(header, cells(line), strict=True)))
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|").split("|")]


FILES = table("recording | what was run")
MODEL_CALLS = table("recording | requests")
STATEMENTS = table("recording | route")
METRICS = table("metrics of | what was run")
POOLS = table("pool of | export")


def row_id(row: Row) -> str:
    keys = ("recording", "route", "statement begins with", "metrics of", "pool of", "export", "pool")
    return " ".join(row[key] for key in keys if key in row)


def exceptions(name: str) -> Iterator[tuple[bytes, str, str]]:
    """Trace, type and message of each exception event."""
    for span in recordings.spans(name):
        for event in span.events:
            if event.name == "exception":
                said = {attribute.key: attribute.value.string_value for attribute in event.attributes}
                yield span.trace_id, said.get("exception.type", ""), said.get("exception.message", "")


def statement(span: Span) -> str:
    """Text of a query, or method and path of an HTTP request."""
    said = {key: value for key, value in recordings.attributes(span).items() if isinstance(value, str)}
    if "http.url" in said:
        return f"{said['http.method']} {urlsplit(said['http.url']).path}"
    return said.get("db.query.text") or said.get("db.statement") or ""


def spans_below_route(name: str, route: str) -> list[Span]:
    spans = recordings.spans(name)
    traces = {
        span.trace_id
        for span in spans
        if not span.parent_span_id and recordings.attributes(span).get("http.route") == route
    }
    return [span for span in spans if span.trace_id in traces]


def points(metric: Metric) -> list[Any]:
    """The data points of a metric, whichever kind it is of."""
    return list(getattr(metric, metric.WhichOneof("data") or "").data_points)


def said_of_pools(body: bytes) -> dict[tuple[str, str], float]:
    """What an export says of each pool: used, idle and max."""
    said: dict[tuple[str, str], float] = {}
    for metric in recordings.metrics(body):
        for point in points(metric) if metric.name in POOL_STATES | POOL_LIMITS.keys() else ():
            attributes = recordings.attributes(point)
            state, pool = POOL_STATES.get(metric.name, ("", POOL_LIMITS.get(metric.name, "")))
            key = str(attributes[pool]), str(attributes.get(state, "max"))
            said[key] = point.as_double or float(point.as_int)
    return said


def test_the_readme_lists_every_recording() -> None:
    assert [row["recording"] for row in FILES] == recordings.names()
    assert [row["metrics of"] for row in METRICS] == recordings.names_of_metrics()


def test_the_readme_lists_every_book_of_a_provider() -> None:
    with_calls = [name for name in recordings.names() if recordings.provider_calls(name)]
    assert [row["recording"] for row in MODEL_CALLS] == with_calls


@pytest.mark.parametrize("row", FILES, ids=row_id)
def test_a_recording_has_the_spans_and_exceptions_of_the_readme(row: Row) -> None:
    spans = recordings.spans(row["recording"])
    recorded = list(exceptions(row["recording"]))
    assert len(spans) == int(row["spans"])
    assert len({span.trace_id for span in spans}) == int(row["traces"])
    assert len(recorded) == int(row["exception events"])
    assert len(set(recorded)) == int(row["distinct exceptions"])


@pytest.mark.parametrize("name", recordings.names())
def test_ids_are_valid_and_unique(name: str) -> None:
    spans = recordings.spans(name)
    assert all(len(span.trace_id) == 16 and any(span.trace_id) for span in spans)
    assert all(len(span.span_id) == 8 and any(span.span_id) for span in spans)
    assert all(len(span.parent_span_id) in {0, 8} for span in spans)
    assert len({(span.trace_id, span.span_id) for span in spans}) == len(spans)


@pytest.mark.parametrize("name", recordings.names())
def test_times_are_those_of_the_recording(name: str) -> None:
    for span in recordings.spans(name):
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.start_time_unix_nano in DAY_OF_RECORDING_NS
        assert span.end_time_unix_nano in DAY_OF_RECORDING_NS


def resources() -> Iterator[tuple[str, Resource]]:
    """Every resource, with the name of its recording."""
    for name in recordings.names():
        request = ExportTraceServiceRequest.FromString(recordings.load(name))
        yield from ((name, resource_spans.resource) for resource_spans in request.resource_spans)
    for name in recordings.names_of_metrics():
        for body in recordings.exports(name):
            (resource_metrics,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
            yield name, resource_metrics.resource


def test_no_recording_names_the_machine_it_was_made_on() -> None:
    for name, resource in resources():
        keys = {attribute.key for attribute in resource.attributes}
        assert "service.name" in keys, name
        assert not {key for key in keys if key.startswith(("host.", "process."))}, name


@pytest.mark.parametrize("row", METRICS, ids=row_id)
def test_a_recording_has_the_metrics_of_the_readme(row: Row) -> None:
    bodies = recordings.exports(row["metrics of"])
    metrics = [metric for body in bodies for metric in recordings.metrics(body)]
    assert len(bodies) == int(row["exports"])
    assert len({metric.name for metric in metrics}) == int(row["metrics"])
    assert sum(len(points(metric)) for metric in metrics) == int(row["points"])


@pytest.mark.parametrize("row", POOLS, ids=row_id)
def test_a_pool_is_said_to_be_as_the_readme_has_it(row: Row) -> None:
    body = recordings.exports(row["pool of"])[int(row["export"]) - 1]
    said = {state: value for (pool, state), value in said_of_pools(body).items() if pool.endswith(row["pool"])}
    assert said == {key: float(row[key]) for key in ("used", "idle", "max") if row[key] != "none"}


def test_the_readme_lists_every_pool() -> None:
    recorded = {
        (name, str(number), pool)
        for name in recordings.names_of_metrics()
        for number, body in enumerate(recordings.exports(name), start=1)
        for pool, _ in said_of_pools(body)
    }
    assert len(POOLS) == len(recorded)


@pytest.mark.parametrize("name", recordings.names_of_metrics())
def test_points_are_of_the_day_of_their_recording_and_in_order(name: str) -> None:
    times = [
        {point.time_unix_nano for metric in recordings.metrics(body) for point in points(metric)}
        for body in recordings.exports(name)
    ]
    assert all(time in DAY_OF_METRICS_NS for time in set[int]().union(*times))
    assert all(max(before) < min(after) for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("row", MODEL_CALLS, ids=row_id)
def test_the_book_has_the_calls_of_the_readme(row: Row) -> None:
    calls = recordings.provider_calls(row["recording"])
    assert len(calls) == int(row["requests"])
    assert sum(call.status == 200 for call in calls) == int(row["answered"])
    assert sum(call.status == 429 for call in calls) == int(row["refused"])
    assert sum(not call.delivered for call in calls) == int(row["cut short"])


def test_no_two_calls_of_a_recording_have_the_same_usage() -> None:
    for row in MODEL_CALLS:
        calls = [call for call in recordings.provider_calls(row["recording"]) if call.status == 200]
        assert len({(call.input_tokens, call.output_tokens) for call in calls}) == len(calls)
        assert len({call.output_tokens for call in calls}) == len(calls)


@pytest.mark.parametrize("row", MODEL_CALLS, ids=row_id)
def test_the_usage_on_spans_adds_up_to_the_readme(row: Row) -> None:
    said = [recordings.attributes(span) for span in recordings.spans(row["recording"])]
    outputs = {attributes[key] for attributes in said for key in OUTPUT_TOKENS if key in attributes}
    inputs = {attributes[key] for attributes in said for key in INPUT_TOKENS if key in attributes}
    seen = [
        call
        for call in recordings.provider_calls(row["recording"])
        if call.status == 200 and (call.output_tokens in outputs if call.output_tokens else call.input_tokens in inputs)
    ]
    assert len(seen) == int(row["usage on a span"])
    assert sum(call.input_tokens for call in seen) == int(row["input"])
    assert sum(call.cache_read_tokens for call in seen) == int(row["cache read"])
    assert sum(call.cache_write_tokens for call in seen) == int(row["cache write"])
    assert sum(call.output_tokens for call in seen) == int(row["output"])
    assert sum(call.reasoning_tokens for call in seen) == int(row["reasoning"])


@pytest.mark.parametrize("row", STATEMENTS, ids=row_id)
def test_a_route_repeats_its_statement_as_often_as_the_readme_says(row: Row) -> None:
    spans = spans_below_route(row["recording"], row["route"])
    alike = [span for span in spans if statement(span).startswith(row["statement begins with"])]
    total_ns = sum(span.end_time_unix_nano - span.start_time_unix_nano for span in alike)
    assert len(alike) == int(row["repeats"])
    assert round(total_ns / 1_000_000) == int(row["total ms"])


def test_the_json_body_equals_the_protobuf_body() -> None:
    body = with_base64_ids(json.loads(recordings.load_json("otlp-json")))
    from_json = json_format.ParseDict(body, ExportTraceServiceRequest())
    assert from_json == ExportTraceServiceRequest.FromString(recordings.load("otlp-json"))


def test_the_odd_numbers_are_odd_in_json_alone() -> None:
    body = recordings.load_json("otlp-json-odd-numbers").decode()
    spans = recordings.spans("otlp-json-odd-numbers")
    (above_int64, *_) = [
        said["shop.above_int64"] for said in map(recordings.attributes, spans) if "shop.above_int64" in said
    ]
    assert '{"key":"shop.nan","value":{"doubleValue":null}}' in body
    assert '{"key":"shop.above_int64","value":{"intValue":1e+21}}' in body
    assert above_int64 == 1e21


def test_stack_traces_of_other_languages_are_there() -> None:
    found = recordings.stacktraces()
    assert list(found) == ["dotnet", "go-error", "go-panic", "java"]
    assert "\nCaused by: " in found["java"]
    assert found["go-panic"].startswith("goroutine ")
    assert "--- End of inner exception stack trace ---" in found["dotnet"]


def test_no_file_is_large() -> None:
    sizes = {path.name: path.stat().st_size for path in recordings.FOLDER.rglob("*") if path.is_file()}
    assert max(sizes.values()) < 100_000
    assert sum(sizes.values()) < 700_000


def with_base64_ids(value: Any) -> Any:
    """OTLP/JSON says ids in hex, protobuf's own JSON in base64."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode()
        if key in {"traceId", "spanId", "parentSpanId"}
        else with_base64_ids(item)
        for key, item in value.items()
    }
