"""How long a reader waits for the first token of a streamed answer.

The time is taken from attributes, in any of the names and units that instrumentations have for it. OpenInference and
OpenLLMetry tell it by an event alone: of spans that are marked as streamed, or hold the name of that event, the bytes
as received are read.

It is counted once a call: where an SDK's outer span, the call and a second instrumentation all tell it, the innermost
one counts, and the others show none. That one need not be the span that is billed, which may tell no time. With
`llm_cost` before it, a late span that repeats a billed call is left out; without, it is counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from otelbridge.analysis.frames import with_series
from otelbridge.analysis.grouping import Flags, Integers, as_index, distinct, distinct_rows, flags, taken
from otelbridge.analysis.intervals import Floats
from otelbridge.analysis.nested_calls import are_calls
from otelbridge.core import schema
from otelbridge.core.arrays import Items, column, is_present, items, nulls
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind, Processor
from otelbridge.core.findings import Breadcrumb
from otelbridge.core.measurements import ENVIRONMENT, RELEASE, measured
from otelbridge.core.schema import Column
from otelbridge.otlp.events import first_event_ms
from otelbridge.semconv.measurements import LLM_TTFT
from otelbridge.semconv.providers import provider_of_call

TTFT = "ai.ttft_ms"
QUALITY = "ai.ttft_quality"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
STREAMED = "gen_ai.request.stream"
COST_STATUS = "otelbridge.cost.status"  # by llm_cost, where it stands before
COVERED = "covered"
OPENINFERENCE = "openinference.span.kind"
OPENINFERENCE_EVENT = "First Token Stream Event"
FIRST_CHUNK_EVENTS = frozenset(
    {OPENINFERENCE_EVENT, "ai.stream.firstChunk", "gen_ai.content.completion.chunk", "llm.content.completion.chunk"}
)
"""Of OpenInference, the Vercel AI SDK and OpenLLMetry, which has one for each chunk."""
MAX_BREADCRUMBS_PER_TRACE = 20  # Sentry shows 100 for a transaction; other components have something to say too

QUALITIES = ("excellent", "good", "acceptable", "poor")


class TtftConfig(ComponentConfig):
    """Say how soon the first token of a streamed answer came, and how good that is."""

    excellent_below_ms: float = Field(default=500.0, gt=0)
    """Sooner is `excellent`."""

    good_below_ms: float = Field(default=1000.0, gt=0)
    """Sooner is `good`."""

    acceptable_below_ms: float = Field(default=2000.0, gt=0)
    """Sooner is `acceptable`; anything later is `poor`, and its breadcrumb a warning."""

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not self.excellent_below_ms <= self.good_below_ms <= self.acceptable_below_ms:
            raise ValueError("excellent_below_ms, good_below_ms and acceptable_below_ms must ascend")
        return self

    @property
    def bounds(self) -> tuple[float, float, float]:
        """What separates one of QUALITIES from the next."""
        return self.excellent_below_ms, self.good_below_ms, self.acceptable_below_ms


class Ttft(Processor):
    """Time to the first token, and its quality, on one span a streamed call; has no state."""

    def __init__(self, config: TtftConfig, watched: frozenset[str] = frozenset()) -> None:
        self._config = config
        self._is_watched = LLM_TTFT.name in watched

    def process(self, batch: Batch) -> Batch:
        """Takes the time from events too, and away from spans that say they are not streamed."""
        spans = _with_event_times(batch.spans)
        if spans[TTFT].null_count() == spans.height:
            return batch
        is_streamed = pl.col(TTFT).is_finite() & pl.col(STREAMED).ne_missing(other=False)
        return batch.with_spans(spans.with_columns(pl.when(is_streamed).then(TTFT).alias(TTFT)))

    def process_traces(self, batch: Batch) -> Batch:
        """Leaves the time on one span a call, adds its quality, and the measurement `llm.ttft`."""
        spans = batch.spans
        if spans[TTFT].null_count() == spans.height:
            return batch.with_spans(with_series(spans, [nulls(QUALITY, pl.String, spans.height)]))
        rows = np.flatnonzero(is_present(spans[TTFT]))
        names, asked = _providers(spans, rows)
        is_counted = _are_counted(spans, rows, asked)
        rows = rows[is_counted]
        times = spans[TTFT].to_numpy()[rows]
        batch = batch.with_spans(with_series(spans, self._shown(spans.height, rows, times)))
        if self._is_watched:
            provider = {PROVIDER: names[as_index(asked[is_counted])]}
            batch = batch.add_measurements(LLM_TTFT.name, measured(LLM_TTFT, spans, rows, times, provider))
        return batch

    def _shown(self, height: int, rows: Integers, times: Floats) -> Iterator[pl.Series]:
        """The columns TTFT and QUALITY, on these rows alone."""
        time, is_counted = np.zeros(height), np.zeros(height, np.bool_)
        time[rows], is_counted[rows] = times, True
        yield column(TTFT, pl.Float64, Items(time), is_counted)
        words = items(pl.Series(QUALITIES, dtype=pl.String))
        quality = np.zeros(height, words.values.dtype)
        quality[rows] = words.values[np.searchsorted(self._config.bounds, times, side="right")]
        yield column(QUALITY, pl.String, Items(quality, words.texts), is_counted)

    def breadcrumbs(self, kept: pl.DataFrame) -> Iterable[Breadcrumb]:
        """One for each counted call, the slowest of a trace first."""
        if kept[QUALITY].null_count() == kept.height:
            return
        told = kept.filter(pl.col(QUALITY).is_not_null()).sort(schema.TRACE_ID, pl.col(TTFT).neg())
        told = told.filter(pl.int_range(pl.len()).over(schema.TRACE_ID) < MAX_BREADCRUMBS_PER_TRACE)
        columns = (schema.TRACE_ID, schema.SPAN_ID, "start_ns", TTFT, QUALITY, MODEL)
        for trace_id, span_id, start_ns, ttft_ms, quality, model in told.select(columns).iter_rows():
            yield Breadcrumb(
                trace_id=trace_id,
                span_id=span_id,
                time=start_ns / 1e9 + ttft_ms / 1e3,
                category="ai.streaming",
                message=f"First token: {ttft_ms:.0f}ms ({quality})",
                level="warning" if quality == "poor" else "info",
                data={"ttft_ms": round(ttft_ms, 1), "quality": quality, "model": model},
            )


def _with_event_times(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans with a time also where only an event tells it."""
    candidates = []
    if spans[STREAMED].null_count() < spans.height:
        candidates.append(np.flatnonzero(flags(spans[STREAMED])))
    if spans[OPENINFERENCE].null_count() < spans.height:
        candidates.append(_with_openinference_event(spans))
    if not candidates:
        return spans
    rows = np.unique(np.concatenate(candidates))
    rows = rows[flags(spans[TTFT][as_index(rows)].is_null())]
    if not rows.size:
        return spans
    times = [first_event_ms(raw, FIRST_CHUNK_EVENTS) for raw in spans[schema.RAW][as_index(rows)].to_list()]
    return spans.with_columns(spans[TTFT].clone().scatter(as_index(rows), times))


