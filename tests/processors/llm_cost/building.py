"""From requests to billed traces, as a pipeline does it: describe spans, keep what is carried, bill whole traces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.otlp.columns import ColumnExtractor
from otelbridge.otlp.decode import decode
from otelbridge.processors.llm_cost import SPEC, Config, LlmCost
from otelbridge.processors.llm_cost.shown import COST, STATUS
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.derived import OP_READS, with_derived
from tests.support.otlp import SpanTree, request, span

NOW = 1_790_000_100.0
DEFAULTS = Config()

_WANTED = SPEC.reads(DEFAULTS) | OP_READS
_EXTRACTOR = ColumnExtractor(CONCEPTS[name] for name in sorted(_WANTED) if name in CONCEPTS)
_CARRIED = [
    *(column.name for column in schema.WIRE_COLUMNS),
    *sorted(SPEC.carries(DEFAULTS) - {column.name for column in schema.WIRE_COLUMNS}),
]


def llm_cost(**settings: Any) -> LlmCost:
    return LlmCost(Config(**settings))


def batch_of(*requests: bytes) -> Batch:
    """The requests' spans, as the first processor of a pipeline sees them."""
    extracted = _EXTRACTOR.extract(decode(requests))
    places = [pl.lit(1, pl.UInt64).alias(schema.RECORD), pl.int_range(pl.len(), dtype=pl.UInt32).alias(schema.POSITION)]
    return Batch(with_derived(extracted.spans.with_columns(places)), NOW, extracted.origins)


def described(component: LlmCost, batch: Batch) -> Batch:
    """The batch after `process`, with the columns that the trace buffer carries."""
    processed = component.process(batch)
    return processed.with_spans(processed.spans.select(_CARRIED))


def bill(component: LlmCost, *requests: bytes) -> Batch:
    """The requests' spans after `process_traces`, all in one batch."""
    return component.process_traces(described(component, batch_of(*requests)))


def chat(*children: SpanTree, **attributes: Any) -> SpanTree:
    """A call to a model, 1000 tokens in and 100 out; attributes with `__` for dots and None for absent ones."""
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        **{key.replace("__", "."): value for key, value in attributes.items()},
    }
    return span("chat", *children, attributes={key: value for key, value in given.items() if value is not None})


CHAT_USD = (1000 * 0.15 + 100 * 0.60) / 1e6
"""Cost of `chat()`: gpt-4o-mini is 0.15 USD per million tokens in and 0.60 out (openai.com/api/pricing)."""


def bill_of(
    *trees: SpanTree, component: LlmCost | None = None, trace: int = 1, **resource: str
) -> list[dict[str, Any]]:
    """The spans of one trace as rows, in the order of the trees."""
    made = request(*trees, trace=trace, resource={"service.name": "shop", **resource})
    return bill(component or llm_cost(), made).spans.rows(named=True)


def statuses(rows: Iterable[dict[str, Any]]) -> list[str | None]:
    return [row[STATUS] for row in rows]


def total_usd(rows: Iterable[dict[str, Any]]) -> float:
    return sum(row[COST] or 0.0 for row in rows)
