"""What a reader of a trace sees of its model calls: columns that exporters write as attributes.

Counts and costs are on billed spans only, and `gen_ai.operation.type` is `ai_client` there and on calls without usage,
because Sentry adds up usage over that type: a covered span is `other`, whatever its instrumentation says.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from otelbridge.analysis.frames import overlaid
from otelbridge.analysis.grouping import as_index, group_values
from otelbridge.core.arrays import nulls
from otelbridge.core.schema import Column
from otelbridge.processors.llm_cost.arrays import NOWHERE, Rows, floats, integers, words
from otelbridge.processors.llm_cost.billing import Bill
from otelbridge.processors.llm_cost.records import CALL, ROLE, Described, Status
from otelbridge.semconv.classify import OPERATION_TYPES, Role

COST = "otelbridge.cost.usd"
STATUS = "otelbridge.cost.status"
PROJECT = "otelbridge.project"

COLUMNS: tuple[Column, ...] = (
    Column("gen_ai.operation.name", pl.String, "", "chat, embeddings, invoke_agent, execute_tool ..."),
    Column("gen_ai.operation.type", pl.String, "", "ai_client (usage is counted here), agent, tool, handoff, other"),
    Column("gen_ai.provider.name", pl.String, "", "provider, by its one name; on calls"),
    Column("gen_ai.request.model", pl.String, "", "model asked for, else the one that answered; on calls"),
    Column("gen_ai.response.model", pl.String, "", "model that answered; on calls"),
    Column("gen_ai.usage.input_tokens", pl.Int64, "tokens", "input, cache reads and writes included; billed spans"),
    Column("gen_ai.usage.output_tokens", pl.Int64, "tokens", "output, reasoning included; billed spans"),
    Column("gen_ai.usage.cache_read.input_tokens", pl.Int64, "tokens", "input read from the cache; billed spans"),
    Column("gen_ai.usage.cache_creation.input_tokens", pl.Int64, "tokens", "input written to it; billed spans"),
    Column("gen_ai.usage.reasoning.output_tokens", pl.Int64, "tokens", "output spent on reasoning; billed spans"),
    Column("gen_ai.usage.total_tokens", pl.Int64, "tokens", "input + output; billed spans"),
    Column("gen_ai.cost.input_tokens", pl.Float64, "USD", "cost of the input; priced spans"),
    Column("gen_ai.cost.output_tokens", pl.Float64, "USD", "cost of the output; priced spans"),
    Column("gen_ai.cost.total_tokens", pl.Float64, "USD", "the same as otelbridge.cost.usd, under Sentry's name"),
    Column(COST, pl.Float64, "USD", "cost of the call; priced and reported spans"),
    Column(
        STATUS,
        pl.String,
        "",
        "priced; reported (the cost is what the instrumentation said); unknown_model (no cost); no_usage; "
        "covered (another span of the same call is billed); aggregate (holds calls)",
    ),
    Column("user.id", pl.String, "", "who caused the call: the span's own, or inherited; on calls"),
    Column("gen_ai.conversation.id", pl.String, "", "thread, chat or session, likewise; on calls"),
    Column(PROJECT, pl.String, "", "project or team, likewise, else namespace or name of the service; on calls"),
)

_ADDED_TO = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "user.id",
    "gen_ai.conversation.id",
)
"""Columns in which spans that nothing is told of keep what they say themselves."""

_COUNTS = {
    "gen_ai.usage.input_tokens": "input",
    "gen_ai.usage.output_tokens": "output",
    "gen_ai.usage.cache_read.input_tokens": "cache_read",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write",
    "gen_ai.usage.reasoning.output_tokens": "reasoning",
    "gen_ai.usage.total_tokens": "total",
}
_COSTS = {
    "gen_ai.cost.input_tokens": "cost_input",
    "gen_ai.cost.output_tokens": "cost_output",
    COST: "cost",
}
STATUSES = (*(status.name.lower() for status in Status), "covered", "aggregate")
_COVERED, _AGGREGATE = len(Status), len(Status) + 1
_NO_TYPE, _OTHER_TYPE = 0, OPERATION_TYPES.index("other")


def statuses(told: Described, bill: Bill) -> Rows:
    """For each told span its place in STATUSES; NOWHERE for tools."""
    places = told.numbers("status").astype(np.intp)
    places[told.counted[~bill.is_billed]] = _COVERED
    places[told.role == Role.AGGREGATE] = _AGGREGATE
    places[told.role == Role.TOOL] = NOWHERE
    return places


def show(spans: pl.DataFrame, told: Described, bill: Bill) -> pl.DataFrame:
    """The spans with COLUMNS and a better `op`, without the columns that only llm_cost reads."""
    shown = {column.name: column for column in _numbers(told, bill, spans.height)}
    for rows, columns in ((told.rows, _texts(told, bill)), (bill.rows, _owners(bill))):
        shown |= {column.name: overlaid(_as_said(spans, column.name), rows, column) for column in columns}
    return _with_columns(spans, overlaid(spans["op"], told.rows, _ops(spans, told)), shown)


def show_nothing(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with COLUMNS, when nothing is told of any."""
    texts = {column.name: _as_said(spans, column.name) for column in COLUMNS if column.dtype == pl.String}
    numbers = {
        column.name: nulls(column.name, column.dtype, spans.height) for column in COLUMNS if column.dtype != pl.String
    }
    return _with_columns(spans, spans["op"], texts | numbers)


