"""The component: marks calls span by span, scores them in whole traces, and notices providers that do badly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import polars as pl

from otelbridge.analysis.grouping import as_index
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentSpec, Kind, Processor
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import ENVIRONMENT, RELEASE, SERVICE, measured
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
from otelbridge.semconv.providers import model_family

SCORE = "otelbridge.provider.score"
USD_PER_1K = "otelbridge.cost.usd_per_1k"
PER_CENT = "otelbridge.cost.usage_per_cent"
_COST, _TOKENS = "otelbridge.cost.usd", "gen_ai.usage.total_tokens"  # by llm_cost, where it stands before

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
        return batch.with_columns(mark(batch.spans), models(batch.spans))

    def process_traces(self, batch: Batch) -> Batch:
        """Adds ADDED instead of `llm.is_call`, findings about providers, and measurements."""
        calls = counted(batch.spans)
        spans = batch.spans.drop(CALL)
        nothing = [pl.Series(column.name, [None], column.dtype).new_from_index(0, spans.height) for column in ADDED]
        if calls is None:
            return batch.with_spans(spans.with_columns(nothing))
        told = calls.told.with_columns(_scores(self._config, calls.told))
        shown = [told[SCORE], *_worth(spans, calls)]
        index = as_index(calls.rows)
        batch = batch.with_spans(
            spans.with_columns(none.scatter(index, values) for none, values in zip(nothing, shown, strict=True))
        )
        findings = list(self._findings(told, batch.now))
        self._events.update(calls=told.height, findings=sum(finding.state == "raised" for finding in findings))
        return self._measured(batch.add_findings(findings), told)

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

    def _measured(self, batch: Batch, told: pl.DataFrame) -> Batch:
        for kind, value in ((LLM_SCORE, SCORE), (LLM_LATENCY, "latency_ms"), (LLM_SUCCESS, "succeeded")):
            if kind.name in self._watched:
                batch = batch.add_measurements(kind.name, measured(kind, told, pl.col(value)))
        return batch

    def _findings(self, told: pl.DataFrame, now: float) -> Iterator[Finding]:
        """In the order in which the calls ended, whatever the order of the rows."""
        for call in told.sort("end_ns", schema.TRACE_ID, schema.SPAN_ID).iter_rows(named=True):
            if call[MODEL] is None:
                continue  # some instrumentations leave it out when a call fails: its series would be failures alone
            key = (call[ENVIRONMENT] or "", call[PROVIDER] or "", model_family(call[MODEL]))
            series, change = self._rolling.add(key, call[SCORE])
            if change is not None:
                yield self._finding(key, series, change, call, now)

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


def _scores(config: Config, told: pl.DataFrame) -> pl.Series:
    calls = told.select("succeeded", "latency_ms", RETRIES).iter_rows()
    scores = [
        config.score(succeeded=succeeded, latency_ms=ms, retries=retries or 0) for succeeded, ms, retries in calls
    ]
    return pl.Series(SCORE, scores, pl.Int64)


def _worth(spans: pl.DataFrame, calls: Calls) -> tuple[pl.Series, pl.Series]:
    """What the tokens of each call cost, and how many a cent buys; null where the cost is unknown."""
    per_1k: list[float | None] = [None] * len(calls.rows)
    per_cent: list[float | None] = [None] * len(calls.rows)
    if _COST in spans.columns:
        billed = spans.select(_COST, _TOKENS)[as_index(calls.rows)].iter_rows()
        for place, (usd, tokens) in enumerate(billed):
            if usd is not None and tokens:
                per_1k[place] = usd / tokens * 1000
                per_cent[place] = tokens / usd / 100 if usd > LEAST_USD else None
    return pl.Series(per_1k, dtype=pl.Float64), pl.Series(per_cent, dtype=pl.Float64)


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
