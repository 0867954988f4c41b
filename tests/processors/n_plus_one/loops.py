"""Small traces with loops, and what the processor makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from otelbridge.core.batch import Batch
from otelbridge.processors.n_plus_one import SPEC, Config, NPlusOne
from tests.processors.frames import NOW, batch_of
from tests.support.otlp import SpanTree, query, request, span

SOURCE = "SELECT id FROM users"
REPEAT = "SELECT * FROM posts WHERE user_id = $1"


def queries(
    text: str = REPEAT, count: int = 10, *, start_ms: float = 20, every_ms: float = 12, ms: float = 10
) -> list[SpanTree]:
    return [query(text, start_ms=start_ms + i * every_ms, ms=ms) for i in range(count)]


def source(text: str = SOURCE, start_ms: float = 1) -> SpanTree:
    return query(text, start_ms=start_ms, ms=5)


def handler(*children: SpanTree, route: str = "/users", **fields: Any) -> SpanTree:
    attributes = {"http.request.method": "GET", "http.route": route}
    return span(f"GET {route}", *children, kind="server", attributes=attributes, ms=2000, flags=0x301, **fields)


def processed(*trees: SpanTree, now: float = NOW, processor: NPlusOne | None = None, **settings: Any) -> Batch:
    """The batch of one trace behind the processor."""
    return processed_requests(request(*trees), now=now, processor=processor, **settings)


def processed_requests(*bodies: bytes, now: float = NOW, processor: NPlusOne | None = None, **settings: Any) -> Batch:
    config = Config(**settings)
    batch = batch_of(*bodies, spec=SPEC, config=config, now=now)
    return (processor or NPlusOne(config)).process(batch)


def summary(batch: Batch) -> Sequence[tuple[str, str, int]]:
    """(pattern, table or template, count) of each finding."""
    return [
        (
            finding.tags["pattern"],
            finding.tags.get("table", finding.key[-1]),
            finding.contexts["n_plus_one"]["count"],
        )
        for finding in batch.findings
    ]


def marks(batch: Batch) -> dict[str, int]:
    counts = batch.spans["n_plus_one"].drop_nulls().value_counts()
    return dict(counts.iter_rows())