def _with_columns(spans: pl.DataFrame, op: pl.Series, shown: dict[str, pl.Series]) -> pl.DataFrame:
    kept = [column for column in spans if column.name not in shown and column.name not in (ROLE, CALL, "op")]
    return pl.DataFrame([*kept, op, *(shown[column.name] for column in COLUMNS)])


def _as_said(spans: pl.DataFrame, name: str) -> pl.Series:
    """What spans say themselves, where they keep it."""
    if name in _ADDED_TO and name in spans.columns:
        return spans[name]
    return nulls(name, pl.String, spans.height)


def _ops(spans: pl.DataFrame, told: Described) -> pl.Series:
    """`op` of told spans of which only llm_cost knows the operation; null for others."""
    known, operations = spans["op"][as_index(told.rows)], told.texts("operation")
    groups = group_values([known, operations])
    firsts = as_index(groups.first)
    ops = [
        f"gen_ai.{operation}" if op == "default" and operation else None
        for op, operation in zip(known[firsts].to_list(), operations[firsts].to_list(), strict=True)
    ]
    return pl.Series("op", ops, pl.String)[as_index(groups.of_row)]


def _texts(told: Described, bill: Bill) -> list[pl.Series]:
    """What spans are, one row a told span."""
    return [
        told.texts("operation").alias("gen_ai.operation.name"),
        told.texts("provider").alias("gen_ai.provider.name"),
        told.texts("request_model").alias("gen_ai.request.model"),
        told.texts("response_model").alias("gen_ai.response.model"),
        words("gen_ai.operation.type", OPERATION_TYPES, _types(told, bill)),
        words(STATUS, STATUSES, statuses(told, bill)),
    ]


def _numbers(told: Described, bill: Bill, height: int) -> Iterator[pl.Series]:
    """Counts and costs of billed spans, as columns of the batch."""
    rows, places = bill.rows[bill.is_billed], told.counted[bill.is_billed]
    for name, field in _COUNTS.items():
        yield integers(name, height, rows, told.numbers(field)[places])
    for name, field in _COSTS.items():
        yield floats(name, height, rows, told.numbers(field)[places])
    total = floats(COST, height, rows, told.numbers("cost")[places])
    yield from (total, total.alias("gen_ai.cost.total_tokens"))


def _owners(bill: Bill) -> list[pl.Series]:
    """Whom calls belong to, one row a counted call."""
    names = {"user": "user.id", "conversation": "gen_ai.conversation.id", "project": PROJECT}
    return [bill.owners[owner].alias(name) for owner, name in names.items()]


def _types(told: Described, bill: Bill) -> Rows:
    places = told.numbers("operation_type").astype(np.intp)
    places[told.counted[~bill.is_billed]] = _OTHER_TYPE
    places[places == _NO_TYPE] = NOWHERE
    return places
