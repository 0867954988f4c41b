"""What a reader of a trace sees of its model calls: columns that exporters write as attributes.

Counts and costs are on billed spans only, and `gen_ai.operation.type` is `ai_client` there and on calls without usage,
because Sentry adds up usage over that type: a covered span is `other`, whatever its instrumentation says.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.core.schema import Column
from otelbridge.processors.llm_cost.arrays import NOWHERE, Rows, absent, floats, gather, integers, words
from otelbridge.processors.llm_cost.billing import Bill
from otelbridge.processors.llm_cost.calls import CALL, ROLE, Described, Status
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

STATUSES = (*(status.name.lower() for status in Status), "covered", "aggregate")
_COVERED, _AGGREGATE = len(Status), len(Status) + 1
_NO_TYPE, _OTHER_TYPE = 0, OPERATION_TYPES.index("other")


def statuses(told: Described, bill: Bill) -> Rows:
    """For each told span its place in STATUSES; NOWHERE for tools."""
    places = told.records["status"].to_numpy().astype(np.intp)
    places[told.counted[~bill.is_billed]] = _COVERED
    places[told.role == Role.AGGREGATE] = _AGGREGATE
    places[told.role == Role.TOOL] = NOWHERE
    return places


def show(spans: pl.DataFrame, told: Described, bill: Bill) -> pl.DataFrame:
    """The spans with COLUMNS and a better `op`, without the columns that only llm_cost reads."""
    index = np.full(spans.height, NOWHERE)
    index[told.rows] = np.arange(len(told.rows))
    spread = gather(_columns(told, bill), index)
    operation = pl.when(pl.col("op") == "default").then("gen_ai." + spread["gen_ai.operation.name"])
    replaced = {*spread.columns, "op", ROLE, CALL}
    return spans.select(
        *(name for name in spans.columns if name not in replaced),
        pl.coalesce(operation, "op").alias("op"),
        *(
            pl.coalesce(column, column.name) if column.name in _ADDED_TO and column.name in spans.columns else column
            for column in spread
        ),
    )


def show_nothing(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with COLUMNS, when nothing is told of any."""
    replaced = {ROLE, CALL, "op"}.union(column.name for column in COLUMNS)
    return pl.DataFrame(
        [
            *(column for column in spans if column.name not in replaced),
            spans["op"],
            *(_as_said(spans, column) for column in COLUMNS),
        ]
    )


def _as_said(spans: pl.DataFrame, column: Column) -> pl.Series:
    if column.name in _ADDED_TO and column.name in spans.columns:
        return spans[column.name]
    return absent(column.name, column.dtype, spans.height)


def _columns(told: Described, bill: Bill) -> pl.DataFrame:
    """COLUMNS, one row a told span."""
    records = told.records
    is_billed = np.zeros(len(told.rows), np.bool_)
    is_billed[told.counted] = bill.is_billed
    place = np.full(len(told.rows), NOWHERE)
    place[told.counted] = np.arange(len(told.counted))
    owners = gather(bill.owners, place)

    def count(name: str, field: str) -> pl.Series:
        return integers(name, records[field].to_numpy(), is_billed)

    def usd(name: str, field: str) -> pl.Series:
        return floats(name, records[field].to_numpy(), is_billed)

    return pl.DataFrame(
        [
            records["operation"].alias("gen_ai.operation.name"),
            words("gen_ai.operation.type", OPERATION_TYPES, _types(told, bill)),
            records["provider"].alias("gen_ai.provider.name"),
            records["request_model"].alias("gen_ai.request.model"),
            records["response_model"].alias("gen_ai.response.model"),
            count("gen_ai.usage.input_tokens", "input"),
            count("gen_ai.usage.output_tokens", "output"),
            count("gen_ai.usage.cache_read.input_tokens", "cache_read"),
            count("gen_ai.usage.cache_creation.input_tokens", "cache_write"),
            count("gen_ai.usage.reasoning.output_tokens", "reasoning"),
            count("gen_ai.usage.total_tokens", "total"),
            usd("gen_ai.cost.input_tokens", "cost_input"),
            usd("gen_ai.cost.output_tokens", "cost_output"),
            usd("gen_ai.cost.total_tokens", "cost"),
            usd(COST, "cost"),
            words(STATUS, STATUSES, statuses(told, bill)),
            owners["user"].alias("user.id"),
            owners["conversation"].alias("gen_ai.conversation.id"),
            owners["project"].alias(PROJECT),
        ]
    )


def _types(told: Described, bill: Bill) -> Rows:
    places = told.records["operation_type"].to_numpy().astype(np.intp)
    places[told.counted[~bill.is_billed]] = _OTHER_TYPE
    places[places == _NO_TYPE] = NOWHERE
    return places
