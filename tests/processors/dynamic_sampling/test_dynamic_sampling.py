from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from otelbridge.core.findings import State
from otelbridge.core.outcomes import DropReason
from otelbridge.core.schema import DERIVED_COLUMNS, WIRE_COLUMNS
from otelbridge.processors.dynamic_sampling import SPEC, Config, DynamicSampling, Rule, RuleCounts
from otelbridge.semconv.concepts import CONCEPTS
from tests.processors.dynamic_sampling.traces import batch, decided, decisions, finding, server, slow_query
from tests.support.otlp import SpanTree, span


def rule(name: str, keep: float = 100, **criteria: Any) -> dict[str, Any]:
    return {"name": name, "keep": keep, **criteria}


def config(*rules: dict[str, Any], default_keep: float = 0, **settings: Any) -> Config:
    return Config.model_validate({"rules": rules, "default_keep": default_keep, **settings})


# rules


def test_the_first_rule_about_a_trace_decides() -> None:
    first = rule("slow", any_span="duration_ms > 500")
    second = rule("errors", any_span="status = 'error'")
    trace = {1: [server(slow_query(), status=2)]}
    assert decided(config(first, second), trace) == {1: ("slow", 1.0)}
    assert decided(config(second, first), trace) == {1: ("errors", 1.0)}


def test_a_rule_that_keeps_nothing_shields_from_those_behind_it() -> None:
    rules = rule("health", keep=0, any_span="http.route = '/healthz'"), rule("all")
    assert decided(config(*rules), {1: [server(route="/healthz")], 2: [server()]}) == {2: ("all", 1.0)}


def test_what_no_rule_is_about_falls_under_the_default() -> None:
    assert decided(config(rule("errors", any_span="status = 'error'"), default_keep=100), {1: [server()]}) == {
        1: ("default", 1.0)
    }


def test_all_spans_of_a_trace_share_the_decision() -> None:
    settings = config(rule("slow", any_span="duration_ms > 500"))
    out = DynamicSampling(settings).process(batch(settings, {1: [server(slow_query(), span("a"))], 2: [server()]}))
    assert out.spans.height == 3
    assert out.dropped == {DropReason.SAMPLED_OUT: 1}


def test_any_span_may_be_met_by_different_spans() -> None:
    settings = config(rule("both", any_span=["op = 'db'", "duration_ms > 500"]))
    assert decided(settings, {1: [server(slow_query(ms=1), ms=600)], 2: [server(slow_query(ms=1))]}) == {
        1: ("both", 1.0)
    }


def test_same_span_must_be_met_by_one() -> None:
    settings = config(rule("slow query", same_span=["op = 'db'", "duration_ms > 500"]))
    traces = {1: [server(slow_query(ms=1), ms=600)], 2: [server(slow_query(ms=600))]}
    assert decided(settings, traces) == {2: ("slow query", 1.0)}


def test_all_criteria_of_a_rule_must_be_met() -> None:
    settings = config(rule("x", any_span="status = 'error'", same_span=["op = 'db'"], has_finding="any"))
    trace = [server(slow_query(), status=2)]
    assert decided(settings, {1: trace, 2: trace}, finding("n_plus_one", 2)) == {2: ("x", 1.0)}


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("any", {1, 2}),
        ("n_plus_one", {1}),
        (["n_plus_one", "cascade"], {1}),
        (["slow", "n_plus_one"], {1, 2}),
        ("x", set()),
    ],
)
def test_a_finding_keeps_its_example(wanted: str | list[str], kept: set[int]) -> None:
    settings = config(rule("found", has_finding=wanted))
    traces = {n: [server()] for n in (1, 2, 3)}
    found = decided(settings, traces, finding("n_plus_one", 1), finding("slow", 2), finding("n_plus_one", 99))
    assert found.keys() == kept


@pytest.mark.parametrize("state", ["raised", "updated"])
def test_the_example_of_a_finding_that_lasts_is_kept_whatever_the_rules_say(state: State) -> None:
    settings = config(rule("health", keep=0, any_span="http.route = '/healthz'"), budget={"spans_per_minute": 0.001})
    traces = {n: [server(route="/healthz")] for n in (1, 2)} | {3: [server()]}
    found = decided(settings, traces, finding("degradation", 1, state), finding("cascade", 3, state))
    assert found == {1: ("example", 1.0), 3: ("example", 1.0)}


def test_who_keeps_an_example_anyway_says_so() -> None:
    settings = config(rule("slow", any_span="duration_ms > 500"), rule("found", has_finding="any"))
    found = decided(
        settings, {1: [server(slow_query())], 2: [server()]}, finding("x", 1, "raised"), finding("x", 2, "raised")
    )
    assert found == {1: ("slow", 1.0), 2: ("found", 1.0)}


