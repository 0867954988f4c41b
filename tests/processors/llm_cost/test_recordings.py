"""Every provider call of the recordings is billed once, with the provider's own numbers and the published prices."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from otelbridge.processors.llm_cost.shown import COST, STATUS
from tests.processors.llm_cost.building import bill, llm_cost, statuses
from tests.support import recordings
from tests.support.recordings import ProviderCall

RECORDED = [name for name in recordings.names() if recordings.provider_calls(name)]

# USD per million tokens: input, output, cache read, cache write, cache write for an hour.
STANDARD = {
    # https://openai.com/api/pricing, November 2026
    "gpt-4o-mini-2024-07-18": (0.15, 0.60, 0.075, 0.0, 0.0),
    "gpt-5-mini-2025-08-07": (0.25, 2.00, 0.025, 0.0, 0.0),
    "text-embedding-3-small": (0.02, 0.0, 0.0, 0.0, 0.0),
    # https://claude.com/pricing
    "claude-sonnet-4-5-20250929": (3.00, 15.00, 0.30, 3.75, 6.00),
}
FLEX = {"gpt-5-mini-2025-08-07": (0.125, 1.00, 0.0125, 0.0, 0.0)}
ABOVE_200K = {"claude-sonnet-4-5-20250929": (6.00, 22.50, 0.60, 7.50, 12.00)}


def published_usd(call: ProviderCall, cache_read: int, *, tier_is_told: bool) -> float:
    """By hand; `cache_read` is what of the cache the spans tell, `tier_is_told` whether they tell the tier."""
    assert call.model is not None
    prices = STANDARD
    if call.service_tier == "flex" and tier_is_told:
        prices = FLEX
    if call.input_tokens > 200_000:
        prices = ABOVE_200K
    per_input, per_output, per_read, per_write, per_write_1h = prices[call.model]
    uncached = call.input_tokens - cache_read - call.cache_write_tokens
    return (
        uncached * per_input
        + call.output_tokens * per_output
        + cache_read * per_read
        + (call.cache_write_tokens - call.cache_write_1h_tokens) * per_write
        + call.cache_write_1h_tokens * per_write_1h
    ) / 1e6


def billed(name: str) -> pl.DataFrame:
    spans = bill(llm_cost(), recordings.load(name)).spans
    return spans.filter(pl.col(COST).is_not_null())


def key(tokens_in: int, tokens_out: int) -> tuple[int, int]:
    """The stand-in answers every request with other counts, so that they name the call."""
    return tokens_in, tokens_out


def calls_by_key(name: str) -> dict[tuple[int, int], ProviderCall]:
    answered = [call for call in recordings.provider_calls(name) if call.status == 200]
    return {key(call.input_tokens, call.output_tokens): call for call in answered}


def pairs(name: str) -> list[tuple[ProviderCall, dict[str, Any]]]:
    calls = calls_by_key(name)
    rows = billed(name).rows(named=True)
    return [(calls[key(row["gen_ai.usage.input_tokens"], row["gen_ai.usage.output_tokens"] or 0)], row) for row in rows]


@pytest.mark.parametrize("name", RECORDED)
def test_each_call_is_billed_once_with_the_providers_own_counts(name: str) -> None:
    found = pairs(name)

    assert len({id(call) for call, _ in found}) == len(found)
    for call, row in found:
        assert row["gen_ai.usage.total_tokens"] == call.input_tokens + call.output_tokens
        assert (row["gen_ai.usage.cache_creation.input_tokens"] or 0) == call.cache_write_tokens


USAGE_ON_A_SPAN = {
    "ai-sdk-v5": 14,
    "ai-sdk-v6": 14,
    "ai-sdk-v7": 15,
    "ai-sdk-v7-legacy": 14,
    "py-openai-v2": 5,
    "py-openai-v2-latest": 5,
    "py-openinference": 9,
    "py-traceloop-openai": 9,
}
"""Answered calls whose usage reached a span at all, see recorded/README.md."""


@pytest.mark.parametrize("name", RECORDED)
def test_no_call_whose_usage_reached_a_span_is_missed(name: str) -> None:
    assert len(billed(name)) == USAGE_ON_A_SPAN[name]


@pytest.mark.parametrize("name", RECORDED)
def test_costs_are_what_the_published_prices_make_of_the_recorded_usage(name: str) -> None:
    for call, row in pairs(name):
        told = row["gen_ai.usage.cache_read.input_tokens"] or 0
        expected = published_usd(call, told, tier_is_told=name.startswith("ai-sdk"))
        assert row[COST] == pytest.approx(expected, rel=1e-9)
        assert row["gen_ai.cost.input_tokens"] + row["gen_ai.cost.output_tokens"] == pytest.approx(expected, rel=1e-9)


def lacks_cache(name: str, call: ProviderCall) -> bool:
    """Instrumentations that tell nothing of OpenAI's cache, as recorded/README.md has it."""
    if not call.api.startswith("openai"):
        return False
    if name == "ai-sdk-v5":
        return not call.stream
    if name == "ai-sdk-v6":
        return call.response_id == "chatcmpl-0009"  # generateObject
    return name.startswith("py-openai-v2")


