"""Which spans are model calls, each once, and what matters of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Integers, as_index, flags, taken
from otelbridge.analysis.nested_calls import are_calls
from otelbridge.core import schema
from otelbridge.processors.provider_health.settings import Config
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
_NOTHING = pl.Series(CALL, [None], pl.UInt8)


def mark(spans: pl.DataFrame) -> pl.Series:
    """Column CALL: Role.CALL and Role.REPORT, null for any other span, and for calls that `llm_cost` knows already."""
    marks = _NOTHING.new_from_index(0, spans.height)
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


class Call(NamedTuple):
    """What matters of a call; in the order of their ends."""

    end_ns: int
    trace_id: int
    span_id: int
    row: int
    """Its row in the batch."""
    provider: str | None
    model: str | None
    retries: int
    succeeded: bool
    latency_ms: float

    def score(self, config: Config) -> int:
        """Its health, 0 to 100."""
        return config.score(succeeded=self.succeeded, latency_ms=self.latency_ms, retries=self.retries)


_TOLD = ("end_ns", schema.TRACE_ID, schema.SPAN_ID, PROVIDER, MODEL, RETRIES, "status", "duration_ms")


def counted(spans: pl.DataFrame) -> list[Call]:
    """The calls of whole traces, each once, by the time when they ended."""
    rows = _candidates(spans)
    calls = []
    if rows.size:
        told = list(taken(spans, _TOLD, rows).iter_rows())
        providers = [provider_of_call(one[3], one[4]) for one in told]
        are_own = are_calls(spans, rows, providers).tolist()
        for row, one, provider, is_call in zip(rows.tolist(), told, providers, are_own, strict=True):
            if is_call:
                end_ns, trace_id, span_id, _, model, retries, status, ms = one
                calls.append(Call(end_ns, trace_id, span_id, row, provider, model, retries or 0, status != FAILED, ms))
    if spans[CALL].null_count() < spans.height:
        calls += _told_by_hand(spans, {call.trace_id for call in calls})
    return sorted(calls)


def _told_by_hand(spans: pl.DataFrame, traces: set[int]) -> Iterator[Call]:
    """Calls of traces that have none, as applications tell of them by hand."""
    rows = (spans[CALL] == Role.REPORT).arg_true()
    told = pl.DataFrame([spans[name] for name in (*_TOLD, TOLD_SUCCESS, TOLD_LATENCY)])[rows].iter_rows()
    for row, (end_ns, trace_id, span_id, name, model, retries, _, ms, succeeded, latency_ms) in zip(
        rows.to_list(), told, strict=True
    ):
        if trace_id not in traces:
            took = ms if latency_ms is None else latency_ms
            provider = provider_of_call(name, model)
            yield Call(end_ns, trace_id, span_id, row, provider, model, retries or 0, succeeded, took)


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
    rows = np.flatnonzero(statuses.is_not_null().to_numpy())
    said = taken(spans, (_STATUS, "name"), rows).iter_rows()
    is_counted = [status in _COUNTED and name != COST_REPORT_NAME for status, name in said]
    return rows[np.array(is_counted, np.bool_)]
