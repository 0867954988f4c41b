"""What every database query was, in any dialect of SQL or of instrumentation, and whether it was slow.

Instrumentations disagree: some send the statement with its values, some without; few send a summary. This component
gives each query span the same few facts: the statement without values, a summary of low cardinality, operation and
table. Each distinct statement of a batch is analysed once, and remembered.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from pydantic import Field

from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind, Processor
from otelbridge.core.findings import Breadcrumb
from otelbridge.core.measurements import measured
from otelbridge.core.schema import Column
from otelbridge.semconv.measurements import DB_QUERY_DURATION
from otelbridge.semconv.statements import analyse

# Names that differ only in age: stable conventions say db.system.name, and renamed two products on the way.
RENAMED_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}
MAX_BREADCRUMBS_PER_TRACE = 20  # Sentry shows 100 for a transaction; other components have something to say too


class DbQueriesConfig(ComponentConfig):
    """Settings of db_queries."""

    slow_query_ms: float = Field(default=500.0, gt=0)
    """A query that took longer is marked `db.slow_query` and leaves a breadcrumb in its transaction."""


class DbQueries(Processor):
    """Normalised text, summary, operation, table and slowness of query spans; other spans keep nulls."""

    def __init__(self, config: DbQueriesConfig, watched: frozenset[str] = frozenset()) -> None:
        self._slow_ms = config.slow_query_ms
        self._is_watched = DB_QUERY_DURATION.name in watched

    def process(self, batch: Batch) -> Batch:
        """Reads READS; adds ADDED, and the measurement `db.query.duration`."""
        spans = batch.spans
        if spans["db.query.text"].null_count() == spans.height:
            spans = spans.with_columns(*_NO_STATEMENT)
        else:
            statements = self._statements(spans)
            spans = spans.join(
                statements, on=["db.system.name", "db.query.text"], how="left", nulls_equal=True, maintain_order="left"
            )
        described = self._described(spans)
        batch = batch.with_spans(described)
        if self._is_watched:
            durations = measured(DB_QUERY_DURATION, described, pl.col("db.duration_ms"))
            batch = batch.add_measurements(DB_QUERY_DURATION.name, durations)
        return batch

    def breadcrumbs(self, kept: pl.DataFrame) -> Iterable[Breadcrumb]:
        """One for each slow query, the slowest of a trace first."""
        slow = kept.filter("db.slow_query").sort(schema.TRACE_ID, pl.col("duration_ms").neg())
        slow = slow.filter(pl.int_range(pl.len()).over(schema.TRACE_ID) < MAX_BREADCRUMBS_PER_TRACE)
        columns = (schema.TRACE_ID, schema.SPAN_ID, "end_ns", "duration_ms", "db.query.summary", "db.collection.name")
        for trace_id, span_id, end_ns, duration_ms, summary, table in slow.select(columns).iter_rows():
            yield Breadcrumb(
                trace_id=trace_id,
                span_id=span_id,
                time=end_ns / 1e9,
                category="db.performance",
                message=f"Slow query detected: {table or summary or 'query'} ({duration_ms:.0f}ms)",
                level="warning",
                data={"summary": summary, "duration_ms": round(duration_ms, 1)},
            )

    def _statements(self, spans: pl.DataFrame) -> pl.DataFrame:
        """One row a distinct statement: what it is."""
        distinct = (
            spans.select("db.system.name", "db.query.text").filter(pl.col("db.query.text").is_not_null()).unique()
        )
        found = [
            analyse(text, RENAMED_SYSTEMS.get(system, system) if system else system)
            for system, text in distinct.iter_rows()
        ]
        return distinct.with_columns(
            pl.Series("db.query.normalized", [item and item.text for item in found], pl.String),
            pl.Series("db.query.fingerprint", [item and item.fingerprint for item in found], pl.UInt64),
            pl.Series("_summary", [(item and item.summary) or None for item in found], pl.String),
            pl.Series("_operation", [item and item.operation for item in found], pl.String),
            pl.Series("_table", [item.tables[0] if item and item.tables else None for item in found], pl.String),
        )

    def _described(self, spans: pl.DataFrame) -> pl.DataFrame:
        operation = pl.coalesce("db.operation.name", "_operation")
        table = pl.coalesce("db.collection.name", "_table")
        is_query = pl.col("op").is_in(["db", "db.redis"])
        spans = spans.with_columns(
            pl.when(is_query).then(operation).alias("db.operation.name"),
            pl.when(is_query).then(table).alias("db.collection.name"),
            pl.when(is_query).then("duration_ms").alias("db.duration_ms"),
            pl.when(is_query & (pl.col("duration_ms") > self._slow_ms)).then(pl.lit(value=True)).alias("db.slow_query"),
            pl.col("db.system.name").replace(RENAMED_SYSTEMS),
        )
        described = pl.concat_str("db.operation.name", "db.collection.name", separator=" ")
        return spans.with_columns(
            pl.when(is_query)
            .then(pl.coalesce("db.query.summary", "_summary", described, "db.operation.name"))
            .alias("db.query.summary")
        ).drop("_summary", "_operation", "_table")


READS = frozenset(
    {"op", "duration_ms", "db.system.name", "db.query.text", "db.query.summary", "db.operation.name",
     "db.collection.name", "service", "environment", "release"}
)  # fmt: skip

ADDED = (
    Column("db.system.name", pl.String, "", "database product, by its current name"),
    Column("db.query.normalized", pl.String, "", "the statement without values"),
    Column("db.query.summary", pl.String, "", "operation and targets: what to group by"),
    Column("db.operation.name", pl.String, "", "operation, from the statement where the span does not say"),
    Column("db.collection.name", pl.String, "", "table, from the statement where the span does not say"),
    Column("db.duration_ms", pl.Float64, "ms", "duration of the query"),
    Column("db.slow_query", pl.Boolean, "", "true where the query took longer than slow_query_ms"),
    Column("db.query.fingerprint", pl.UInt64, "", "hash of the statement: equal for any values and placeholders"),
)

_NO_STATEMENT = (
    pl.lit(None, dtype=pl.String).alias("db.query.normalized"),
    pl.lit(None, dtype=pl.UInt64).alias("db.query.fingerprint"),
    *(pl.lit(None, dtype=pl.String).alias(name) for name in ("_summary", "_operation", "_table")),
)

SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="db_queries",
    config=DbQueriesConfig,
    build=lambda config, context: DbQueries(config, context.measurements),
    summary="Says what each database query was, without its values, and which were slow",
    reads=lambda _config: READS,
    carries=lambda _config: frozenset(
        {"db.query.normalized", "db.query.summary", "db.slow_query", "db.collection.name", "duration_ms"}
    ),
    adds=ADDED,
    measures=lambda _config: frozenset({DB_QUERY_DURATION.name}),
)
