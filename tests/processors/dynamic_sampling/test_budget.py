"""A budget: quota met, rare kept, the same however traffic is cut."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelbridge.core.batch import Batch
from otelbridge.processors.dynamic_sampling import Config, DynamicSampling
from tests.processors.dynamic_sampling.traces import batch, decisions, server, slow_query
from tests.support.otlp import SpanTree, span

START = 1_790_000_010.0  # a multiple of 15


def config(default_keep: float = 100, rules: tuple[dict[str, Any], ...] = (), **budget: Any) -> Config:
    return Config.model_validate({"rules": rules, "default_keep": default_keep, "budget": budget})


def traffic(interval: int, **traces_of: int) -> dict[int, list[SpanTree]]:
    """Traces of one span by route, with ids of their own in every interval."""
    routes = [route for route, count in traces_of.items() for _ in range(count)]
    return {interval * 1000 + n: [server(route=f"/{route}")] for n, route in enumerate(routes)}


def run(
    settings: Config, intervals: int, sampler: DynamicSampling | None = None, **traces_of: int
) -> list[Counter[str]]:
    """Kept traces by route, interval after interval."""
    sampler = sampler or DynamicSampling(settings)
    kept = []
    for interval in range(intervals):
        out = sampler.process(batch(settings, traffic(interval, **traces_of), START + 15 * interval))
        kept.append(Counter(name.removeprefix("GET /") for name in out.spans["name"]))
    return kept


def rates(out: Batch) -> set[float]:
    return {round(rate, 9) for _, rate in decisions(out).values()}


def test_a_quota_is_met_and_the_rare_stay_visible() -> None:
    settings = config(traces_per_minute=400)  # 100 an interval
    kept = run(settings, 12, chat=600, history=200, login=20, admin=2)[2:]
    assert sum(map(Counter.total, kept)) / len(kept) == pytest.approx(100, rel=0.1)
    for route, least in (("chat", 30), ("history", 20), ("login", 10), ("admin", 2)):
        assert sum(one[route] for one in kept) / len(kept) >= least


def test_traffic_within_the_budget_is_left_alone() -> None:
    assert run(config(traces_per_minute=4000), 3, chat=100) == [Counter(chat=100)] * 3


def test_a_budget_of_spans_weighs_traces_by_their_spans() -> None:
    settings = config(spans_per_minute=400)
    sampler = DynamicSampling(settings)
    kept = []
    for interval in range(6):
        traces = {interval * 1000 + n: [server(*(span("a") for _ in range(9)))] for n in range(100)}
        kept.append(sampler.process(batch(settings, traces, START + 15 * interval)).spans.height)
    assert sum(kept[1:]) / 5 == pytest.approx(100, rel=0.2)


def test_the_budget_lowers_what_the_rules_leave() -> None:
    settings = config(default_keep=50, traces_per_minute=200)
    sampler = DynamicSampling(settings)
    for interval in range(2):
        out = sampler.process(batch(settings, traffic(interval, chat=400), START + 15 * interval))
    assert rates(out) == {round(0.5 * 50 / 200, 9)}


def test_critical_rules_are_no_part_of_it() -> None:
    rule = {"name": "slow", "any_span": "duration_ms > 500", "keep": 100}
    settings = config(rules=(rule,), traces_per_minute=40)
    sampler = DynamicSampling(settings)
    for interval in range(3):
        traces = {interval * 1000 + n: [server(slow_query())] for n in range(100)}
        traces |= {interval * 1000 + 500 + n: [server()] for n in range(100)}
        out = sampler.process(batch(settings, traces, START + 15 * interval))
        by_rule = Counter(rule for rule, _ in decisions(out).values())
    assert by_rule["slow"] == 100
    assert 2 <= by_rule["default"] <= 20


def test_sampling_in_the_sdk_counts_as_what_is_left() -> None:
    """Traces that an SDK has cut to a quarter need no second cut to a quarter."""
    settings = config(default_keep=25, traces_per_minute=400)
    sampler = DynamicSampling(settings)
    for interval in range(3):
        everything = {interval * 1000 + n: [server(trace_state="ot=th:c")] for n in range(400)}
        out = sampler.process(batch(settings, everything, START + 15 * interval))
    assert rates(out) == {0.25 * 100 / 400}


def test_other_keys_may_be_asked_for() -> None:
    settings = config(traces_per_minute=400, key=["service"])
    kept = run(settings, 8, chat=600, admin=10)[2:]
    assert sum(map(Counter.total, kept)) / len(kept) == pytest.approx(100, rel=0.15)
    assert sum(one["admin"] for one in kept) / len(kept) < 5


def test_the_root_of_a_trace_gives_its_key() -> None:
    settings = config(traces_per_minute=400, key=["http.route"])
    sampler = DynamicSampling(settings)
    for interval in range(3):
        inner = server(route="/inner", flags=0x301, start_ms=-50)
        traces = {interval * 1000 + n: [server(inner, route="/outer")] for n in range(400)}
        traces |= {interval * 1000 + 500 + n: [server(route="/inner")] for n in range(5)}
        out = sampler.process(batch(settings, traces, START + 15 * interval))
    assert rates(out) == {1.0, 95 / 400}


def cut(settings: Config, sampler: DynamicSampling, cuts: list[int]) -> list[Batch]:
    """Three intervals of traffic through a sampler, the traces of each cut into batches at `cuts`."""
    out = []
    for interval in range(3):
        traces = list(traffic(interval, a=30, b=9, c=3, d=1).items())
        for begin, end in pairwise([0, *sorted(set(cuts)), len(traces)]):
            out.append(sampler.process(batch(settings, dict(traces[begin:end]), START + 15 * interval + begin / 10)))
    return out


def kept(batches: list[Batch]) -> dict[int, tuple[str, float]]:
    return {trace: decision for out in batches for trace, decision in decisions(out).items()}


SMALL = config(default_keep=60, spans_per_minute=40, max_keys=3, initial_keep=50)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 42), max_size=5))
def test_how_traces_are_cut_into_batches_does_not_matter(cuts: list[int]) -> None:
    whole, parts = DynamicSampling(SMALL), DynamicSampling(SMALL)
    assert kept(cut(SMALL, whole, [])) == kept(cut(SMALL, parts, cuts))
    assert whole.snapshot() == parts.snapshot()


@given(st.integers(0, 8))
def test_a_restart_changes_nothing(restart_after: int) -> None:
    settings = config(default_keep=60, spans_per_minute=40, max_keys=3)
    uninterrupted, restarted = DynamicSampling(settings), DynamicSampling(settings)
    steps = [(interval, part) for interval in range(3) for part in range(3)]
    for step, (interval, part) in enumerate(steps):
        traces = list(traffic(interval, a=30, b=9, c=3, d=1).items())[part * 15 : part * 15 + 15]
        outs = [
            sampler.process(batch(settings, dict(traces), START + 15 * interval + part))
            for sampler in (uninterrupted, restarted)
        ]
        assert decisions(outs[0]) == decisions(outs[1])
        if step == restart_after:
            state = restarted.snapshot()
            restarted = DynamicSampling(settings)
            restarted.restore(state)
    assert uninterrupted.snapshot() == restarted.snapshot()


def test_another_interval_length_does_not_stop_the_clock() -> None:
    short = config(traces_per_minute=40, interval_seconds=1)
    sampler = DynamicSampling(short)
    run(short, 2, sampler, chat=300)
    longer = config(traces_per_minute=40, interval_seconds=60)
    restarted = DynamicSampling(longer)
    restarted.restore(sampler.snapshot())
    out = restarted.process(batch(longer, traffic(5, chat=400), START + 600))
    out = restarted.process(batch(longer, traffic(6, chat=400), START + 660))
    assert out.spans.height == pytest.approx(40, abs=15)
