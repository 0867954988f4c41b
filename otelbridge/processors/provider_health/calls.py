"""Which spans are model calls, each once, and what matters of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.grouping import (
    Flags,
    Integers,
    as_index,
    distinct,
    distinct_rows,
    flags,
    group_values,
    integers,
    taken,
)
from otelbridge.analysis.intervals import Floats
from otelbridge.analysis.nested_calls import are_calls
from otelbridge.core import schema
from otelbridge.core.arrays import is_present, nulls
from otelbridge.core.measurements import ENVIRONMENT
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


Asked = tuple[str | None, str | None, str | None]
"""Environment, provider (None where nobody knows) and model (None where the span does not say)."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What matters of calls, one item each, in the order in which they ended.

    Attributes:
        rows: theirs in the batch.
        asked: whom they asked for what; not one item each: there are few.
        asked_by: place in `asked`.
        retries: how often each was sent again.
        succeeded: whether it did.
        latency_ms: how long it took.
    """

    rows: Integers
    asked: list[Asked]
    asked_by: Integers
    retries: Integers
    succeeded: Flags
    latency_ms: Floats


def counted(spans: pl.DataFrame) -> Calls | None:
    """The calls of whole traces, each once; None if there are none."""
    candidates, reports = _candidates(spans), _marked(spans, Role.REPORT)
    rows = np.concatenate((candidates, reports))
    if not rows.size:
        return None
    asked, asked_by = _asked(spans, rows)
    _, provider_of = distinct(provider for _, provider, _ in asked)
    is_call = are_calls(spans, candidates, provider_of[asked_by[: len(candidates)]])
    is_told = _have_no_call(spans, reports, candidates[is_call])
    places = np.flatnonzero(np.concatenate((is_call, is_told)))
    if not places.size:
        return None
    places = places[_by_end(spans, rows[places])]
    rows, is_by_hand = rows[places], places >= len(candidates)
    index = as_index(rows)
    succeeded = spans["status"].to_numpy()[rows] != schema.STATUS_ERROR
    latency_ms = spans["duration_ms"].to_numpy()[rows]
    if is_by_hand.any():
        told_ms = spans[TOLD_LATENCY][index]
        succeeded = np.where(is_by_hand, flags(spans[TOLD_SUCCESS][index]), succeeded)
        latency_ms = np.where(is_by_hand & is_present(told_ms), told_ms.fill_null(0.0).to_numpy(), latency_ms)
    retries = integers(spans[RETRIES][index]).astype(np.int64)
    return Calls(rows, asked, asked_by[places], retries, succeeded, latency_ms)


def _asked(spans: pl.DataFrame, rows: Integers) -> tuple[list[Asked], Integers]:
    """Whom these calls asked for which model: what there is, and which of it each call has."""
    told, told_by = distinct_rows(taken(spans, (ENVIRONMENT, PROVIDER, MODEL), rows))
    return [(environment, provider_of_call(name, model), model) for environment, name, model in told], told_by


def _by_end(spans: pl.DataFrame, rows: Integers) -> Integers:
    """Their order by their ends; which of several comes first must not depend on how traces share batches."""
    ends = spans["end_ns"].to_numpy()[rows]
    order = np.argsort(ends, kind="stable")
    same = np.flatnonzero(np.diff(ends[order]) == 0)
    if same.size:
        tied = np.union1d(same, same + 1)  # stands in the order of ends: to sort all of these moves none out of its tie
        of_tied = rows[order[tied]]
        ids = taken(spans, (schema.TRACE_ID, schema.SPAN_ID), of_tied).hash_rows().to_numpy()
        order[tied] = order[tied[np.lexsort((of_tied, ids, ends[order[tied]]))]]
    return order


def _marked(spans: pl.DataFrame, role: Role) -> Integers:
    """Rows that `mark` gave this role."""
    if spans[CALL].null_count() == spans.height:
        return np.empty(0, np.int64)
    return np.flatnonzero(flags(spans[CALL] == role))


def _have_no_call(spans: pl.DataFrame, rows: Integers, calls: Integers) -> Flags:
    """Which of these rows, in which applications tell of a call by hand, are of traces without a call."""
    if not rows.size:
        return np.empty(0, np.bool_)
    traces = set(spans[schema.TRACE_ID][as_index(calls)].to_list())
    return np.array([trace_id not in traces for trace_id in spans[schema.TRACE_ID][as_index(rows)]], np.bool_)


def _candidates(spans: pl.DataFrame) -> Integers:
    """Rows that may be calls: those that `llm_cost` counts, or that `mark` found."""
    if _STATUS not in spans.columns:
        return _marked(spans, Role.CALL)
    statuses = spans[_STATUS]
    if statuses.null_count() == spans.height:
        return np.empty(0, np.int64)
    rows = np.flatnonzero(is_present(statuses))
    said = taken(spans, (_STATUS, "name"), rows)
    groups = group_values([said[_STATUS]])
    is_counted = np.array([status in _COUNTED for status in said[_STATUS][as_index(groups.first)]], np.bool_)
    return rows[is_counted[groups.of_row] & ~flags(said["name"] == COST_REPORT_NAME)]
