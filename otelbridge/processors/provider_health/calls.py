"""Which spans are model calls, each once, and what matters of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Flags, Integers, as_index, flags, integers, taken
from otelbridge.analysis.intervals import Floats
from otelbridge.analysis.nested_calls import are_calls
from otelbridge.core import schema
from otelbridge.core.arrays import is_present, nulls
from otelbridge.semconv.classify import COST_REPORT_NAME, Role, classify
from otelbridge.semconv.providers import provider_of_call

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


def mark(spans: pl.DataFrame) -> pl.Series:
    """Column CALL: Role.CALL and Role.REPORT, null for any other span, and for calls that `llm_cost` knows already."""
    marks = nulls(CALL, pl.UInt8, spans.height)
    present = [name for name in SIGNALS if spans[name].null_count() < spans.height]
    if present and _ROLE not in spans.columns:
        has_any = spans.select(pl.any_horizontal(pl.col(present).is_not_null())).to_series()
        rows = np.flatnonzero(has_any.to_numpy())
        roles = [_role(row) for row in taken(spans, ("name", *SIGNALS), rows).iter_rows()]
        marks = marks.scatter(as_index(rows), pl.Series(roles, dtype=pl.UInt8))
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
    """What matters of calls, one item each, in the order in which they ended.

    Attributes:
        rows: theirs in the batch.
        providers: None where nobody knows.
        models: None where the span does not say.
        retries: how often each was sent again.
        succeeded: whether it did.
        latency_ms: how long it took.
    """

    rows: Integers
    providers: list[str | None]
    models: list[str | None]
    retries: Integers
    succeeded: Flags
    latency_ms: Floats


def counted(spans: pl.DataFrame) -> Calls | None:
    """The calls of whole traces, each once; None if there are none."""
    rows = _candidates(spans)
    if rows.size:
        rows = rows[are_calls(spans, rows, _providers(spans, rows)[0])]
    by_hand = _told_by_hand(spans, rows)
    if not (rows.size or by_hand.size):
        return None
    rows = _by_end(spans, np.concatenate((rows, by_hand)))
    index = as_index(rows)
    providers, models = _providers(spans, rows)
    succeeded = spans["status"].to_numpy()[rows] != FAILED
    latency_ms = spans["duration_ms"].to_numpy()[rows]
    if by_hand.size:
        is_by_hand = np.isin(rows, by_hand)
        told_ms = spans[TOLD_LATENCY][index]
        succeeded = np.where(is_by_hand, flags(spans[TOLD_SUCCESS][index]), succeeded)
        latency_ms = np.where(is_by_hand & is_present(told_ms), told_ms.fill_null(0.0).to_numpy(), latency_ms)
    retries = integers(spans[RETRIES][index]).astype(np.int64)
    return Calls(rows, providers, models, retries, succeeded, latency_ms)


def _providers(spans: pl.DataFrame, rows: Integers) -> tuple[list[str | None], list[str | None]]:
    """Whom each of these calls asked, and for which model."""
    index = as_index(rows)
    models = spans[MODEL][index].to_list()
    return list(map(provider_of_call, spans[PROVIDER][index].to_list(), models)), models


def _by_end(spans: pl.DataFrame, rows: Integers) -> Integers:
    """In the order of their ends; which of several comes first must not depend on how traces share batches."""
    ends = spans["end_ns"].to_numpy()[rows]
    order = np.argsort(ends, kind="stable")
    same = np.flatnonzero(np.diff(ends[order]) == 0)
    if same.size:
        tied = np.union1d(same, same + 1)  # stands in the order of ends: to sort all of these moves none out of its tie
        of_tied = rows[order[tied]]
        told = taken(spans, ("end_ns", schema.TRACE_ID, schema.SPAN_ID), of_tied).rows()
        by_id = sorted(range(len(tied)), key=lambda place: (*told[place], of_tied[place]))
        order[tied] = order[tied[by_id]]
    return rows[order]


def _told_by_hand(spans: pl.DataFrame, calls: Integers) -> Integers:
    """Calls of traces that have none, as applications tell of them by hand."""
    if spans[CALL].null_count() == spans.height:
        return np.empty(0, np.int64)
    rows = np.flatnonzero(flags(spans[CALL] == Role.REPORT))
    traces = set(spans[schema.TRACE_ID][as_index(calls)].to_list())
    told = spans[schema.TRACE_ID][as_index(rows)].to_list()
    return rows[np.array([trace_id not in traces for trace_id in told], np.bool_)]


def _candidates(spans: pl.DataFrame) -> Integers:
    """Rows that may be calls: those that `llm_cost` counts, or that `mark` found."""
    if _STATUS not in spans.columns:
        marks = spans[CALL]
        if marks.null_count() == spans.height:
            return np.empty(0, np.int64)
        return np.flatnonzero(flags(marks == Role.CALL))
    statuses = spans[_STATUS]
    if statuses.null_count() == spans.height:
        return np.empty(0, np.int64)
    rows = np.flatnonzero(is_present(statuses))
    said = (spans[name][as_index(rows)].to_list() for name in (_STATUS, "name"))
    is_counted = [status in _COUNTED and name != COST_REPORT_NAME for status, name in zip(*said, strict=True)]
    return rows[np.array(is_counted, np.bool_)]
