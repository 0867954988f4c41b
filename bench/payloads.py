"""Realistic OTLP payloads, built before the clock starts.

A chatbot request: an HTTP server span, a few PostgreSQL queries, an AI SDK call with its inner provider call, a tool
call and an outgoing HTTP request. About 357 bytes a span, as measured on recorded traffic of such an application.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

QUERIES = (
    'select "id", "createdAt", "title", "userId" from "Chat" where "Chat"."id" = $1',
    'select "id", "chatId", "role", "parts" from "Message_v2" where "Message_v2"."chatId" = $1 order by "createdAt" asc',
    'insert into "Message_v2" ("id", "chatId", "role", "parts") values ($1, $2, $3, $4)',
    'select "chatId", "messageId" from "Vote_v2" where ("Vote_v2"."chatId" = $1 and "Vote_v2"."messageId" = $2) limit $3',
    'update "Chat" set "title" = $1 where "Chat"."id" = $2',
)
MODELS = (("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o"))
ROUTES = ("/api/chat", "/api/history", "/api/vote", "/api/document", "/login")
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Payload:
    """One export request: its bytes and how many spans and traces it holds."""

    body: bytes
    spans: int
    traces: int


def _attribute(span: Span, key: str, value: str | int | float | bool) -> None:
    item = span.attributes.add()
    item.key = key
    if isinstance(value, bool):
        item.value.bool_value = value
    elif isinstance(value, int):
        item.value.int_value = value
    elif isinstance(value, float):
        item.value.double_value = value
    else:
        item.value.string_value = value


class _TraceWriter:
    """Writes one chatbot trace into the scopes of a request."""

    def __init__(self, scopes: dict[str, ScopeSpans], rng: random.Random, now_ns: int) -> None:
        self._scopes = scopes
        self._rng = rng
        self._now_ns = now_ns
        self._trace_id = rng.randbytes(16)
        self.spans = 0

    def span(self, scope: str, name: str, kind: int, parent: bytes, start_ms: float, ms: float, **attributes: object) -> bytes:
        span = self._scopes[scope].spans.add()
        span.trace_id = self._trace_id
        span.span_id = self._rng.randbytes(8)
        span.parent_span_id = parent
        span.name = name
        span.kind = kind  # type: ignore[assignment]
        span.flags = 0x101
        span.start_time_unix_nano = self._now_ns + int(start_ms * 1e6)
        span.end_time_unix_nano = span.start_time_unix_nano + int(ms * 1e6)
        for key, value in attributes.items():
            _attribute(span, key.replace("__", "."), value)  # type: ignore[arg-type]
        self.spans += 1
        return span.span_id

    def query(self, parent: bytes, at_ms: float, text: str) -> None:
        verb = text.split(" ", 1)[0].upper()
        self.span(
            "pg", f"pg.query:{verb} postgres", Span.SPAN_KIND_CLIENT, parent, at_ms, self._rng.uniform(0.3, 6),
            db__system__name="postgresql", db__namespace="postgres", server__address="10.0.0.5", server__port=5432,
            db__query__text=text,
        )  # fmt: skip

    def llm(self, parent: bytes, at_ms: float) -> None:
        provider, model = self._rng.choice(MODELS)
        tokens = self._rng.randrange(200, 4000)
        outer = self.span(
            "ai", "ai.streamText", Span.SPAN_KIND_INTERNAL, parent, at_ms, 900,
            operation__name="ai.streamText chat", ai__operationId="ai.streamText", ai__model__id=model,
            ai__model__provider=f"{provider}.chat", ai__usage__inputTokens=tokens, ai__usage__outputTokens=180,
        )  # fmt: skip
        self.span(
            "ai", "ai.streamText.doStream", Span.SPAN_KIND_INTERNAL, outer, at_ms + 2, 890,
            operation__name="ai.streamText.doStream chat", ai__operationId="ai.streamText.doStream",
            ai__model__id=model, ai__model__provider=f"{provider}.chat", gen_ai__system=f"{provider}.chat",
            gen_ai__request__model=model, gen_ai__usage__input_tokens=tokens, gen_ai__usage__output_tokens=180,
            gen_ai__response__id=f"chatcmpl-{self._rng.getrandbits(40):x}", ai__response__msToFirstChunk=310.5,
            ai__telemetry__metadata__userId=f"user_{self._rng.randrange(500)}",
        )  # fmt: skip

    def write(self) -> None:
        rng = self._rng
        route = rng.choice(ROUTES)
        root = self.span(
            "http", f"POST {route}", Span.SPAN_KIND_SERVER, b"", 0, 1200,
            http__request__method="POST", http__route=route, url__path=route, http__response__status_code=200,
            user__id=f"user_{rng.randrange(500)}", session__id=f"sess_{rng.randrange(4000)}",
        )  # fmt: skip
        for i in range(rng.randrange(3, 7)):
            self.query(root, 5 + i * 8, rng.choice(QUERIES))
        if rng.random() < 0.5:
            self.llm(root, 60)
        if rng.random() < 0.1:
            for i in range(12):
                self.query(root, 400 + i * 8, QUERIES[3])
        self.span(
            "undici", "GET", Span.SPAN_KIND_CLIENT, root, 1000, 80,
            http__request__method="GET", url__full="https://api.example.com/v1/items/17",
            server__address="api.example.com", http__response__status_code=200,
        )  # fmt: skip


def request(spans: int, rng: random.Random, now_ns: int) -> Payload:
    """One export request of at least `spans` spans (exactly `spans` when 1), of whole traces."""
    message = ExportTraceServiceRequest()
    resource_spans: ResourceSpans = message.resource_spans.add()
    for key, value in (
        ("service.name", "next-chatbot"), ("service.version", "1.4.2"),
        ("deployment.environment.name", "production"), ("host.name", "web-1"), ("telemetry.sdk.language", "nodejs"),
    ):  # fmt: skip
        item = resource_spans.resource.attributes.add()
        item.key = key
        item.value.string_value = value
    scopes: dict[str, ScopeSpans] = {}
    for name in ("http", "pg", "ai", "undici"):
        scopes[name] = resource_spans.scope_spans.add()
        scopes[name].scope.name = name
    written = traces = 0
    while written < spans:
        writer = _TraceWriter(scopes, rng, now_ns)
        if spans == 1:
            writer.span("http", "GET /healthz", Span.SPAN_KIND_SERVER, b"", 0, 2, http__route="/healthz")
        else:
            writer.write()
        written += writer.spans
        traces += 1
    return Payload(message.SerializeToString(), written, traces)


def batches(count: int, *, spans: int = 512, seed: int = 1, now_ns: int) -> Iterator[Payload]:
    """`count` requests of about `spans` spans each, different in every id, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        yield request(spans, rng, now_ns)
