"""Prices as a user gives them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from otelbridge.analysis.prices import TIERS, PriceList, Rates
from otelbridge.processors.llm_cost import PriceConfig


def price(**given: Any) -> PriceList:
    return PriceConfig(model="m", **given).own_price().prices


def test_what_has_no_price_of_its_own_costs_what_it_is_part_of() -> None:
    assert price(input_per_mtok=1, output_per_mtok=2).rates == (Rates(1, 2, 1, 1, 1, 2, 0),)
    assert price(input_per_mtok=1, cache_write_per_mtok=3).rates[0].cache_write_1h == 3


def test_every_price_may_be_its_own() -> None:
    given = price(
        input_per_mtok=1,
        output_per_mtok=2,
        cache_read_per_mtok=0,
        cache_write_per_mtok=4,
        cache_write_1h_per_mtok=5,
        reasoning_per_mtok=6,
        per_request=7,
    )

    assert given.rates == (Rates(1, 2, 0, 4, 5, 6, 7),)


def test_long_inputs_are_thresholds() -> None:
    long_input = [{"above_input_tokens": n, "input_per_mtok": n / 100} for n in (200, 500)]

    given = price(input_per_mtok=1, long_input=long_input)

    assert given.thresholds == (200, 500)
    assert [rates.input for rates in given.rates] == [1, 2, 5]


def test_the_tiers_that_can_be_named_are_those_that_have_prices() -> None:
    assert set(get_args(PriceConfig.model_fields["service_tier"].annotation)) == {"", *TIERS}


@pytest.mark.parametrize(
    "given", [{"input_per_mtok": -1}, {"input_per_mtok": float("nan")}, {"input_per_mtok": 1e9}, {}]
)
def test_prices_that_are_none_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        price(**given)
