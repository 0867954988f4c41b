"""The processor: from a batch of whole traces to those that are kept."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.frames import with_series
from otelbridge.analysis.grouping import Flags, Groups, Integers, as_index, flags, group_rows, integers
from otelbridge.analysis.intervals import Floats
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentSpec, Kind, Processor
from otelbridge.core.outcomes import DropReason
from otelbridge.core.schema import Column
from otelbridge.processors.dynamic_sampling.matching import RuleBook
from otelbridge.processors.dynamic_sampling.quota import Quota
from otelbridge.processors.dynamic_sampling.settings import DEFAULT_RULE, EXAMPLE_RULE, Config
from otelbridge.semconv.trace_state import Thresholds, probability, randomness, read_trace_states, threshold

RULE, RATE, WOULD_KEEP = "sampling.rule", "sampling.rate", "sampling.would_keep"


class RuleCounts(msgspec.Struct, array_like=True):
    """What a rule has done so far, over restarts.

    Attributes:
        matched_traces: traces it decided.
        matched_spans: their spans.
        kept_traces: those of them that were kept, or would have been.
        kept_spans: their spans.
    """

    matched_traces: int = 0
    matched_spans: int = 0
    kept_traces: int = 0
    kept_spans: int = 0


class _State(msgspec.Struct, array_like=True):
    rule_counts: dict[str, RuleCounts]
    budget: bytes


class DynamicSampling(Processor):
    """Keeps or drops whole traces.

    State: the budget (`analysis.budget.EmaBudget`), and the counters.

    Attributes:
        rule_counts: by name of the rule, `default` and `example` last.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._rules = RuleBook(config.rules)
        self._quota = Quota(config.budget) if config.budget else None
        names = [*(rule.name for rule in config.rules), DEFAULT_RULE, EXAMPLE_RULE]
        self._names = pl.Series(names, dtype=pl.String)
        self._keep = np.array([*(rule.keep for rule in config.rules), config.default_keep, 100.0]) / 100
        self._shares_budget = np.array([*(not rule.is_critical for rule in config.rules), True, False])
        self.rule_counts: dict[str, RuleCounts] = {name: RuleCounts() for name in self._names}

    def process(self, batch: Batch) -> Batch:
        """Drops what is sampled out; adds `sampling.rule` and `sampling.rate` to what is kept."""
        if self._quota:
            self._quota.enter(batch.now)
        spans = batch.spans
        traces = group_rows(spans[schema.TRACE_ID])
        rule = self._rules.match(batch, traces)
        before, random = _sampled_before(spans, traces)
        rate = self._keep[rule]
        if self._quota:
            rate = self._within_budget(self._quota, spans, traces, rule, rate, before)
        keeps = random >= threshold(rate)
        self._count(traces, rule, keeps)
        return self._decided(batch, traces, rule, rate, before, keeps)

    def snapshot(self) -> bytes:
        """Budget and counters."""
        return msgspec.msgpack.encode(_State(self.rule_counts, self._quota.budget.snapshot() if self._quota else b""))

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; rules that are gone are forgotten."""
        restored = msgspec.msgpack.decode(state, type=_State)
        self.rule_counts |= {name: c for name, c in restored.rule_counts.items() if name in self.rule_counts}
        if self._quota and restored.budget:
            self._quota.budget.restore(restored.budget)

    def _within_budget(
        self, quota: Quota, spans: pl.DataFrame, traces: Groups, rule: Integers, rate: Floats, before: Floats
    ) -> Floats:
        """The rates, lowered for the rules that share the budget."""
        seen = np.ones(len(traces))
        if before.min(initial=1.0) < 1.0:
            seen[:] = 0.0
            np.maximum.at(seen, traces.of_row, before)  # a trace is here if any of its services kept it
        sharing = np.flatnonzero(self._shares_budget[rule])
        alone = np.minimum(rate, seen)[sharing]
        left = quota.rates(spans, traces, sharing, alone / seen[sharing])
        rate = rate.copy()
        rate[sharing] = alone * left
        return rate

    def _count(self, traces: Groups, rule: Integers, keeps: Flags) -> None:
        spans = np.bincount(traces.of_row, minlength=len(traces))
        columns = [
            np.bincount(rule, weights, minlength=len(self._names)).astype(np.int64).tolist()
            for weights in (None, spans, keeps, spans * keeps)
        ]
        for counts, matched_traces, matched_spans, kept_traces, kept_spans in zip(
            self.rule_counts.values(), *columns, strict=True
        ):
            counts.matched_traces += matched_traces
            counts.matched_spans += matched_spans
            counts.kept_traces += kept_traces
            counts.kept_spans += kept_spans

    def _decided(
        self, batch: Batch, traces: Groups, rule: Integers, rate: Floats, before: Floats, keeps: Flags
    ) -> Batch:
        row_stays = keeps[traces.of_row]
        if self._config.dry_run:
            marks = [self._named(rule[traces.of_row]), pl.Series(RATE, before), pl.Series(WOULD_KEEP, row_stays)]
            return batch.with_spans(with_series(batch.spans, marks))
        if not row_stays.all():
            batch = batch.drop(DropReason.SAMPLED_OUT, pl.Series(~row_stays))
        of_row = traces.of_row[row_stays]
        rates = np.minimum(rate[of_row], before[row_stays])
        return batch.with_spans(with_series(batch.spans, [self._named(rule[of_row]), pl.Series(RATE, rates)]))

    def _named(self, rules: Integers) -> pl.Series:
        return self._names[as_index(rules)].alias(RULE)


def _sampled_before(spans: pl.DataFrame, traces: Groups) -> tuple[Floats, Thresholds]:
    """With which probability each span was kept before it came here, and the randomness of each trace."""
    before = np.ones(spans.height)
    random = randomness(spans[schema.TRACE_ID][as_index(traces.first)])
    states = spans["trace_state"]
    rows = np.flatnonzero(flags(states != ""))
    if len(rows):
        said = read_trace_states(states[as_index(rows)])
        has_threshold, has_randomness = (np.flatnonzero(said[name].is_not_null().to_numpy()) for name in ("th", "rv"))
        before[rows[has_threshold]] = probability(integers(said["th"])[has_threshold])
        first_wins = has_randomness[::-1]
        random[traces.of_row[rows[first_wins]]] = integers(said["rv"])[first_wins]
    return before, random


def _reads(config: Config) -> frozenset[str]:
    return config.columns() | {"is_segment"} if config.budget else config.columns()


SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="dynamic_sampling",
    config=Config,
    build=lambda config, _context: DynamicSampling(config),
    summary="Keeps what matters and a fair sample of the rest, within a budget",
    reads=_reads,
    carries=_reads,
    adds=(
        Column(RULE, pl.String, "", "the sampling rule that decided about the trace"),
        Column(RATE, pl.Float64, "", "probability (0..1) with which the span was kept, sampling in the SDK included"),
        Column(WOULD_KEEP, pl.Boolean, "", "dry_run only: whether the trace would have been kept"),
    ),
    needs_complete_traces=True,
)
