"""Traces to sample, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otelbridge.core.batch import Batch
from otelbridge.core.findings import Finding, State
from otelbridge.processors.dynamic_sampling import SPEC, Config, DynamicSampling
from tests.processors.frames import NOW, batch_of
from tests.support.otlp import SpanTree, query, request, span, trace_id


def server(*children: SpanTree, route: str = "/", **fields: Any) -> SpanTree:
    attributes = {"http.request.method": "GET", "http.route": route}
    return span(f"GET {route}", *children, kind="server", attributes=attributes, **fields)


def slow_query(ms: float = 600) -> SpanTree:
    return query("SELECT * FROM users", ms=ms)


def batch(config: Config, traces: Mapping[int, Iterable[SpanTree]], now: float = NOW) -> Batch:
    """One batch of these traces, by number."""
    bodies = [request(*trees, trace=number) for number, trees in traces.items()]
    return batch_of(*bodies, spec=SPEC, config=config, now=now)


def decided(
    config: Config, traces: Mapping[int, Iterable[SpanTree]], *findings: Finding
) -> dict[int, tuple[str, float]]:
    """Number of each kept trace -> the rule and the rate that kept it, the same on all its spans."""
    out = DynamicSampling(config).process(batch(config, traces).add_findings(findings))
    return decisions(out)


def decisions(out: Batch) -> dict[int, tuple[str, float]]:
    kept = out.spans.select("trace_id", "sampling.rule", "sampling.rate").unique()
    found = {trace: (rule, rate) for trace, rule, rate in kept.iter_rows()}
    assert len(found) == kept.height
    return {number(trace): decision for trace, decision in found.items()}


_NUMBERS = {int.from_bytes(trace_id(n), "big"): n for n in range(20_000)}


def number(trace: int) -> int:
    return _NUMBERS[trace]


def finding(kind: str, trace: int, state: State = "once") -> Finding:
    return Finding(kind, "warning", "", (), NOW, trace_id=int.from_bytes(trace_id(trace), "big"), state=state)
