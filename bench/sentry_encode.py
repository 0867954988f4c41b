"""CPU per surviving span of encoding for Sentry: `python -m bench.sentry_encode`.

Kept traces come from the payloads of the load generator, with the columns that db_queries adds. Printed is the best of
several rounds for exports of different sizes, because an export has a fixed cost.
"""

from __future__ import annotations

import sys
import time

import polars as pl

from bench.payloads import batches
from otelbridge.core.batch import Batch
from otelbridge.core.component import BuildContext, Kept
from otelbridge.exporters.sentry.exporter import SentryConfig, SentryExporter
from otelbridge.otlp.columns import ColumnExtractor
from otelbridge.otlp.decode import decode
from otelbridge.processors import db_queries
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.derived import OP_READS, with_derived

NOW = 1_790_000_000
ROUNDS = 40


def kept(requests: int) -> Kept:
    """Every trace of some requests of the load generator, as the engine hands it to exporters."""
    bodies = [payload.body for payload in batches(requests, now_ns=NOW * 10**9)]
    names = OP_READS | db_queries.READS
    extracted = ColumnExtractor(CONCEPTS[name] for name in names if name in CONCEPTS).extract(decode(bodies))
    config = db_queries.DbQueriesConfig()
    batch = Batch(with_derived(extracted.spans), NOW, extracted.origins)
    batch = db_queries.SPEC.build(config, BuildContext("db_queries")).process(batch)
    columns = [pl.lit(0.1).alias("sampling.rate"), pl.lit("ten percent").alias("sampling.rule")]
    spans = batch.spans.with_columns(*columns, pl.lit(value=False).alias("late"))
    return Kept(spans, extracted.origins, db_queries.ADDED, (), (), NOW + 30.0)


def main() -> None:
    """Print microseconds per span."""
    exporter = SentryExporter(SentryConfig(dsn="https://0123456789abcdef0123456789abcdef@o1.ingest.example.com/1"))
    for requests in (1, 2, 8):
        everything = kept(requests)
        best = float("inf")
        for _ in range(ROUNDS):
            started = time.process_time()
            encoded = exporter.encode(everything)
            best = min(best, time.process_time() - started)
        spans = sum(parcel.spans for parcel in encoded.parcels)
        size = sum(len(parcel.body) for parcel in encoded.parcels)
        print(
            f"{spans:6d} spans in {len(encoded.parcels):4d} parcels of {size / len(encoded.parcels):6.0f} B: "
            f"{best / spans * 1e6:5.2f} us CPU per span"
        )


if __name__ == "__main__":
    sys.exit(main())
