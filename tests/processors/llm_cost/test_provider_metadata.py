"""What the AI SDK passes on from providers in JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.processors.llm_cost.provider_metadata import NOTHING, Said, read


def said(metadata: dict[str, Any]) -> Said:
    return read(json.dumps(metadata))


def test_anthropics_usage_is_read_as_ai_sdk_5_and_later_pass_it_on() -> None:
    made = said(
        {
            "anthropic": {
                "usage": {
                    "input_tokens": 203,
                    "output_tokens": 83,
                    "cache_creation_input_tokens": 300,
                    "cache_read_input_tokens": 16_000,
                    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 300},
                    "service_tier": "standard",
                },
                "cacheCreationInputTokens": 300,
                "stopSequence": None,
            }
        }
    )

    assert (made.cache_read, made.cache_write, made.cache_write_1h) == (16_000, 300, 300)
    assert (made.anthropic_input, made.has_separate_cache, made.tier) == (203, 0.0, "standard")


def test_ai_sdk_4_puts_anthropics_cache_beside_the_usage() -> None:
    made = said({"anthropic": {"cacheCreationInputTokens": 300, "cacheReadInputTokens": 16_000}})

    assert (made.cache_read, made.cache_write, made.has_separate_cache) == (16_000, 300, 1.0)


def test_a_cache_of_zero_beside_the_usage_says_nothing_of_the_input() -> None:
    assert said({"anthropic": {"cacheCreationInputTokens": 0}}).has_separate_cache == 0.0


def test_openai_tells_its_cache_reasoning_and_tier() -> None:
    made = said({"openai": {"cachedPromptTokens": 1024, "reasoningTokens": 32, "serviceTier": "flex"}})

    assert (made.cache_read, made.reasoning, made.tier) == (1024, 32, "flex")


def test_azure_and_bedrock_tell_theirs() -> None:
    assert said({"azure": {"serviceTier": "priority"}}).tier == "priority"
    made = said({"bedrock": {"usage": {"cacheReadInputTokens": 7, "cacheWriteInputTokens": 8}}})
    assert (made.cache_read, made.cache_write) == (7, 8)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"gateway": {"cost": "0.0045"}}, 0.0045),
        ({"openrouter": {"usage": {"cost": 0.002}}}, 0.002),
    ],
)
def test_a_gateway_says_what_it_charged(metadata: dict[str, Any], expected: float) -> None:
    assert said(metadata).cost == expected


def test_a_fast_answer_is_a_tier() -> None:
    assert said({"anthropic": {"usage": {"speed": "fast", "service_tier": "standard"}}}).tier == "fast"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{",
        '{"openai":{}}',
        '{"anthropic":{"usage":[]}}',
        '{"openai":7}',
        "[" * 100_000,
    ],
)
def test_other_texts_say_nothing(text: str) -> None:
    assert str(read(text)) == str(NOTHING)


@pytest.mark.parametrize("value", [None, True, "12", [], {}, {"a": 1}])
def test_what_is_no_number_is_absent(value: Any) -> None:
    assert math.isnan(said({"openai": {"cachedPromptTokens": value}}).cache_read)


@pytest.mark.parametrize("value", [None, [], {}, "free", "10 USD"])
def test_what_is_no_amount_is_absent(value: Any) -> None:
    assert math.isnan(said({"gateway": {"cost": value}}).cost)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["anthropic", "openai", "azure", "bedrock", "gateway", "openrouter", "usage", "cost", "serviceTier",
             "cache_creation", "input_tokens", "cachedPromptTokens", "ephemeral_1h_input_tokens", "speed"]
        ),
        children,
        max_size=4,
    ),
)  # fmt: skip


@given(JSON)
def test_no_json_makes_it_fail(value: Any) -> None:
    assert all(isinstance(number, float) for number in read(json.dumps(value))[:-1])
