"""From requests to the batch of whole traces that a trace processor sees."""

from __future__ import annotations

from typing import Any

import polars as pl

from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentConfig, ComponentSpec
from otelbridge.otlp.columns import ColumnExtractor, arbitrary_concept
from otelbridge.otlp.decode import decode
from otelbridge.processors import db_queries
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.derived import OP_READS, with_derived

NOW = 1_790_000_100.0


def batch_of(
    *requests: bytes,
    spec: ComponentSpec[Any],
    config: ComponentConfig,
    now: float = NOW,
    reads: frozenset[str] = frozenset(),
) -> Batch:
    """The requests' spans with the columns that `spec` reads, after `db_queries`."""
    wanted = spec.reads(config) | db_queries.READS | OP_READS | reads
    concepts = (CONCEPTS.get(name) or arbitrary_concept(name) for name in sorted(wanted))
    extractor = ColumnExtractor(concept for concept in concepts if concept)
    extracted = extractor.extract(decode(requests))
    spans = with_derived(
        extracted.spans.with_columns(
            pl.lit(1, pl.UInt64).alias(schema.RECORD), pl.int_range(pl.len(), dtype=pl.UInt32).alias(schema.POSITION)
        )
    )
    batch = Batch(spans, now, extracted.origins)
    return db_queries.DbQueries(db_queries.DbQueriesConfig()).process(batch)
