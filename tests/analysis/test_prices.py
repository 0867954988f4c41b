"""Rates are those of genai-prices, joined instead of computed, with the user's own before them."""

from __future__ import annotations

from datetime import UTC, datetime

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.prices import MAX_MODELS_REMEMBERED, OwnPrice, PriceBook, PriceList, Rates

NOVEMBER = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
BOOK = PriceBook()
TOKEN_PRICES = {
    "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_reasoning_mtok",
    "requests_kcount",
}  # fmt: skip
MODELS = sorted((provider.id, model.id) for provider in get_snapshot().providers for model in provider.models)


def rates_of(provider: str | None, model: str, tier: str = "", at: float = NOVEMBER) -> Rates:
    found = BOOK.find(provider, model, tier, at)
    assert found is not None
    return found.rates[0]


def usd(prices: PriceList, usage: dict[str, int]) -> float:
    """What a price list makes of usage in the words of genai-prices: by hand, one term a kind of token."""
    above = sum(usage["input_tokens"] > threshold for threshold in prices.thresholds)
    rates = prices.rates[above]
    read, write, hour = usage["cache_read_tokens"], usage["cache_write_tokens"], usage["cache_write_1h_tokens"]
    reasoning = usage["output_reasoning_tokens"]
    return rates.request + (
        (usage["input_tokens"] - read - write) * rates.input
        + read * rates.cache_read
        + (write - hour) * rates.cache_write
        + hour * rates.cache_write_1h
        + (usage["output_tokens"] - reasoning) * rates.output
        + reasoning * rates.reasoning
    ) / 1e6  # fmt: skip


def sells_tokens_only(provider: str, model: str) -> bool:
    """Searches, pages and hours have prices that spans know nothing of; a list without them is priced whole."""
    found = next(item for item in get_snapshot().providers if item.id == provider)
    info = next(item for item in found.models if item.id == model)
    price = info.get_prices(datetime.fromtimestamp(NOVEMBER, UTC))
    given_prices = {key for key, value in price.__dict__.items() if value is not None}
    return "input_mtok" in given_prices and given_prices <= TOKEN_PRICES


@st.composite
def usages(draw: st.DrawFn) -> dict[str, int]:
    read, write = draw(st.integers(0, 300_000)), draw(st.integers(0, 50_000))
    reasoning = draw(st.integers(0, 5_000))
    return {
        "input_tokens": read + write + draw(st.integers(0, 300_000)),
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_1h_tokens": draw(st.integers(0, write)),
        "output_tokens": reasoning + draw(st.integers(0, 20_000)),
        "output_reasoning_tokens": reasoning,
    }


@given(st.sampled_from(MODELS).filter(lambda item: sells_tokens_only(*item)), usages())
def test_rates_give_the_price_that_genai_prices_computes(model: tuple[str, str], usage: dict[str, int]) -> None:
    provider, name = model
    at = datetime.fromtimestamp(NOVEMBER, UTC)
    try:
        expected = genai_prices.calc_price(
            genai_prices.Usage(**usage), name, provider_id=provider, genai_request_timestamp=at
        )
    except LookupError:
        return  # an id that its own list does not match

    found = BOOK.find(provider, name, "", NOVEMBER)

    assert found is not None
    assert usd(found, usage) == pytest.approx(float(expected.total_price), rel=1e-9)


def test_every_list_of_the_snapshot_has_few_enough_thresholds_to_be_used() -> None:
    for provider in get_snapshot().providers:
        for model in provider.models:
            lists = [model.prices] if isinstance(model.prices, ModelPrice) else [item.prices for item in model.prices]
            for price in lists:
                tiers = [value for value in price.__dict__.values() if isinstance(value, TieredPrices)]
                assert len({tier.start for value in tiers for tier in value.tiers}) <= 3


def test_prices_are_those_bundled_with_the_package() -> None:
    assert not get_snapshot().from_auto_update


