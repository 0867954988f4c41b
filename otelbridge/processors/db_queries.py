"""What every database query was, in any dialect of SQL or of instrumentation, and whether it was slow.

Instrumentations disagree: some send the statement with its values, some without; few send a summary. This component
gives each query span the same few facts: the statement without values, a summary of low cardinality, operation and
table. A batch has few different statements and many queries, so each is understood once, in plain Python, and the
queries point to what was understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np
import polars as pl
from pydantic import Field

from otelbridge.analysis.frames import where, with_series
from otelbridge.analysis.grouping import Flags, as_index, flags, group_values
from otelbridge.core import schema
from otelbridge.core.arrays import nulls
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind, Processor
from otelbridge.core.findings import Breadcrumb
from otelbridge.core.measurements import measured
from otelbridge.core.schema import Column, DType
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
        is_query = flags((spans["op"] == "db") | (spans["op"] == "db.redis"))
        duration_ms = spans["duration_ms"].to_numpy()
        is_slow = is_query & (duration_ms > self._slow_ms)
        added = [
            *_described(spans, is_query),
            _by_current_name(spans["db.system.name"]),
            where("db.duration_ms", duration_ms, is_query),
            where("db.slow_query", is_slow, is_slow),
        ]
        batch = batch.with_spans(with_series(spans, added))
        if self._is_watched:
            rows = np.flatnonzero(
                is_query & (spans["status"].to_numpy() != schema.STATUS_ERROR)
            )  # a failure may be quick
            durations = measured(DB_QUERY_DURATION, batch.spans, rows, duration_ms[rows])
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


def _described(spans: pl.DataFrame, is_query: Flags) -> list[pl.Series]:
    """The columns of DESCRIBED. A statement on a span that is no query loses its values all the same."""
    said = {name: column for name in _SAID if (column := spans[name]).null_count() < spans.height}
    has_text = said["db.query.text"].is_not_null().to_numpy() if "db.query.text" in said else False
    rows = np.flatnonzero(is_query | has_text)
    if not len(rows):
        return [nulls(name, dtype, spans.height) for name, dtype in DESCRIBED.items()]
    index = as_index(rows)
    groups = group_values([pl.Series(is_query[rows]), *(column[index] for column in said.values())])
    firsts = rows[groups.first]
    texts = (said[name][as_index(firsts)].to_list() if name in said else repeat(None) for name in _SAID)
    nothing = (None,) * len(DESCRIBED)
    table = [nothing, *(_describe(*row) for row in zip(is_query[firsts].tolist(), *texts, strict=False))]
    place = np.zeros(spans.height, np.int64)
    place[rows] = 1 + groups.of_row
    index = as_index(place)
    columns = zip(DESCRIBED.items(), zip(*table, strict=True), strict=True)
    return [pl.Series(name, values, dtype)[index] for (name, dtype), values in columns]


def _describe(
    is_query: bool, system: str | None, text: str | None, summary: str | None, operation: str | None, table: str | None
) -> tuple[str | int | None, ...]:
    """The values of DESCRIBED for what a span says of itself."""
    found = analyse(text, RENAMED_SYSTEMS.get(system, system) if system else system) if text is not None else None
    normalised = (found.text, found.fingerprint) if found else (None, None)
    if not is_query:
        return (*normalised, None, None, None)
    if found:
        operation = found.operation if operation is None else operation
        table = next(iter(found.tables), None) if table is None else table
        summary = found.summary or None if summary is None else summary
    if summary is None:
        summary = operation if operation is None or table is None else f"{operation} {table}"
    return (*normalised, summary, operation, table)


def _by_current_name(systems: pl.Series) -> pl.Series:
    if any((systems == old).any() for old in RENAMED_SYSTEMS):
        return systems.replace(RENAMED_SYSTEMS)
    return systems


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

DESCRIBED: dict[str, DType] = {
    "db.query.normalized": pl.String,
    "db.query.fingerprint": pl.UInt64,
    "db.query.summary": pl.String,
    "db.operation.name": pl.String,
    "db.collection.name": pl.String,
}
"""Columns that follow from what a span says of itself in the columns _SAID."""

_SAID = ("db.system.name", "db.query.text", "db.query.summary", "db.operation.name", "db.collection.name")

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
