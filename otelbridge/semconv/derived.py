"""Columns that follow from others: duration, segment, operation.

`op` is named as Sentry names it, because its detectors and views select by it. The order of the rules is Relay's
(relay-spans/src/op.rs) with two differences. A provider call that is also an HTTP call is `gen_ai.*`, because that is
what its reader looks for. And `db` stands for queries alone: waiting for a connection is `db.connection` and Redis is
`db.redis`, which Sentry's N+1 detector leaves out for the same reason ours does.
"""

from __future__ import annotations

import polars as pl

OP_READS = frozenset(
    {
        "db.system.name",
        "db.query.text",
        "db.query.summary",
        "db.operation.name",
        "faas.trigger",
        "gen_ai.operation.name",
        "http.request.method",
        "mcp.method.name",
        "messaging.system",
        "rpc.system",
        "sentry.op",
    }
)
"""Concepts that `op` is derived from."""

PARENT_IS_KNOWN_REMOTE = 0x300  # span flags: bit 8 says that bit 9 is meaningful, bit 9 that the parent is remote

_KIND_SUFFIX = pl.when(pl.col("kind") == 2).then(pl.lit(".server")).when(pl.col("kind") == 3).then(pl.lit(".client"))
_IS_QUERY = pl.any_horizontal(pl.col("db.query.text", "db.query.summary", "db.operation.name").is_not_null())

_OP = (
    pl.when(pl.col("sentry.op").is_not_null())
    .then(pl.col("sentry.op"))
    .when(pl.col("gen_ai.operation.name").is_not_null())
    .then("gen_ai." + pl.col("gen_ai.operation.name"))
    .when(pl.col("mcp.method.name").is_not_null())
    .then("mcp" + _KIND_SUFFIX.otherwise(pl.lit("")))
    .when(pl.col("http.request.method").is_not_null())
    .then("http" + _KIND_SUFFIX.otherwise(pl.lit("")))
    .when(pl.col("db.system.name") == "redis")
    .then(pl.lit("db.redis"))
    .when(pl.col("db.system.name").is_not_null() | pl.col("db.query.text").is_not_null())
    .then(pl.when(_IS_QUERY).then(pl.lit("db")).otherwise(pl.lit("db.connection")))
    .when(pl.col("rpc.system").is_not_null())
    .then(pl.lit("rpc"))
    .when(pl.col("messaging.system").is_not_null())
    .then(pl.lit("message"))
    .otherwise(pl.coalesce("faas.trigger", pl.lit("default")))
    .alias("op")
)

_DERIVED = (
    ((pl.col("end_ns") - pl.col("start_ns")) / 1e6).clip(lower_bound=0.0).alias("duration_ms"),
    (pl.col("parent_span_id").is_null() | ((pl.col("flags") & PARENT_IS_KNOWN_REMOTE) == PARENT_IS_KNOWN_REMOTE)).alias(
        "is_segment"
    ),
    _OP,
)


def with_derived(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with duration_ms: Float64, is_segment: Boolean and op: String. Reads the wire columns and OP_READS."""
    return spans.with_columns(*_DERIVED)
