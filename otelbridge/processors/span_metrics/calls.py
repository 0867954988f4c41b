"""Outcomes of operations and of calls, counted by the second: who failed how often, and who calls whom.

Counts add up the same however spans were cut into batches, so a row stands for all equal outcomes of its second.
"""

from __future__ import annotations

import polars as pl

from otelbridge.core.measurements import COUNT, ENVIRONMENT, RELEASE, SERVICE, TIME, VALUE
from otelbridge.core.schema import PARENT_SPAN_ID, SPAN_ID, TRACE_ID
from otelbridge.semconv.measurements import ERROR_RATE, SERVICE_CALL

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
FAILED = 2  # status

_ANSWERED_5XX = (pl.col("kind") == SERVER) & (pl.col("http.response.status_code") >= 500)
_HAS_FAILED = (pl.col("status") == FAILED) | _ANSWERED_5XX.fill_null(value=False)
# What a service does for others or has done by others. Internal steps would count the same failure again and again;
# queries are many and fail together with what asks them, so that they would only thin out its rate.
_IS_OPERATION = (pl.col("is_segment") | (pl.col("kind") >= SERVER) | (pl.col("op") != "default")) & ~pl.col(
    "op"
).str.starts_with("db")
_CLASS_OF_ERROR = pl.coalesce("error.type", pl.col("http.response.status_code").cast(pl.String), pl.lit("error"))
_PEERS = ("db.system.name", "server.address", "gen_ai.provider.name")
_IS_DATABASE = pl.col("db.system.name").is_not_null()
_DATABASE = pl.concat_str("db.system.name", "server.address", separator="@", ignore_nulls=True)


# What rows of both measurements are made of; a frame of all columns costs ten times as much to filter.
_ALWAYS = ("end_ns", TRACE_ID, SPAN_ID, RELEASE, ENVIRONMENT, SERVICE)


def outcomes(spans: pl.DataFrame) -> pl.DataFrame:
    """Rows of `error.rate`: the operations of one service that ended alike in one second."""
    ended = spans.select(
        *_ALWAYS,
        _HAS_FAILED.alias("_failed"),
        pl.when(_HAS_FAILED).then(_CLASS_OF_ERROR).alias("error.type"),
        _IS_OPERATION.alias("_counts"),
    )
    return _counted(ended.filter("_counts"), ERROR_RATE.keys).select(ERROR_RATE.schema().keys())


def calls_of_peers(spans: pl.DataFrame) -> pl.DataFrame:
    """Rows of `service.call` for what sends no spans itself: databases and model providers."""
    called = spans.select(
        *_ALWAYS,
        _HAS_FAILED.alias("_failed"),
        *_PEERS,
        (_IS_DATABASE | pl.col("gen_ai.provider.name").is_not_null()).alias("_counts"),
    )
    counted = _counted(called.filter("_counts").drop("_counts"), (ENVIRONMENT, SERVICE, *_PEERS))
    named = pl.when(_IS_DATABASE).then(_DATABASE).otherwise("gen_ai.provider.name").alias("peer")
    return counted.with_columns(named).select(SERVICE_CALL.schema().keys())


def calls_of_services(traces: pl.DataFrame) -> pl.DataFrame:
    """Rows of `service.call` between services, from whole traces: a server's span below its client's."""
    served = traces.filter(pl.col("kind").is_in([SERVER, CONSUMER]) & pl.col(PARENT_SPAN_ID).is_not_null())
    callers = traces.filter(pl.col("kind").is_in([CLIENT, PRODUCER]))
    if served.is_empty() or callers.is_empty():
        return pl.DataFrame(schema=SERVICE_CALL.schema())
    # By the span id alone: joining on the 128 bits of a trace id costs ten times as much, and two equal ones are told
    # apart below.
    served = served.select(
        pl.col(PARENT_SPAN_ID).alias(SPAN_ID),
        pl.col(TRACE_ID).alias("_trace"),
        pl.col(SERVICE).alias("peer"),
        (pl.col("status") == FAILED).alias("_failed_there"),
    )
    calls = callers.select(SPAN_ID, TRACE_ID, "end_ns", ENVIRONMENT, SERVICE, RELEASE, "status").join(
        served, on=SPAN_ID, how="inner", maintain_order="left_right"
    )
    calls = calls.filter((pl.col("_trace") == pl.col(TRACE_ID)) & (pl.col("peer") != pl.col(SERVICE)))
    failed = ((pl.col("status") == FAILED) | pl.col("_failed_there")).alias("_failed")
    return _counted(calls.with_columns(failed), SERVICE_CALL.keys).select(SERVICE_CALL.schema().keys())


def _counted(rows: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """One row for all that are equal in keys, outcome and second; the last of them is the example."""
    second = (pl.col("end_ns") // 1_000_000_000).cast(pl.Float64).alias(TIME)
    grouped = rows.group_by(second, pl.col("_failed").cast(pl.Float64).alias(VALUE), *keys, maintain_order=True)
    return grouped.agg(pl.len().alias(COUNT), pl.last(TRACE_ID, SPAN_ID, RELEASE))