def _with_openinference_event(spans: pl.DataFrame) -> Integers:
    """OpenInference has no mark for calls that are streamed."""
    rows = np.flatnonzero(spans[OPENINFERENCE].is_not_null().to_numpy())
    return rows[flags(spans[schema.RAW][as_index(rows)].bin.contains(OPENINFERENCE_EVENT.encode()))]


def _providers(spans: pl.DataFrame, rows: Integers) -> tuple[pl.Series, Integers]:
    """Names of providers (String, each once), and which of them each of these calls asked."""
    told, told_by = distinct_rows(taken(spans, (PROVIDER, MODEL), rows))
    names, places = distinct(provider_of_call(*one) for one in told)
    return pl.Series(names, dtype=pl.String), places[told_by]


def _are_counted(spans: pl.DataFrame, rows: Integers, providers: Integers) -> Flags:
    """Whether each of these spans is the one whose time counts."""
    are_counted = are_calls(spans, rows, providers)
    if COST_STATUS not in spans.columns:
        return are_counted
    is_covered = flags(spans[COST_STATUS][as_index(rows)] == COVERED)
    if is_covered.any():
        # In a trace that has, among these spans, no call that covers it, it repeats a call that came before.
        calls = spans.filter(pl.col(COST_STATUS).is_in(["priced", "reported", "unknown_model", "no_usage"]))
        traces = set(calls[schema.TRACE_ID].to_list())
        has_call = [trace_id in traces for trace_id in spans[schema.TRACE_ID][as_index(rows)].to_list()]
        are_counted &= ~is_covered | np.array(has_call, np.bool_)
    return are_counted


_CARRIES = frozenset({"op", TTFT, PROVIDER, MODEL, ENVIRONMENT, RELEASE})
READS = _CARRIES | {STREAMED, OPENINFERENCE}

SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="ttft",
    config=TtftConfig,
    build=lambda config, context: Ttft(config, context.measurements),
    summary="Says how soon the first token of each streamed answer came",
    reads=lambda _config: READS,
    carries=lambda _config: _CARRIES,
    adds=(
        Column(TTFT, pl.Float64, "ms", "time to the first token; on one span a streamed call"),
        Column(QUALITY, pl.String, "", "excellent, good, acceptable or poor"),
    ),
    measures=lambda _config: frozenset({LLM_TTFT.name}),
)
