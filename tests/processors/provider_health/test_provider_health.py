"""The score of a call, and what is found out about providers."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.processors.provider_health import Config, ProviderHealth
from otelbridge.processors.provider_health.processor import PER_CENT, SCORE, USD_PER_1K
from tests.processors.provider_health.building import ERROR, Traffic, call, failed, running, scores
from tests.processors.running import Running
from tests.support.otlp import request, request_of, span, spans_of, trace_id

# the score of one call


@pytest.mark.parametrize(
    ("ms", "score"), [(0.0, 100), (1999.999, 100), (2000.0, 85), (4999.999, 85), (5000.0, 70), (600_000.0, 70)]
)
def test_latency_counts_30_below_2_s_and_15_below_5_s(ms: float, score: int) -> None:
    assert scores(call(ms=ms)) == [score]


@pytest.mark.parametrize(("retries", "score"), [(None, 100), (0, 100), (1, 85), (2, 70), (2**40, 70), (-1, 100)])
def test_retries_count_30_for_none_and_15_for_one(retries: int | None, score: int) -> None:
    assert scores(call(http__request__resend_count=retries)) == [score]


@pytest.mark.parametrize(
    "name",
    ["http.request.resend_count", "http.resend_count", "gen_ai.retry.count", "gen_ai.retry_count", "ai.retry_count"],
)
def test_retries_are_told_under_several_names(name: str) -> None:
    assert scores(call(**{name: 1})) == [85]


@pytest.mark.parametrize(("ms", "retries", "score"), [(10.0, 0, 30), (6000.0, 0, 30), (10.0, 1, 15), (10.0, 5, 0)])
def test_a_call_that_failed_gets_nothing_for_failing_fast(ms: float, retries: int, score: int) -> None:
    assert scores(failed(ms=ms, http__request__resend_count=retries)) == [score]


def test_thresholds_of_latency_are_settings() -> None:
    run = running(fast_below_ms=10, acceptable_below_ms=20)
    run.feed(request(call(ms=9.0), call(ms=19.0), call(ms=20.0)))

    assert sorted(run.spans[SCORE]) == [70, 85, 100]


@pytest.mark.parametrize(
    "settings",
    [
        {"fast_below_ms": 6000},
        {"min_calls": 51},
        {"unhealthy_below": 95},
        {"window_calls": 0},
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config(**settings)


# which spans are calls


@pytest.mark.parametrize("with_cost", [True, False])
def test_of_nested_spans_of_one_call_the_innermost_is_scored(with_cost: bool) -> None:
    assert scores(call(call(ms=10.0), ms=2500.0), with_cost=with_cost) == [100]
    assert scores(failed(start_ms=0.0), with_cost=with_cost) == [30]


@pytest.mark.parametrize("with_cost", [True, False])
def test_agents_and_tools_are_no_calls(with_cost: bool) -> None:
    agent = span("agent", call(), attributes={"gen_ai.operation.name": "invoke_agent"})
    tool = span("tool", attributes={"gen_ai.operation.name": "execute_tool"})

    assert scores(agent, tool, with_cost=with_cost) == [100]


@pytest.mark.parametrize("with_cost", [True, False])
def test_a_span_that_reports_a_cost_is_no_call(with_cost: bool) -> None:
    report = span("ai.cost_tracking", attributes={"ai.total_cost": 0.1, "ai.tokens.total": 100, "ai.model": "gpt-4o"})

    assert scores(report, with_cost=with_cost) == []


COMPARISON = {"ai.provider": "openai.chat", "ai.model": "gpt-4o", "ai.latency_ms": 2500, "ai.success": True,
              "ai.retry_count": 1}  # fmt: skip


@pytest.mark.parametrize("with_cost", [True, False])
def test_a_comparison_by_hand_is_a_call_with_what_it_tells(with_cost: bool) -> None:
    run = running(with_cost=with_cost)
    run.feed(request(span("ai.provider_comparison", attributes=COMPARISON)))

    assert run.measured("llm.provider.score")["value"].to_list() == [70.0]
    (latency,) = run.measured("llm.provider.latency").rows(named=True)
    assert (latency["value"], latency["gen_ai.provider.name"]) == (2500.0, "openai")


@pytest.mark.parametrize("with_cost", [True, False])
def test_a_comparison_by_hand_tells_of_failure_too(with_cost: bool) -> None:
    assert scores(
        span("ai.provider_comparison", attributes={**COMPARISON, "ai.success": False}), with_cost=with_cost
    ) == [15]


@pytest.mark.parametrize("with_cost", [True, False])
def test_a_comparison_beside_a_call_of_its_trace_is_not_counted_again(with_cost: bool) -> None:
    assert scores(call(), span("ai.provider_comparison", attributes=COMPARISON), with_cost=with_cost) == [100]


# what tokens cost


def test_a_billed_call_shows_what_a_thousand_tokens_cost_and_how_many_a_cent_buys() -> None:
    run = running()
    run.feed(request(call(gen_ai__usage__input_tokens=1000, gen_ai__usage__output_tokens=100)))

    usd = (1000 * 0.15 + 100 * 0.60) / 1e6  # gpt-4o-mini, openai.com/api/pricing
    (row,) = run.spans.select(USD_PER_1K, PER_CENT).rows()
    assert row == (pytest.approx(usd / 1.1), pytest.approx(1100 / (usd * 100)))


@pytest.mark.parametrize("with_cost", [True, False])
def test_without_a_known_cost_nothing_is_shown(with_cost: bool) -> None:
    run = running(with_cost=with_cost)
    run.feed(request(call(gen_ai__request__model="my-own", gen_ai__usage__input_tokens=1000)))

    assert run.spans.select(SCORE, USD_PER_1K, PER_CENT).rows() == [(100, None, None)]


@pytest.mark.parametrize("usd", [5e-324, 1e-300])
def test_a_cost_of_next_to_nothing_buys_no_number_of_tokens(usd: float) -> None:
    run = running()
    run.feed(request(call(gen_ai__request__model="my-own", gen_ai__usage__input_tokens=9, gen_ai__usage__cost=usd)))

    assert run.spans[PER_CENT].to_list() == [None]


# measurements


def test_measurements_are_by_environment_provider_and_model() -> None:
    run = running()
    run.feed(
        request(
            failed(ms=250.0, gen_ai__provider__name="openai.responses"),
            resource={"deployment.environment.name": "prod", "service.version": "7", "service.name": "shop"},
        )
    )

    assert run.measured("llm.provider.latency").height == 0  # a failure may be quick
    for name, value in (("score", 30.0), ("success", 0.0)):
        (row,) = run.measured(f"llm.provider.{name}").rows(named=True)
        keys = ("value", "environment", "gen_ai.provider.name", "gen_ai.request.model", "release", "count")
        assert [row[key] for key in keys] == [value, "prod", "openai", "gpt-4o-mini", "7", 1]


def test_how_long_a_call_took_is_measured_if_it_succeeded() -> None:
    run = running()
    run.feed(request(call(ms=100.0), failed(ms=1.0), call(ms=300.0)))
    assert sorted(run.measured("llm.provider.latency")["value"].to_list()) == [100.0, 300.0]


@pytest.mark.parametrize("with_cost", [True, False])
def test_calls_that_do_not_tell_their_model_are_measured_and_never_found(with_cost: bool) -> None:
    traffic = Traffic(running(with_cost=with_cost))
    traffic.feed(failed(gen_ai__request__model=None) for _ in range(40))

    assert traffic.run.measured("llm.provider.score")["value"].to_list() == [30.0] * 40
    assert traffic.states() == []


# findings


def test_twenty_failures_are_a_finding_and_nineteen_are_not() -> None:
    traffic = Traffic(running())
    traffic.feed(failed() for _ in range(19))
    assert traffic.states() == []

    traffic.feed([failed()])
    assert traffic.states() == ["raised"]


def found(traffic: Traffic) -> Finding:
    return [one for one in traffic.run.findings if one.kind == "provider_health"][-1]


def test_a_finding_says_who_how_bad_and_shows_the_call_that_tipped_it() -> None:
    traffic = Traffic(running())
    traffic.feed([call() for _ in range(6)] + [failed() for _ in range(20)], **{"deployment.environment.name": "prod"})

    finding = found(traffic)
    assert finding.key == ("prod", "openai", "gpt-4o-mini")
    assert finding.title == "Model provider does badly: openai gpt-4o-mini"
    assert (finding.level, finding.environment, finding.service) == ("warning", "prod", "shop")
    assert finding.tags == {"provider": "openai", "model": "gpt-4o-mini"}
    # (6 x 100 + 15 x 30) / 21 is 50; one more failure is below.
    told = finding.contexts["provider_health"]
    assert (told["calls"], told["failed"], told["score"]) == (22, 16, 49.1)
    assert finding.trace_id == int.from_bytes(trace_id(22), "big")
    (example,) = traffic.run.spans.filter(pl.col("span_id") == finding.span_id).rows(named=True)
    assert (example["trace_id"], example["status"]) == (finding.trace_id, ERROR)


def test_a_finding_is_raised_once_however_long_it_lasts() -> None:
    traffic = Traffic(running())
    for _ in range(5):
        traffic.feed(failed() for _ in range(20))

    assert traffic.states() == ["raised"]
    assert traffic.run.task.ledger.findings["provider_health"] == 1


def test_a_finding_is_resolved_when_the_score_is_ten_above_the_limit_and_not_before() -> None:
    traffic = Traffic(running(window_calls=20))
    traffic.feed(failed() for _ in range(20))
    # n good calls in a window of 20: (100 n + 30 (20 - n)) / 20, which is 58 for 8 and 61.5 for 9.
    traffic.feed(call() for _ in range(8))
    assert traffic.states() == ["raised"]

    traffic.feed([call()])
    assert traffic.states() == ["raised", "resolved"]
    assert found(traffic).contexts["finding"]["state"] == "resolved"


def test_around_the_limit_nothing_flaps() -> None:
    traffic = Traffic(running(window_calls=20))
    traffic.feed(failed() for _ in range(20))
    for _ in range(30):
        traffic.feed([call() for _ in range(6)] + [failed() for _ in range(14)])

    assert traffic.states() == ["raised"]


def test_what_was_resolved_can_be_raised_again() -> None:
    traffic = Traffic(running(window_calls=20))
    for _ in range(2):
        traffic.feed(failed() for _ in range(20))
        traffic.feed(call() for _ in range(20))

    assert traffic.states() == ["raised", "resolved", "raised", "resolved"]


def test_old_calls_leave_the_window() -> None:
    traffic = Traffic(running())
    traffic.feed(call() for _ in range(500))
    traffic.feed(failed() for _ in range(35))
    assert traffic.states() == []  # (15 x 100 + 35 x 30) / 50 is 51

    traffic.feed(failed() for _ in range(1))
    assert traffic.states() == ["raised"]


@pytest.mark.parametrize(
    "other",
    [{"gen_ai__provider__name": "anthropic"}, {"gen_ai__request__model": "gpt-5"}],
)
def test_providers_and_models_are_judged_apart(other: dict[str, str]) -> None:
    traffic = Traffic(running())
    traffic.feed([failed() for _ in range(19)] + [failed(**other) for _ in range(19)])

    assert traffic.states() == []


@pytest.mark.parametrize("release", ["gpt-4o-mini-2024-07-18", "gpt-4o-mini-20240718", "gpt-4o-mini@20240718"])
@pytest.mark.parametrize("with_cost", [True, False])
def test_releases_of_a_model_are_judged_as_the_model(release: str, with_cost: bool) -> None:
    traffic = Traffic(running(with_cost=with_cost))
    traffic.feed([failed() for _ in range(19)] + [failed(gen_ai__request__model=release)])

    assert [one.key for one in traffic.run.findings] == [("", "openai", "gpt-4o-mini")]


@pytest.mark.parametrize("with_cost", [True, False])
def test_a_failed_call_may_tell_its_model_in_its_parameters(with_cost: bool) -> None:
    traffic = Traffic(running(with_cost=with_cost))
    parameters = {
        "gen_ai__request__model": None,
        "llm__invocation_parameters": '{"model": "gpt-4o-mini", "stream": true}',
    }
    traffic.feed(failed(**parameters) for _ in range(20))

    assert [one.key for one in traffic.run.findings] == [("", "openai", "gpt-4o-mini")]


@pytest.mark.parametrize("text", ["{", "[]", '"gpt"', '{"model": 1}', "{}", '{"model": ""}', "\x00"])
def test_parameters_that_cannot_be_read_tell_nothing(text: str) -> None:
    assert scores(failed(gen_ai__request__model=None, llm__invocation_parameters=text)) == [30]


def test_environments_are_judged_apart() -> None:
    traffic = Traffic(running())
    for environment in ("prod", "staging"):
        traffic.feed((failed() for _ in range(19)), **{"deployment.environment.name": environment})

    assert traffic.states() == []


def test_slow_calls_that_succeed_are_no_finding() -> None:
    traffic = Traffic(running())
    traffic.feed(call(ms=60_000.0) for _ in range(50))

    assert traffic.states() == []


def test_slow_calls_that_need_retries_are_one() -> None:
    traffic = Traffic(running())
    traffic.feed(call(ms=60_000.0, http__request__resend_count=2) for _ in range(20))

    assert traffic.states() == ["raised"]


def test_calls_are_taken_in_the_order_in_which_they_ended() -> None:
    spans = []
    for number in range(40):  # the first twenty of the record ended last
        tree = call(start_ms=number * 1000.0) if number < 20 else failed(start_ms=(number - 20) * 1000.0 - 50_000)
        spans += spans_of(tree, trace_id(number + 1))
    run = running(window_calls=20)
    run.feed(request_of(spans))

    assert [one.state for one in run.findings] == ["raised", "resolved"]


# sampling


def kept(run: Running) -> int:
    return run.spans["trace_id"].n_unique()


def test_the_trace_that_shows_the_finding_is_kept_and_the_one_that_shows_its_end_is_not() -> None:
    rules = [{"name": "findings", "has_finding": "any", "keep": 100}]
    run = Running(
        llm_cost={}, provider_health={"window_calls": 20}, dynamic_sampling={"rules": rules, "default_keep": 0}
    )
    traffic = Traffic(run)
    traffic.feed(failed() for _ in range(20))
    traffic.feed(call() for _ in range(20))

    assert traffic.states() == ["raised", "resolved"]
    assert run.spans["trace_id"].to_list() == [found_first(run).trace_id]


def found_first(run: Running) -> Finding:
    return next(one for one in run.findings if one.state == "raised")


# state


def test_counters_say_what_happened() -> None:
    traffic = Traffic(running(max_series=1))
    traffic.feed([failed() for _ in range(25)])
    traffic.feed([call(gen_ai__request__model="gpt-5")])
    component = traffic.run.task.pipeline.span_steps[-1].processor

    assert component.counters == {"calls": 26, "findings": 1, "forgotten_series": 1}


def test_a_component_restored_from_its_state_goes_on_as_if_nothing_had_been() -> None:
    traffic = Traffic(running())
    traffic.feed([call() for _ in range(3)] + [failed() for _ in range(16)])
    component = traffic.run.task.pipeline.span_steps[-1].processor
    state = component.snapshot()
    again = Traffic(running())
    other = again.run.task.pipeline.span_steps[-1].processor
    other.restore(state)

    for one in (traffic, again):
        one._traces = 100
        one.feed(failed() for _ in range(3))
    assert component.snapshot() == other.snapshot()
    assert component.counters == other.counters
    assert traffic.states() == again.states() == ["raised"]
    assert found(traffic).contexts["provider_health"] == found(again).contexts["provider_health"]


@pytest.mark.parametrize("state", [b"\x00", b"nonsense", b"\x93\x01\x02\x03"])
def test_a_state_that_cannot_be_read_is_a_clear_error(state: bytes) -> None:
    with pytest.raises(StateUnreadable, match="provider_health"):
        ProviderHealth(Config()).restore(state)
