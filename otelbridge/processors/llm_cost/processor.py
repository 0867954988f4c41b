"""The component: describes spans one by one, bills whole traces, notices users who cost too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.grouping import as_index
from otelbridge.analysis.prices import PriceBook
from otelbridge.core import schema
from otelbridge.core.arrays import is_present
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentSpec, Kind, Processor
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Breadcrumb, Finding
from otelbridge.core.measurements import measured
from otelbridge.processors.llm_cost.arrays import NOWHERE, Rows
from otelbridge.processors.llm_cost.billing import OWNER_COLUMNS, Bill, Biller
from otelbridge.processors.llm_cost.calls import READS, CallReader
from otelbridge.processors.llm_cost.journal import WHOLE, Journals
from otelbridge.processors.llm_cost.records import CALL, CALL_COLUMNS, ROLE, described
from otelbridge.processors.llm_cost.settings import Config
from otelbridge.processors.llm_cost.shown import COLUMNS, COST, PROJECT, STATUSES, show, show_nothing, statuses
from otelbridge.processors.llm_cost.spending import Excess, Spending, Total
from otelbridge.semconv.measurements import LLM_COST, LLM_TOKENS

NANOSECONDS_PER_DAY = 86_400_000_000_000
SECONDS_PER_DAY = 86_400


class _State(msgspec.Struct, array_like=True):
    """What survives a restart."""

    totals: list[tuple[str, int, Total]]
    forgotten_users: int
    billed_traces: list[bytes]
    events: dict[str, int]


class LlmCost(Processor):
    """Bills model calls.

    State: sums by user and day (`spending`), what was billed lately (`billed_traces`), counters.
    """

    def __init__(self, config: Config, watched: frozenset[str] = frozenset()) -> None:
        self._config = config
        self._watched = watched
        prices = PriceBook([price.own_price() for price in config.prices])
        self._reader = CallReader(prices, prefer_reported=config.prefer_reported)
        self._biller = Biller(config.remembered_traces)
        self._spending = Spending(config.user_day_limit_usd, config.remembered_users)
        self._events: Counter[str] = Counter()
        self._journals = Journals(self._biller.billed_traces, self._spending)

    @property
    def counters(self) -> Mapping[str, int]:
        """Spans of calls by cost status (each call has one that is not `covered`), `findings`, `forgotten_users`."""
        return {**self._events, "forgotten_users": self._spending.forgotten}

    def process(self, batch: Batch) -> Batch:
        """Adds `llm.role` and `llm.call`, for process_traces."""
        return batch.with_spans(self._reader.describe(batch.spans))

    def process_traces(self, batch: Batch) -> Batch:
        """Adds shown.COLUMNS instead of `llm.role` and `llm.call`, findings about users, and measurements."""
        spans = batch.spans
        told = described(spans)
        if told is None:
            return batch.with_spans(show_nothing(spans))
        bill = self._biller.bill(spans, told)
        self._count(statuses(told, bill))
        billed = show(spans, told, bill)
        findings = list(self._findings(billed, bill, batch.now))
        self._events.update(findings=len(findings))
        return self._measured(batch.with_spans(billed).add_findings(findings))

    def _measured(self, batch: Batch) -> Batch:
        spans = batch.spans
        for kind, name in ((LLM_COST, COST), (LLM_TOKENS, "gen_ai.usage.total_tokens")):
            if kind.name in self._watched and (column := spans[name]).null_count() < spans.height:
                rows = np.flatnonzero(is_present(column))
                values = column[as_index(rows)].to_numpy().astype(np.float64)
                project = {"project.id": spans[PROJECT][as_index(rows)]}
                batch = batch.add_measurements(kind.name, measured(kind, spans, rows, values, project))
        return batch

    def breadcrumbs(self, kept: pl.DataFrame) -> Iterable[Breadcrumb]:
        """One for each call above `expensive_call_usd`."""
        columns = (schema.TRACE_ID, schema.SPAN_ID, "end_ns", COST, "gen_ai.request.model", "gen_ai.usage.total_tokens")
        expensive = kept.filter(pl.col(COST) > self._config.expensive_call_usd).select(columns)
        for trace_id, span_id, end_ns, usd, model, total in expensive.iter_rows():
            yield Breadcrumb(
                trace_id=trace_id,
                span_id=span_id,
                time=end_ns / 1e9,
                category="ai.cost",
                message=f"High cost request: ${usd:.3f} ({model or 'unknown model'})",
                level="warning",
                data={"model": model, "usd": round(usd, 6), "usage": total},
            )

    def snapshot(self) -> bytes:
        """Sums by user and day, what was billed lately, and counts."""
        state = _State(
            self._spending.save(), self._spending.forgotten, self._biller.billed_traces.save(), dict(self._events)
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
            self._biller.billed_traces.load(saved.billed_traces)
        except (msgspec.MsgspecError, pl.exceptions.PolarsError) as error:
            raise StateUnreadable(f"llm_cost: {error}") from error
        self._spending.load(saved.totals, saved.forgotten_users)
        self._events = Counter(saved.events)
        self._journals.take_over()

    def changes(self) -> Mapping[str, bytes | None]:
        """What was billed since the last call, or all in one; see `journal`."""
        parts = self._journals.next(self._events)
        return self._journals.whole(self.snapshot()) if parts is None else parts

    def restore_parts(self, parts: Mapping[str, bytes]) -> None:
        """Take over all parts; raises StateUnreadable."""
        if WHOLE in parts:
            self.restore(parts[WHOLE])
        events = self._journals.restore(parts)
        self._events = Counter(events or self._events)

    def _count(self, places: Rows) -> None:
        counts = np.bincount(places[places != NOWHERE], minlength=len(STATUSES)).tolist()
        self._events.update(
            {status: n for status, n in zip(STATUSES, counts, strict=True) if n and status != "aggregate"}
        )

    def _findings(self, spans: pl.DataFrame, bill: Bill, now: float) -> Iterator[Finding]:
        costs_something = np.flatnonzero(~np.isnan(bill.usd))
        rows = bill.rows[costs_something]
        users = bill.owners["user"][costs_something].to_list()
        days = (spans["end_ns"].to_numpy()[rows] // NANOSECONDS_PER_DAY).tolist()
        usd = bill.usd[costs_something].tolist()
        self._journals.note(users, days, usd)
        for excess in self._spending.add(users, days, usd):
            yield self._finding(excess, spans.row(int(rows[excess.row]), named=True), now)

    def _finding(self, excess: Excess, call: dict[str, Any], now: float) -> Finding:
        day = datetime.fromtimestamp(excess.day * SECONDS_PER_DAY, UTC).date().isoformat()
        return Finding(
            kind="llm_cost",
            level="warning",
            title="The model calls of one user cost more in a day than the limit",
            key=(excess.user,),
            time=now,
            tags={"user": excess.user, "day": day, "provider": call["gen_ai.provider.name"] or ""},
            contexts={
                "llm_cost": {
                    "user": excess.user,
                    "day": day,
                    "usd": round(excess.usd, 6),
                    "limit_usd": self._config.user_day_limit_usd,
                    "calls": excess.calls,
                    "project": call[PROJECT],
                    "conversation": call["gen_ai.conversation.id"],
                    "model": call["gen_ai.request.model"],
                }
            },
            trace_id=call[schema.TRACE_ID],
            span_id=call[schema.SPAN_ID],
            service=call["service"] or "",
            environment=call["environment"] or "",
            release=call["release"] or "",
        )


_RESOURCE = frozenset({"service", "service.namespace", "environment", "release"})

SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="llm_cost",
    config=Config,
    build=lambda config, context: LlmCost(config, context.measurements),
    summary="What each model call costs, billed once, by user and project",
    reads=lambda _config: READS | frozenset(OWNER_COLUMNS.values()) | _RESOURCE | {"op"},
    carries=lambda _config: frozenset({ROLE, CALL, "op", *OWNER_COLUMNS.values()}) | _RESOURCE,
    adds=(*CALL_COLUMNS, *COLUMNS),
    measures=lambda _config: frozenset({LLM_COST.name, LLM_TOKENS.name}),
)