def test_neither_the_end_of_a_finding_nor_one_about_the_trace_alone_keeps_it() -> None:
    settings = config(rule("health", keep=0, any_span="http.route = '/healthz'"))
    traces = {n: [server(route="/healthz")] for n in (1, 2)}
    assert decided(settings, traces, finding("degradation", 1, "resolved"), finding("n_plus_one", 2)) == {}


def test_a_condition_on_a_missing_value_does_not_hold() -> None:
    settings = config(rule("x", any_span="http.route = '/' OR http.route <> '/'"))
    assert decided(settings, {1: [span("a")], 2: [server()]}).keys() == {2}


def test_attributes_without_a_column_can_be_asked_for() -> None:
    settings = config(rule("vip", any_span="attribute('customer.tier') = 'gold'"))
    assert SPEC.reads(settings) == {"attribute:customer.tier"}
    frame = batch(settings, {1: [server()], 2: [server()]})
    tier = pl.Series("attribute:customer.tier", ["gold", None])
    assert decisions(DynamicSampling(settings).process(frame.with_columns(tier))).keys() == {1}


def test_a_column_that_its_maker_failed_to_make_is_unknown() -> None:
    settings = config(rule("x", any_span="never.made = 1"), rule("all"))
    assert decided(settings, {1: [server()]}) == {1: ("all", 1.0)}


