"""Which spans are model calls, each once, and what matters of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Integers, as_index
from otelbridge.analysis.nested_calls import are_calls
from otelbridge.core import schema
from otelbridge.semconv.classify import COST_REPORT_NAME, Role, classify
from otelbridge.semconv.providers import MAX_NAME_CHARACTERS, provider_of_call

CALL = "llm.is_call"
COMPARISON_NAME = "ai.provider_comparison"
"""Name of the span in which applications that compare providers by hand tell of a call."""

PROVIDER, MODEL = "gen_ai.provider.name", "gen_ai.request.model"
PARAMETERS = "llm.invocation_parameters"
RETRIES = "http.request.resend_count"
TOLD_LATENCY, TOLD_SUCCESS = "ai.latency_ms", "ai.success"

_ROLE = "llm.role"  # by llm_cost, as long as a trace is not whole
_STATUS = "otelbridge.cost.status"  # by llm_cost, in a whole trace
_COUNTED = frozenset({"priced", "reported", "unknown_model", "no_usage"})

_KINDS = ("ai.operationId", "gen_ai.operation.name", "openinference.span.kind", "llm.request.type")
_USAGE = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.total_tokens",
    "gen_ai.cost.total_tokens",
)
SIGNALS = (*_KINDS, *_USAGE)
"""Columns that tell whether a span is a call."""

FAILED = 2  # status
_NOTHING = pl.Series(CALL, [None], pl.UInt8)


def mark(spans: pl.DataFrame) -> pl.Series:
    """Column CALL: Role.CALL and Role.REPORT, null for any other span, and for calls that `llm_cost` knows already."""
    marks = _NOTHING.new_from_index(0, spans.height)
    present = [name for name in SIGNALS if spans[name].null_count() < spans.height]
    if present and _ROLE not in spans.columns:
        has_any = spans.select(pl.any_horizontal(pl.col(present).is_not_null())).to_series()
        rows = as_index(np.flatnonzero(has_any.to_numpy()))
        roles = [_role(row) for row in spans.select("name", *SIGNALS)[rows].iter_rows()]
        marks = marks.scatter(rows, pl.Series(roles, dtype=pl.UInt8))
    if spans[TOLD_SUCCESS].null_count() < spans.height:
        is_report = (spans["name"] == COMPARISON_NAME) & spans[TOLD_SUCCESS].is_not_null()
        marks = marks.scatter(is_report.arg_true(), int(Role.REPORT))
    return marks


def models(spans: pl.DataFrame) -> pl.Series:
    """Column MODEL, also of calls that tell it in their parameters alone: OpenInference's, when they fail."""
    if spans[PARAMETERS].null_count() == spans.height:
        return spans[MODEL]
    rows = (spans[PARAMETERS].is_not_null() & spans[MODEL].is_null()).arg_true()
    return spans[MODEL].clone().scatter(rows, [_asked_for(text) for text in spans[PARAMETERS][rows].to_list()])


class _Parameters(msgspec.Struct):
    model: str | None = None


def _asked_for(parameters: str) -> str | None:
    try:
        return msgspec.json.decode(parameters, type=_Parameters).model or None
    except msgspec.MsgspecError:
        return None


def _role(row: tuple[object, ...]) -> int | None:
    name, operation_id, operation_name, openinference_kind, request_type, *usage = row
    has_usage = any(told is not None for told in usage)
    words = (operation_id, operation_name, openinference_kind, request_type)
    is_call = name != COST_REPORT_NAME and classify(*words, has_usage=has_usage).role == Role.CALL  # type: ignore[arg-type] # columns of text
    return int(Role.CALL) if is_call else None


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of whole traces, each once.

    Attributes:
        rows: their rows in the batch.
        told: columns as TOLD, `latency_ms`, and `succeeded`; one row a call.
    """

    rows: Integers
    told: pl.DataFrame


TOLD = (schema.TRACE_ID, schema.SPAN_ID, "end_ns", PROVIDER, MODEL, RETRIES, "service", "environment", "release")
_READ = (*TOLD, "status", "duration_ms", TOLD_LATENCY, TOLD_SUCCESS)

_IS_REPORT = pl.col("report")
_LATENCY = pl.when(_IS_REPORT).then(pl.coalesce(TOLD_LATENCY, "duration_ms")).otherwise("duration_ms")
_SUCCEEDED = pl.when(_IS_REPORT).then(TOLD_SUCCESS).otherwise(pl.col("status") != FAILED)


def counted(spans: pl.DataFrame) -> Calls | None:
    """The calls of whole traces; None where there are none."""
    marks = spans[CALL]
    rows = _calls(spans)
    reports = np.empty(0, np.int64)
    if marks.null_count() < spans.height:
        reports = np.flatnonzero((marks == Role.REPORT).fill_null(value=False).to_numpy())
    if not rows.size and not reports.size:
        return None
    providers = [
        provider_of_call(name, model) for name, model in spans.select(PROVIDER, MODEL)[as_index(rows)].iter_rows()
    ]
    rows = rows[are_calls(spans, rows, providers)]
    if reports.size and rows.size:
        traces = spans[schema.TRACE_ID]
        has_call = traces[as_index(reports)].is_in(traces[as_index(rows)].implode()).to_numpy()
        reports = reports[~has_call]
    return _described(spans, np.concatenate([rows, reports]), len(rows))


def _calls(spans: pl.DataFrame) -> Integers:
    """Rows that may be calls: those that `llm_cost` counts, or that `mark` found."""
    if _STATUS not in spans.columns:
        marks = spans[CALL]
        if marks.null_count() == spans.height:
            return np.empty(0, np.int64)
        return np.flatnonzero((marks == Role.CALL).fill_null(value=False).to_numpy())
    statuses = spans[_STATUS]
    if statuses.null_count() == spans.height:
        return np.empty(0, np.int64)
    rows = np.flatnonzero(statuses.is_not_null().to_numpy())
    said = spans.select(_STATUS, "name")[as_index(rows)].iter_rows()
    is_counted = [status in _COUNTED and name != COST_REPORT_NAME for status, name in said]
    return rows[np.array(is_counted, np.bool_)]


def _described(spans: pl.DataFrame, rows: Integers, calls: int) -> Calls:
    told = spans.select(_READ)[as_index(rows)]
    names = list(told.select(PROVIDER, MODEL).iter_rows())
    models = [model[:MAX_NAME_CHARACTERS] if model else None for _, model in names]
    told = told.with_columns(
        pl.Series(PROVIDER, [provider_of_call(*name) for name in names], pl.String),
        pl.Series(MODEL, models, pl.String),
        pl.Series("report", np.arange(len(rows)) >= calls),
    )
    return Calls(rows, told.select(*TOLD, _LATENCY.alias("latency_ms"), _SUCCEEDED.alias("succeeded")))
