"""The recordings in `recorded/`, for tests: OTLP that real applications exported, and what they are known to hold.

A recording is of spans or of metrics: `names` and `load` are about spans, `names_of_metrics` and `exports` about
metrics.

Tests start from these bytes, because instrumentations write what no specification says: a usage counted twice, a
parent that never arrives, a number that is no JSON. `recorded/README.md` tells what each of them holds, and
`record/` how they are made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span

FOLDER = Path(__file__).parent / "recorded"
OF_METRICS = ".metrics.pb"

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None


@dataclass(frozen=True)
class ProviderCall:
    """One request to a model provider, from the provider's own book.

    Token counts are what the provider bills, in the terms of the semantic conventions: `input_tokens` includes
    what was read from and written to its cache, `output_tokens` includes `reasoning_tokens`, and
    `cache_write_tokens` includes `cache_write_1h_tokens`. A refused call (`status` 429) has none.
    """

    api: str  # openai.chat, openai.responses, openai.embeddings or anthropic.messages
    stream: bool
    status: int
    delivered: bool  # False: the client left before the end of the stream
    requested_model: str
    model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


def names() -> list[str]:
    """Names of all recordings of spans, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.pb") if not path.name.endswith(OF_METRICS))


def names_of_metrics() -> list[str]:
    """Names of all recordings of metrics, sorted."""
    return sorted(path.name.removesuffix(OF_METRICS) for path in FOLDER.glob(f"*{OF_METRICS}"))


def load(name: str) -> bytes:
    """A recording as one encoded ExportTraceServiceRequest."""
    return (FOLDER / f"{name}.pb").read_bytes()


def load_json(name: str) -> bytes:
    """The OTLP/JSON body with the same spans; only the recordings `otlp-json*` have one."""
    return (FOLDER / f"{name}.json").read_bytes()


def exports(name: str) -> list[bytes]:
    """A recording of metrics, in the order of time: one encoded ExportMetricsServiceRequest for each export.

    The file holds them one after the other. Each has one resource, the only kind of field there is in a request.
    """
    recorded, start, bodies = (FOLDER / f"{name}{OF_METRICS}").read_bytes(), 0, []
    while start < len(recorded):
        end = start + _field_size(recorded[start:])
        bodies.append(recorded[start:end])
        start = end
    return bodies


def metrics(body: bytes) -> list[Metric]:
    """All metrics of an export."""
    request = ExportMetricsServiceRequest.FromString(body)
    return [
        metric
        for resource_metrics in request.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
    ]


def spans(name: str) -> list[Span]:
    """All spans of a recording, in the order in which they were exported."""
    request = ExportTraceServiceRequest.FromString(load(name))
    return [
        span
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def attributes(item: Span | NumberDataPoint) -> dict[str, Value]:
    """The attributes of a span or a data point as Python values."""
    return {attribute.key: _value(attribute.value) for attribute in item.attributes}


def provider_calls(name: str) -> list[ProviderCall]:
    """The provider's book of a recording, in the order of arrival; empty if no provider was called."""
    path = FOLDER / f"{name}.calls.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [_provider_call(json.loads(line)) for line in lines]


def stacktraces() -> dict[str, str]:
    """Texts of exception.stacktrace by name: dotnet, go-error, go-panic, java."""
    return {path.stem: path.read_text() for path in sorted((FOLDER / "stacktraces").glob("*.txt"))}


def _field_size(encoded: bytes) -> int:
    """Size of the first field of a message: a tag of one byte, the length as a varint, and so many bytes."""
    size, position = 0, 1
    while True:
        size |= (encoded[position] & 0x7F) << 7 * (position - 1)
        position += 1
        if encoded[position - 1] < 0x80:
            return position + size


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    scalar: str | bool | int | float | bytes = getattr(value, kind)
    return scalar


def _provider_call(entry: dict[str, Any]) -> ProviderCall:
    given = {key: entry[key] for key in ("api", "stream", "status", "delivered", "requested_model")}
    if entry["status"] == 200:
        given |= {key: entry[key] for key in ("model", "service_tier")} | {"response_id": entry["id"]}
        is_anthropic = entry["api"] == "anthropic.messages"
        given |= (_anthropic_tokens if is_anthropic else _openai_tokens)(entry["usage"])
    return ProviderCall(**given)


def _anthropic_tokens(usage: dict[str, Any]) -> dict[str, int]:
    read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    return {
        "input_tokens": usage["input_tokens"] + read + written,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": usage["cache_creation"]["ephemeral_1h_input_tokens"],
        "output_tokens": usage["output_tokens"],
    }


def _openai_tokens(usage: dict[str, Any]) -> dict[str, int]:
    # Chat and embeddings say prompt and completion where responses says input and output.
    prompt, completion = ("input", "output") if "input_tokens" in usage else ("prompt", "completion")
    return {
        "input_tokens": usage[f"{prompt}_tokens"],
        "cache_read_tokens": usage.get(f"{prompt}_tokens_details", {}).get("cached_tokens", 0),
        "output_tokens": usage.get(f"{completion}_tokens", 0),
        "reasoning_tokens": usage.get(f"{completion}_tokens_details", {}).get("reasoning_tokens", 0),
    }