DEFAULTS: dict[str, list[SpanTree]] = {
    "errors": [server(span("a", status=2))],
    "slow_queries": [server(slow_query())],
    "mcp": [server(span("tools/call x", attributes={"mcp.method.name": "tools/call"}))],
    "llm": [server(span("chat", attributes={"gen_ai.request.model": "gpt-4o"}))],
    "streaming": [span("ai.stream_response", attributes={"sentry.op": "ai.streaming"})],
    "workflows": [span("workflow.execution", attributes={"sentry.op": "workflow.run"})],
    "queries": [server(slow_query(ms=5))],
    "analysis": [span("ai.provider_comparison", attributes={"sentry.op": "ai.analysis"})],
    "default": [server()],
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_rules_tell_apart_what_traces_are_about(name: str) -> None:
    defaults = Config(dry_run=True)
    out = DynamicSampling(defaults).process(batch(defaults, {1: DEFAULTS[name]}))
    assert out.spans["sampling.rule"].unique().to_list() == [name]


# rates


def share_kept(settings: Config, traces: int = 4000) -> float:
    return len(decided(settings, {n: [span("a")] for n in range(traces)})) / traces


@pytest.mark.parametrize("percent", [0, 100])
def test_nothing_and_everything_are_exact(percent: float) -> None:
    assert share_kept(config(default_keep=percent), 500) == percent / 100


@pytest.mark.parametrize("percent", [1, 10, 50, 99.5])
def test_about_the_percentage_is_kept(percent: float) -> None:
    assert share_kept(config(default_keep=percent)) == pytest.approx(percent / 100, abs=0.01)


def test_the_rate_is_on_every_kept_span() -> None:
    assert set(decided(config(default_keep=25), {n: [span("a")] for n in range(100)}).values()) == {("default", 0.25)}


def test_services_and_daemons_keep_the_same_traces() -> None:
    here = decided(config(default_keep=20), {n: [server()] for n in range(500)})
    there = decided(config(rule("other", keep=20)), {n: [span("b", slow_query())] for n in range(500)})
    assert here.keys() == there.keys()


def test_who_keeps_more_keeps_what_others_keep() -> None:
    traces = {n: [server()] for n in range(500)}
    assert decided(config(default_keep=5), traces).keys() < decided(config(default_keep=20), traces).keys()


def test_the_randomness_in_the_tracestate_goes_before_the_trace_id() -> None:
    def traced(rv: int) -> list[SpanTree]:
        return [server(span("a", trace_state=f"ot=rv:{rv:014x}"))]

    below, above = (1 << 55) - 1, 1 << 55
    kept = decided(config(default_keep=50), {n: traced(below) for n in range(50)} | {50: traced(above)})
    assert kept.keys() == {50}


def test_what_the_sdk_has_sampled_is_not_sampled_again() -> None:
    everything = {n: [server()] for n in range(2000)}
    sampled = decided(config(default_keep=10), everything)
    arriving = {n: [server(trace_state="ot=th:e6666666666666")] for n in sampled}
    assert decided(config(default_keep=10), arriving).keys() == sampled.keys()
    assert decided(config(default_keep=50), arriving).keys() == sampled.keys()
    fewer = decided(config(default_keep=1), arriving)
    assert fewer.keys() == decided(config(default_keep=1), everything).keys()


def test_the_rate_of_a_span_is_that_of_the_stricter_sampler() -> None:
    settings = config(default_keep=50)
    tree = server(span("sampled", trace_state="ot=th:c;rv:ffffffffffffff"), trace_state="ot=rv:ffffffffffffff")
    out = DynamicSampling(settings).process(batch(settings, {1: [tree]}))
    assert dict(out.spans.select("name", "sampling.rate").iter_rows()) == {"GET /": 0.5, "sampled": 0.25}


# dry run, counters, warnings


def test_a_dry_run_keeps_everything_and_marks_what_it_would_keep() -> None:
    traces = {n: [server()] for n in range(200)}
    real = decided(config(default_keep=20), traces)
    settings = config(default_keep=20, dry_run=True)
    out = DynamicSampling(settings).process(batch(settings, traces))
    assert out.spans.height == 200
    assert out.dropped == {}
    assert decisions(out.with_spans(out.spans.filter("sampling.would_keep"))).keys() == real.keys()
    assert out.spans["sampling.rate"].unique().to_list() == [1.0]


def test_each_rule_counts_traces_and_spans() -> None:
    settings = config(rule("slow", any_span="duration_ms > 500"))
    sampler = DynamicSampling(settings)
    for _ in range(2):
        sampler.process(batch(settings, {1: [server(slow_query())], 2: [server()], 3: [server(span("a"))]}))
    assert sampler.rule_counts == {
        "slow": RuleCounts(2, 4, 2, 4),
        "default": RuleCounts(4, 6, 0, 0),
        "example": RuleCounts(0, 0, 0, 0),
    }


def test_counts_survive_a_restart_and_forget_rules_that_are_gone() -> None:
    before = config(rule("slow", any_span="duration_ms > 500"))
    sampler = DynamicSampling(before)
    sampler.process(batch(before, {1: [server(slow_query())], 2: [server()]}))
    restarted = DynamicSampling(config(rule("other")))
    restarted.restore(sampler.snapshot())
    assert restarted.rule_counts.keys() == {"other", "default", "example"}
    assert restarted.rule_counts["default"].matched_traces == 1


def test_rules_that_can_never_decide_are_named() -> None:
    settings = config(
        rule("a", any_span="status = 'error'"),
        rule("b", any_span="status = 'error'"),
        rule("all"),
        rule("c", has_finding="x"),
    )
    assert list(settings.warnings()) == [
        "rule 'b' never decides: 'a' before it is about the same traces",
        "rule 'c' never decides: 'all' before it is about the same traces",
    ]
    assert list(Config().warnings()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": [rule("a"), rule("a")]},
        {"rules": [rule("default")]},
        {"rules": [rule("example")]},
        {"rules": [rule("a", keep=101)]},
        {"rules": [rule("a", any_spam="x")]},
        {"default_keep": -1},
        {"budget": {}},
        {"budget": {"spans_per_minute": 1, "spans_per_day": 1}},
        {"budget": {"spans_per_minute": 0}},
        {"budget": {"spans_per_minute": 1, "key": ["servise"]}},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(wrong)


def test_the_default_rules_and_keys_look_at_columns_that_every_pipeline_has() -> None:
    settings = Config.model_validate({"budget": {"spans_per_minute": 1}})
    derived = {column.name for column in (*WIRE_COLUMNS, *DERIVED_COLUMNS)}
    assert SPEC.reads(settings) <= derived | CONCEPTS.keys()


def test_rules_that_keep_everything_are_critical_unless_they_say_otherwise() -> None:
    rules = Rule(name="a", keep=100), Rule(name="b", keep=99), Rule(name="c", keep=100, critical=False)
    assert [r.is_critical for r in (*rules, Rule(name="d", keep=1, critical=True))] == [True, False, False, True]


# odd input


def test_an_empty_batch_gets_its_columns() -> None:
    settings = Config.model_validate({"budget": {"spans_per_minute": 1}})
    empty = batch(settings, {1: [server()]})
    out = DynamicSampling(settings).process(empty.with_spans(empty.spans.clear()))
    assert out.spans.schema["sampling.rule"] == pl.String
    assert out.spans.schema["sampling.rate"] == pl.Float64


def test_rows_of_a_trace_need_not_stand_together() -> None:
    settings = config(rule("slow", any_span="duration_ms > 500"), default_keep=30)
    whole = batch(settings, {n: [server(slow_query(ms=600 * (n % 2)), span("a"))] for n in range(40)})
    shuffled = whole.with_spans(whole.spans.sample(fraction=1.0, shuffle=True, seed=3))
    assert decisions(DynamicSampling(settings).process(whole)) == decisions(DynamicSampling(settings).process(shuffled))


def test_a_null_tracestate_is_none() -> None:
    settings = config(default_keep=100)
    out = DynamicSampling(settings).process(
        batch(settings, {1: [server()]}).with_columns(pl.lit(None, dtype=pl.String).alias("trace_state"))
    )
    assert out.spans["sampling.rate"].to_list() == [1.0]
