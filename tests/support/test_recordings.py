"""The recordings are what their README says: sound OTLP, with the counts of its tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support import recordings

README = recordings.FOLDER / "README.md"
SECOND_NS = 1_000_000_000
DAY_OF_RECORDING_NS = range(1_795_478_400 * SECOND_NS, 1_795_564_800 * SECOND_NS)  # 2026-11-24 in UTC
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


def row_id(row: Row) -> str:
    return " ".join(filter(None, [row["recording"], row.get("route"), row.get("statement begins with")]))


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


def test_the_readme_lists_every_recording() -> None:
    assert [row["recording"] for row in FILES] == recordings.names()


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


@pytest.mark.parametrize("name", recordings.names())
def test_no_recording_names_the_machine_it_was_made_on(name: str) -> None:
    request = ExportTraceServiceRequest.FromString(recordings.load(name))
    for resource_spans in request.resource_spans:
        keys = {attribute.key for attribute in resource_spans.resource.attributes}
        assert "service.name" in keys
        assert not {key for key in keys if key.startswith(("host.", "process."))}


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
