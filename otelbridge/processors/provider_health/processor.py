"""The component: marks calls span by span, scores them in whole traces, and notices providers that do badly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.frames import with_series
from otelbridge.analysis.grouping import Integers, as_index, integers, taken
from otelbridge.analysis.intervals import Floats
from otelbridge.core import schema
from otelbridge.core.arrays import Items, column, is_present, nulls
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentSpec, Kind, Processor
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import ENVIRONMENT, RELEASE, SERVICE, VALUE, measured
from otelbridge.core.schema import Column
from otelbridge.processors.provider_health.calls import (
    CALL,
    MODEL,
    PARAMETERS,
    PROVIDER,
    RETRIES,
    SIGNALS,
    TOLD_LATENCY,
    TOLD_SUCCESS,
    Calls,
    counted,
    mark,
    models,
)
from otelbridge.processors.provider_health.rolling import Change, Key, RollingScores, Series
from otelbridge.processors.provider_health.settings import Config
from otelbridge.semconv.measurements import LLM_LATENCY, LLM_SCORE, LLM_SUCCESS
from otelbridge.semconv.providers import MAX_NAME_CHARACTERS, model_family

SCORE = "otelbridge.provider.score"
USD_PER_1K = "otelbridge.cost.usd_per_1k"
PER_CENT = "otelbridge.cost.usage_per_cent"
_COST, _TOKENS = "otelbridge.cost.usd", "gen_ai.usage.total_tokens"  # by llm_cost, where it stands before

NOBODY = -1  # in the place of a key
LEAST_USD = (
    1e-9  # the cheapest token there is costs more; below it a call was free, and a cent buys no number of tokens
)

ADDED = (
    Column(SCORE, pl.Int64, "", "40 for success, 30 for latency, 30 for no retry; on each model call once"),
    Column(USD_PER_1K, pl.Float64, "USD", "cost of a thousand tokens of the call; billed calls with a cost"),
    Column(PER_CENT, pl.Float64, "tokens", "tokens for one US cent; billed calls with a cost above 0"),
)


class _State(msgspec.Struct, array_like=True):
    """What survives a restart."""

    series: list[tuple[Key, Series]]
    forgotten: int
    events: dict[str, int]


class ProviderHealth(Processor):
    """Scores model calls. State: the latest scores of each environment, provider and model (`rolling`), counters."""

    def __init__(self, config: Config, watched: frozenset[str] = frozenset()) -> None:
        self._config = config
        self._watched = watched
        self._rolling = RollingScores(config)
        self._events: Counter[str] = Counter()

    @property
    def counters(self) -> Mapping[str, int]:
        """Calls scored, `findings` raised, series forgotten because there were too many."""
        return {"calls": 0, "findings": 0, **self._events, "forgotten_series": self._rolling.forgotten}

    def process(self, batch: Batch) -> Batch:
        """Adds `llm.is_call`, for process_traces, and models where only the parameters of a call tell them."""
        return batch.with_spans(with_series(batch.spans, (mark(batch.spans), models(batch.spans))))

    def process_traces(self, batch: Batch) -> Batch:
        """Adds ADDED instead of `llm.is_call`, findings about providers, and measurements."""
        spans = batch.spans
        calls = counted(spans)
        others = spans[[name for name in spans.columns if name not in _MADE]]
        if calls is None:
            nothing = [nulls(column.name, column.dtype, spans.height) for column in ADDED]
            return batch.with_spans(with_series(others, nothing))
        scores = self._config.scores(calls.succeeded, calls.latency_ms, calls.retries)
        findings = self._findings(spans, calls, scores, batch.now)
        self._events.update(calls=len(calls.rows), findings=sum(finding.state == "raised" for finding in findings))
        batch = batch.with_spans(with_series(others, _shown(spans, calls.rows, scores))).add_findings(findings)
        return self._measured(batch, calls, scores.astype(np.float64))

    def snapshot(self) -> bytes:
        """The latest scores, and counts."""
        return msgspec.msgpack.encode(_State(self._rolling.save(), self._rolling.forgotten, dict(self._events)))

    def restore(self, state: bytes) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
        except msgspec.MsgspecError as error:
            raise StateUnreadable(f"provider_health: {error}") from error
        self._rolling.load(saved.series, saved.forgotten)
        self._events = Counter(saved.events)

    def _measured(self, batch: Batch, calls: Calls, scores: Floats) -> Batch:
        watched = [kind for kind in (LLM_SCORE, LLM_LATENCY, LLM_SUCCESS) if kind.name in self._watched]
        if not watched:
            return batch
        names = pl.Series([name for _, name, _ in calls.asked], dtype=pl.String)
        provider = {PROVIDER: names[as_index(calls.asked_by)]}
        frame = measured(LLM_SCORE, batch.spans, calls.rows, scores, provider)
        if frame is None:
            return batch
        values = {  # the others have the same keys, and are never null
            LLM_SCORE.name: scores,
            LLM_LATENCY.name: calls.latency_ms,
            LLM_SUCCESS.name: calls.succeeded.astype(np.float64),
        }
        for kind in watched:
            of_kind = with_series(frame, [pl.Series(VALUE, values[kind.name])])
            if kind is LLM_LATENCY and not calls.succeeded.all():  # a failure may be quick
                of_kind = taken(of_kind, of_kind.columns, np.flatnonzero(calls.succeeded))
            batch = batch.add_measurements(kind.name, of_kind)
        return batch

    def _findings(self, spans: pl.DataFrame, calls: Calls, scores: Integers, now: float) -> list[Finding]:
        numbers: dict[Key, int] = {}
        number_of = [NOBODY] * len(calls.asked)
        for place in np.unique(calls.asked_by).tolist():
            environment, provider, model = calls.asked[place]
            if model is not None:  # left out by some when a call fails: its series would be failures alone
                key = (environment or "", provider or "", model_family(model[:MAX_NAME_CHARACTERS]))
                number_of[place] = numbers.setdefault(key, len(numbers))
        key_of_call = np.array(number_of, np.int64)[calls.asked_by]
        places = np.flatnonzero(key_of_call != NOBODY)
        found = [
            (place, self._finding(key, series, change, spans.row(int(calls.rows[places[place]]), named=True), now))
            for place, key, series, change in self._rolling.add_all([*numbers], key_of_call[places], scores[places])
        ]
        return [finding for _, finding in sorted(found, key=itemgetter(0))]

    def _finding(self, key: Key, series: Series, change: Change, call: dict[str, Any], now: float) -> Finding:
        _, provider, model = key
        is_raised = change == "raised"
        return Finding(
            kind="provider_health",
            level="warning" if is_raised else "info",
            title=f"Model provider does badly: {' '.join(filter(None, (provider, model)))}",
            key=key,
            time=now,
            tags={"provider": provider, "model": model},
            contexts={
                "provider_health": {
                    "provider": provider,
                    "model": model,
                    "score": round(series.mean, 1),
                    "unhealthy_below": self._config.unhealthy_below,
                    "calls": series.calls,
                    "failed": series.failed,
                }
            },
            # A recovery is no reason to keep the trace that it was noticed in.
            trace_id=call[schema.TRACE_ID] if is_raised else 0,
            span_id=call[schema.SPAN_ID] if is_raised else 0,
            service=call[SERVICE] or "",
            environment=call[ENVIRONMENT] or "",
            release=call[RELEASE] or "",
            state=change,
        )


def _shown(spans: pl.DataFrame, rows: Integers, scores: Integers) -> Iterator[pl.Series]:
    """The columns of ADDED: null where there is no call, or nothing known of it."""
    yield _scattered(SCORE, scores, rows, spans.height)
    if _COST not in spans.columns:
        yield from (nulls(name, pl.Float64, spans.height) for name in (USD_PER_1K, PER_CENT))
        return
    usd, tokens = (spans[name][as_index(rows)] for name in (_COST, _TOKENS))
    known = is_present(usd) & (integers(tokens) != 0)
    rows, costs, amounts = rows[known], usd.to_numpy()[known], integers(tokens)[known].astype(np.int64)
    yield _scattered(USD_PER_1K, costs / amounts * 1000, rows, spans.height)
    costs_something = costs > LEAST_USD
    per_cent = amounts[costs_something] / costs[costs_something] / 100
    yield _scattered(PER_CENT, per_cent, rows[costs_something], spans.height)


def _scattered(name: str, values: Integers | Floats, rows: Integers, height: int) -> pl.Series:
    of_row = np.zeros(height, values.dtype)
    of_row[rows] = values
    is_there = np.zeros(height, np.bool_)
    is_there[rows] = True
    return column(name, pl.Float64 if values.dtype == np.float64 else pl.Int64, Items(of_row), is_there)


_MADE = frozenset({CALL, *(column.name for column in ADDED)})
_RESOURCE = frozenset({SERVICE, ENVIRONMENT, RELEASE})
_OF_CALLS = frozenset({PROVIDER, MODEL, RETRIES, TOLD_LATENCY, TOLD_SUCCESS})

SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="provider_health",
    config=Config,
    build=lambda config, context: ProviderHealth(config, context.measurements),
    summary="Scores every model call, and notices providers that do badly",
    reads=lambda _config: _OF_CALLS | _RESOURCE | frozenset(SIGNALS) | {PARAMETERS, "duration_ms", "op"},
    carries=lambda _config: _OF_CALLS | _RESOURCE | {CALL, "duration_ms", "op"},
    adds=(Column(CALL, pl.UInt8, "", "1 call, 2 told of by hand; gone in a whole trace"), *ADDED),
    measures=lambda _config: frozenset({LLM_SCORE.name, LLM_LATENCY.name, LLM_SUCCESS.name}),
)
