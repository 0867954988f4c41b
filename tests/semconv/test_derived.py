"""Columns that follow from others."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from otelbridge.semconv.derived import OP_READS, with_derived

CLIENT, SERVER, INTERNAL = 3, 2, 1


def derived(*attributes: dict[str, str], kind: int = INTERNAL, **columns: Any) -> dict[str, list[Any]]:
    count = len(attributes)
    spans = pl.DataFrame(
        [
            pl.Series("kind", [kind] * count, dtype=pl.Int8),
            pl.Series("start_ns", columns.get("start_ns", [0] * count), dtype=pl.Int64),
            pl.Series("end_ns", columns.get("end_ns", [0] * count), dtype=pl.Int64),
            pl.Series("flags", columns.get("flags", [0] * count), dtype=pl.UInt32),
            pl.Series("parent_span_id", columns.get("parents", [1] * count), dtype=pl.UInt64),
            *(pl.Series(name, [item.get(name) for item in attributes], dtype=pl.String) for name in sorted(OP_READS)),
        ]
    )
    return with_derived(spans).select("duration_ms", "is_segment", "op").to_dict(as_series=False)


@pytest.mark.parametrize(
    ("attributes", "kind", "op"),
    [
        ({}, INTERNAL, "default"),
        ({"http.request.method": "GET"}, SERVER, "http.server"),
        ({"http.request.method": "GET"}, CLIENT, "http.client"),
        ({"http.request.method": "GET"}, INTERNAL, "http"),
        ({"http.request.method": "GET", "gen_ai.operation.name": "chat"}, CLIENT, "gen_ai.chat"),
        ({"http.request.method": "GET", "mcp.method.name": "tools/call"}, SERVER, "mcp.server"),
        ({"http.request.method": "GET", "db.system.name": "elasticsearch"}, CLIENT, "http.client"),
        ({"db.system.name": "postgresql", "db.query.text": "SELECT 1"}, CLIENT, "db"),
        ({"db.system.name": "postgresql", "db.operation.name": "GET"}, CLIENT, "db"),
        ({"db.system.name": "postgresql"}, CLIENT, "db.connection"),
        ({"db.query.text": "SELECT 1"}, CLIENT, "db"),
        ({"db.query.summary": "SELECT x"}, CLIENT, "default"),
        ({"db.system.name": "redis", "db.query.text": "GET x"}, CLIENT, "db.redis"),
        ({"rpc.system": "grpc", "messaging.system": "kafka"}, CLIENT, "rpc"),
        ({"messaging.system": "kafka", "faas.trigger": "pubsub"}, CLIENT, "message"),
        ({"faas.trigger": "timer"}, SERVER, "timer"),
        ({"sentry.op": "mine", "gen_ai.operation.name": "chat"}, CLIENT, "mine"),
    ],
)
def test_the_operation_follows_from_what_is_there(attributes: dict[str, str], kind: int, op: str) -> None:
    alone = derived(attributes, kind=kind)
    among_others = derived({}, attributes, {"sentry.op": "x", "db.system.name": "redis"}, kind=kind)

    assert alone["op"] == [op]
    assert among_others["op"][1] == op


def test_a_span_that_ends_before_it_starts_takes_no_time() -> None:
    assert derived({}, {}, start_ns=[10**6, 10**6], end_ns=[0, 3_500_000])["duration_ms"] == [0.0, 2.5]


def test_a_segment_has_no_parent_or_one_in_another_process() -> None:
    made = derived({}, {}, {}, {}, parents=[None, 1, 1, 1], flags=[0, 0, 0x100, 0x300])

    assert made["is_segment"] == [True, False, False, True]
