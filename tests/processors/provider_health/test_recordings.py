"""Every recorded request to a provider that reached a span is one call, failed ones included."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from otelbridge.processors.provider_health import ProviderHealth
from otelbridge.processors.provider_health.processor import PER_CENT, SCORE, USD_PER_1K
from otelbridge.semconv.providers import model_family
from tests.processors.running import Running
from tests.support import recordings

CALLS = {
    # Of 25 requests, three streams whose client left and one that nobody read have no span of the call.
    "ai-sdk-v5": 21,
    "ai-sdk-v6": 21,
    # Here the three that were refused twice have one span for both attempts, and only the stream that nobody read has
    # none; with OpenTelemetry's names even that one has.
    "ai-sdk-v7": 22,
    "ai-sdk-v7-legacy": 21,
    # There is no span of the responses API.
    "py-openai-v2": 9,
    "py-openai-v2-latest": 9,
    "py-openinference": 14,
    "py-traceloop-openai": 14,
}
ATTEMPTS_IN_ONE_SPAN = {"ai-sdk-v7": 3, "ai-sdk-v7-legacy": 3}

PIPELINES: list[dict[str, dict[str, Any]]] = [
    {"llm_cost": {}, "provider_health": {}},
    {"provider_health": {}},
    {"provider_health": {}, "llm_cost": {}},
]


def run_of(name: str, processors: dict[str, dict[str, Any]]) -> Running:
    run = Running(**processors)
    run.feed(recordings.load(name))
    return run


@pytest.mark.parametrize("processors", PIPELINES, ids=["after llm_cost", "alone", "before llm_cost"])
@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_counted_once_and_refused_ones_as_failures(
    name: str, processors: dict[str, dict[str, Any]]
) -> None:
    run = run_of(name, processors)

    refused = sum(call.status != 200 for call in recordings.provider_calls(name))
    failures = refused - ATTEMPTS_IN_ONE_SPAN.get(name, 0)
    success = run.measured("llm.provider.success")
    assert success["value"].value_counts(sort=True).rows() == [(1.0, CALLS[name] - failures), (0.0, failures)]
    assert sorted(run.measured("llm.provider.score")["value"]) == [30.0] * failures + [100.0] * (CALLS[name] - failures)
    assert run.spans[SCORE].count() == CALLS[name]


@pytest.mark.parametrize("name", CALLS)
def test_providers_and_models_have_one_name_each(name: str) -> None:
    success = run_of(name, PIPELINES[0]).measured("llm.provider.success")

    calls = recordings.provider_calls(name)
    assert set(success["gen_ai.provider.name"]) == {call.api.split(".")[0] for call in calls}
    assert {model_family(model) for model in success["gen_ai.request.model"]} <= {
        call.requested_model for call in calls
    }


@pytest.mark.parametrize("name", CALLS)
def test_latency_is_the_duration_of_the_calls_own_span(name: str) -> None:
    latency = run_of(name, PIPELINES[0]).measured("llm.provider.latency")

    durations = {
        int.from_bytes(one.span_id, "big"): (one.end_time_unix_nano - one.start_time_unix_nano) / 1e6
        for one in recordings.spans(name)
    }
    for span_id, ms in latency.select("span_id", "value").iter_rows():
        assert ms == pytest.approx(durations[span_id])


@pytest.mark.parametrize("name", CALLS)
def test_what_tokens_cost_follows_from_the_bill(name: str) -> None:
    spans = run_of(name, PIPELINES[0]).spans
    billed = spans.filter(pl.col("otelbridge.cost.usd").is_not_null())

    assert spans[USD_PER_1K].count() == len(billed)
    columns = ("otelbridge.cost.usd", "gen_ai.usage.total_tokens", USD_PER_1K, PER_CENT)
    for usd, tokens, per_1k, per_cent in billed.select(columns).iter_rows():
        assert per_1k * tokens / 1000 == pytest.approx(usd)
        assert per_cent * usd * 100 == pytest.approx(tokens)


@pytest.mark.parametrize("name", [name for name in recordings.names() if name not in CALLS])
def test_traffic_without_models_has_no_calls(name: str) -> None:
    run = run_of(name, PIPELINES[0])

    assert run.spans[SCORE].count() == 0
    assert run.measured("llm.provider.score").is_empty()


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_found_in_fewer_calls_than_the_minimum(name: str) -> None:
    run = run_of(name, {"llm_cost": {}, "provider_health": {"min_calls": 26, "unhealthy_below": 90}})

    assert run.findings == []


@pytest.mark.parametrize("name", CALLS)
def test_answers_and_refusals_of_a_model_are_one_series(name: str) -> None:
    """OpenInference names the release that answered, and the model asked for in the parameters of a failed call."""
    run = run_of(name, PIPELINES[0])
    component = run.task.pipeline.span_steps[-1].processor
    assert isinstance(component, ProviderHealth)
    made = {key[1:]: (series.calls, series.failed) for key, series in component._rolling.save()}

    book = recordings.provider_calls(name)
    assert set(made) <= {(call.api.split(".")[0], call.requested_model) for call in book}
    assert sum(calls for calls, _ in made.values()) == CALLS[name]
    for (_, model), (_, failed) in made.items():
        refused = sum(call.status != 200 for call in book if call.requested_model == model)
        attempts_in_one_span = name in ATTEMPTS_IN_ONE_SPAN and refused > 1
        assert failed == refused - attempts_in_one_span
