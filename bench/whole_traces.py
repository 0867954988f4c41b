"""Batches as a trace processor sees them: whole traces of a chatbot, one after the other, queries described."""

from __future__ import annotations

import time
from collections.abc import Callable

import polars as pl

from bench.payloads import batches
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.otlp.columns import ColumnExtractor
from otelbridge.otlp.decode import decode
from otelbridge.processors import db_queries
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.derived import OP_READS, with_derived

NOW_NS = 1_790_000_000_000_000_000
SIZES = (512, 4096, 8192)


def whole_traces(spans: int, reads: frozenset[str]) -> Batch:
    """A batch of about that many spans with the columns of these names."""
    bodies = [payload.body for payload in batches(max(4, spans // 512), spans=min(spans, 512), now_ns=NOW_NS)]
    wanted = reads | db_queries.READS | OP_READS
    extracted = ColumnExtractor(CONCEPTS[name] for name in sorted(wanted) if name in CONCEPTS).extract(decode(bodies))
    numbered = extracted.spans.with_columns(
        pl.lit(1, pl.UInt64).alias(schema.RECORD), pl.int_range(pl.len(), dtype=pl.UInt32).alias(schema.POSITION)
    ).sort(schema.TRACE_ID, maintain_order=True)
    batch = Batch(with_derived(numbered.head(spans)), NOW_NS / 1e9, extracted.origins)
    return db_queries.DbQueries(db_queries.DbQueriesConfig()).process(batch)


def microseconds_per_span(process: Callable[[Batch], Batch], batch: Batch, rounds: int = 100) -> tuple[float, float]:
    """CPU time, median and best."""
    took = []
    for _ in range(rounds):
        began = time.process_time()
        process(batch)
        took.append(time.process_time() - began)
    took.sort()
    return 1e6 * took[rounds // 2] / batch.spans.height, 1e6 * took[0] / batch.spans.height
