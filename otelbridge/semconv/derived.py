"""Columns that follow from others: duration, segment, operation.

`op` is named as Sentry names it, because its detectors and views select by it. The order of the rules is Relay's
(relay-spans/src/op.rs) with two differences. A provider call that is also an HTTP call is `gen_ai.*`, because that is
what its reader looks for. And `db` stands for queries alone: waiting for a connection is `db.connection` and Redis is
`db.redis`, which Sentry's N+1 detector leaves out for the same reason ours does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.core import schema
from otelbridge.core.arrays import is_present

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

_SIDES = ("", ".server", ".client")  # what the kinds server and client add to a protocol
_OPS = pl.Series(
    ["default", "message", "rpc", "db.connection", "db", "db.redis"]
    + [protocol + side for protocol in ("http", "mcp") for side in _SIDES]
)
_DEFAULT, _MESSAGE, _RPC, _CONNECTION, _QUERY, _REDIS, _HTTP = range(7)
_MCP = _HTTP + len(_SIDES)


def with_derived(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with duration_ms: Float64, is_segment: Boolean and op: String. Reads the wire columns and OP_READS."""
    return with_derived_of_wire(spans).with_columns(_operations(spans))


def with_derived_of_wire(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with duration_ms and is_segment, which cost less to derive again than to keep."""
    duration_ms = (spans["end_ns"].to_numpy() - spans["start_ns"].to_numpy()) / 1e6
    is_remote = (spans["flags"].to_numpy() & PARENT_IS_KNOWN_REMOTE) == PARENT_IS_KNOWN_REMOTE
    return spans.with_columns(
        pl.Series("duration_ms", np.maximum(duration_ms, 0.0)),
        pl.Series("is_segment", ~is_present(spans[schema.PARENT_SPAN_ID]) | is_remote),
    )


def _operations(spans: pl.DataFrame) -> pl.Series:
    """Which of _OPS, as a number, because most rules ask only whether an attribute is there; then the rest as text."""
    present = {name for name in OP_READS if spans[name].null_count() < spans.height}

    def rows(*names: str) -> npt.NDArray[np.bool_]:
        found = np.zeros(spans.height, np.bool_)
        for name in present.intersection(names):
            found |= is_present(spans[name])
        return found

    kind = spans["kind"].to_numpy()
    side = (kind == 2) + 2 * (kind == 3)
    number = np.full(spans.height, _DEFAULT, np.uint32)
    number[rows("messaging.system")] = _MESSAGE
    number[rows("rpc.system")] = _RPC
    of_database = rows("db.system.name", "db.query.text")
    number[of_database] = np.where(rows("db.query.text", "db.query.summary", "db.operation.name"), _QUERY, _CONNECTION)[
        of_database
    ]
    if "db.system.name" in present:
        number[spans["db.system.name"].eq_missing("redis").to_numpy()] = _REDIS
    for name, first in (("http.request.method", _HTTP), ("mcp.method.name", _MCP)):
        of_protocol = rows(name)
        number[of_protocol] = first + side[of_protocol]
    ops = _OPS.gather(pl.Series(number)).alias("op")
    if present.isdisjoint(_SAID):
        return ops
    said = pl.DataFrame([ops, *(spans[name] for name in _SAID)])
    return said.select(
        pl.coalesce(
            "sentry.op",
            "gen_ai." + pl.col("gen_ai.operation.name"),
            pl.when(pl.col("op") != "default").then("op"),
            "faas.trigger",
            "op",
        ).alias("op")
    ).to_series()


_SAID = ("sentry.op", "gen_ai.operation.name", "faas.trigger")  # operations that instrumentations name themselves