def test_a_long_input_has_other_rates() -> None:
    found = BOOK.find("anthropic", "claude-sonnet-4-5-20250929", "", NOVEMBER)

    assert found is not None
    assert found.thresholds == (200_000,)
    assert [rates.input for rates in found.rates] == [3.0, 6.0]
    assert [rates.cache_write_1h for rates in found.rates] == [6.0, 12.0]


def test_tiers_have_other_rates() -> None:
    assert rates_of("openai", "gpt-5-mini").input == 0.25
    assert rates_of("openai", "gpt-5-mini", "flex").input == 0.125
    assert rates_of("openai", "gpt-5-mini", "batch").output == 1.0
    assert rates_of("openai", "gpt-5-mini", "priority").input == 0.45
    assert rates_of("anthropic", "claude-haiku-4-5", "batch").input == 0.5
    assert rates_of("openai", "gpt-5-mini", "no such tier") == rates_of("openai", "gpt-5-mini")


def test_prices_are_those_of_the_day() -> None:
    before_the_change = datetime(2026, 3, 1, tzinfo=UTC).timestamp()

    found = BOOK.find("anthropic", "claude-opus-4-6", "", before_the_change)

    assert found is not None
    assert found.thresholds == (200_000,)
    later = BOOK.find("anthropic", "claude-opus-4-6", "", NOVEMBER)
    assert later is not None
    assert later.thresholds == ()


def test_prices_are_those_of_the_hour_where_a_provider_has_off_peak_rates() -> None:
    def at(hour: int) -> float:
        return datetime(2026, 11, 24, hour, tzinfo=UTC).timestamp()

    assert rates_of("deepseek", "deepseek-v4-flash", at=at(2)) != rates_of("deepseek", "deepseek-v4-flash", at=at(5))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("no-such-provider", "gpt-4o"),
        ("ollama", "llama3"),
        (None, "no-such-model"),
        ("groq", "whisper-large-v3"),  # sold by the hour
        ("google", ""),
    ],
)
def test_what_is_not_known_has_no_price(provider: str | None, model: str) -> None:
    assert BOOK.find(provider, model, "", NOVEMBER) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("gcp.vertex_ai", "claude-sonnet-4-5@20250929"),
        ("gcp.gemini", "gemini-2.5-pro"),
        ("azure.ai.openai", "gpt-4o-2024-08-06"),
        ("x_ai", "grok-4"),
        ("mistral_ai", "mistral-large-latest"),
        (None, "claude-sonnet-4-5"),
    ],
)
def test_opentelemetrys_providers_are_found_in_the_lists(provider: str | None, model: str) -> None:
    assert rates_of(provider, model).input > 0


OWN = PriceList((), (Rates(1, 2, 1, 1, 1, 2),))


def test_own_prices_come_first_and_match_by_pattern() -> None:
    book = PriceBook([OwnPrice("openai", "gpt-*", "", OWN)])

    assert book.find("openai", "GPT-4o", "", NOVEMBER) is OWN
    assert book.find("openai", "o3", "", NOVEMBER) is not OWN
    assert book.find("azure.ai.openai", "gpt-4o", "", NOVEMBER) is not OWN


def test_own_prices_may_be_for_one_tier_only() -> None:
    book = PriceBook([OwnPrice("*", "*", "flex", OWN)])

    assert book.find("openai", "gpt-4o", "flex", NOVEMBER) is OWN
    assert book.find(None, "gpt-4o", "flex", NOVEMBER) is OWN
    assert book.find("openai", "gpt-4o", "", NOVEMBER) is not OWN


def test_what_is_remembered_is_bounded() -> None:
    book = PriceBook()

    for number in range(MAX_MODELS_REMEMBERED + 10):
        book.find("no-such-provider", f"model-{number}", "", NOVEMBER)

    assert len(book._models) == MAX_MODELS_REMEMBERED