@pytest.mark.parametrize("name", RECORDED)
def test_cache_reads_are_counted_wherever_spans_tell_them(name: str) -> None:
    for call, row in pairs(name):
        expected = 0 if lacks_cache(name, call) else call.cache_read_tokens
        assert (row["gen_ai.usage.cache_read.input_tokens"] or 0) == expected


def test_the_recordings_have_a_call_of_each_kind_of_price() -> None:
    calls = [call for name in RECORDED for call, _ in pairs(name)]

    assert any(call.service_tier == "flex" for call in calls)
    assert any(call.input_tokens > 200_000 for call in calls)
    assert any(call.cache_write_1h_tokens for call in calls)
    assert any(call.reasoning_tokens for call in calls)


@pytest.mark.parametrize("name", [name for name in RECORDED if name.startswith("ai-sdk")])
def test_users_are_found_on_the_span_or_above_it(name: str) -> None:
    for call, row in pairs(name):
        user = "user_7" if call.api == "anthropic.messages" else "user_42"
        assert row["user.id"] == user
        assert row["gen_ai.conversation.id"] == f"sess_of_{user}"
        has_metadata = name in ("ai-sdk-v5", "ai-sdk-v6")
        assert row["otelbridge.project"] == ("proj_a" if has_metadata else "chatbot")


@pytest.mark.parametrize("name", ["ai-sdk-v5", "ai-sdk-v6", "ai-sdk-v7", "ai-sdk-v7-legacy"])
def test_every_span_of_the_ai_sdk_has_an_operation_in_sentrys_words(name: str) -> None:
    spans = bill(llm_cost(), recordings.load(name)).spans
    made_by_it = spans.filter(pl.col("name").str.contains(r"^(ai\.|chat |step |invoke_agent |execute_tool |embed)"))

    assert (
        made_by_it["op"]
        .is_in(["gen_ai.chat", "gen_ai.invoke_agent", "gen_ai.agent_step", "gen_ai.execute_tool", "gen_ai.embeddings"])
        .all()
    )
    assert set(made_by_it["gen_ai.operation.type"]) == {"ai_client", "agent", "tool"}


@pytest.mark.parametrize("name", ["py-openinference", "py-traceloop-openai"])
def test_the_second_instrumentation_of_a_call_is_covered_and_no_client_of_its_own(name: str) -> None:
    spans = bill(llm_cost(), recordings.load(name)).spans
    covered = spans.filter(pl.col(STATUS) == "covered")

    assert len(covered) == 3  # the calls to Anthropic
    assert set(covered["gen_ai.operation.type"]) == {"other"}
    assert covered["gen_ai.usage.input_tokens"].null_count() == 3


def test_traffic_without_models_gets_no_column_but_nulls() -> None:
    component = llm_cost()

    spans = bill(component, recordings.load("drizzle-pg")).spans

    assert set(statuses(spans.rows(named=True))) == {None}
    assert not any(component.counters.values())
