"""Counts mean the same whoever reports them, and cost what the rates say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.processors.llm_cost.usage import (
    LARGEST_COUNT,
    Counts,
    Hints,
    costs,
    made_inclusive,
    without_impossible,
)

NAN = math.nan


def column(value: float) -> Any:
    return np.array([value], np.float64)


def counts(**given: float) -> Counts:
    names = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", "total")
    return Counts(**{name: column(given.get(name, NAN)) for name in names})


def hints(**given: float) -> Hints:
    return Hints(
        uncached=column(given.get("uncached", NAN)),
        anthropic_input=column(given.get("anthropic_input", NAN)),
        ai_sdk=column(given.get("ai_sdk", NAN)),
        is_claude=np.array([bool(given.get("is_claude"))]),
        has_separate_cache=np.array([bool(given.get("has_separate_cache"))]),
        takes_input_only=np.array([bool(given.get("takes_input_only"))]),
    )


def inclusive_input(reported: Counts, **given: float) -> float:
    return float(made_inclusive(reported, hints(**given)).input[0])


def test_input_that_includes_the_cache_stays() -> None:
    assert inclusive_input(counts(input=16_507, cache_read=16_000, cache_write=300)) == 16_507


def test_more_cached_tokens_than_input_were_left_out_whoever_says_so() -> None:
    assert inclusive_input(counts(input=207, cache_read=16_000, cache_write=300)) == 16_507
    assert inclusive_input(counts(cache_read=16_000)) == 16_000


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"ai_sdk": 4}, 1400),
        ({"ai_sdk": 5}, 1400),
        ({"ai_sdk": 6}, 1000),
        ({"ai_sdk": 7}, 1000),
        ({"has_separate_cache": 1}, 1400),  # where AI SDK 3-4 put it
        ({"has_separate_cache": 1, "ai_sdk": 6}, 1000),
        ({"anthropic_input": 1000}, 1400),  # Anthropic's own count: that is what was passed on
        ({"anthropic_input": 600}, 1000),
        ({}, 1000),
    ],
)
def test_an_old_ai_sdk_leaves_the_cache_of_claude_out(said: dict[str, float], expected: float) -> None:
    reported = counts(input=1000, cache_read=300, cache_write=100)

    assert inclusive_input(reported, is_claude=1, **said) == expected
    assert inclusive_input(reported, is_claude=0, **said) == 1000


@pytest.mark.parametrize(("uncached", "expected"), [(600, 1000), (1000, 1400)])
def test_a_count_of_uncached_tokens_gives_it_away(uncached: float, expected: float) -> None:
    reported = counts(input=1000, cache_read=300, cache_write=100)

    assert inclusive_input(reported, uncached=uncached) == expected
    assert inclusive_input(reported, uncached=uncached, is_claude=1, ai_sdk=5) == expected


def test_reasoning_that_was_left_out_is_added_to_the_output() -> None:
    def output(reported: Counts) -> float:
        return float(made_inclusive(reported, hints()).output[0])

    assert output(counts(input=10, output=50, reasoning=20)) == 50
    assert output(counts(input=10, output=50, reasoning=20, total=60)) == 50
    assert output(counts(input=10, output=50, reasoning=20, total=80)) == 70  # Gemini: the total is the sum of all
    assert output(counts(input=10, output=5, reasoning=20)) == 25


def test_the_total_is_what_input_and_output_make() -> None:
    def total(reported: Counts) -> float:
        return float(made_inclusive(reported, hints()).total[0])

    assert total(counts(input=10, output=5, total=99)) == 15
    assert total(counts(input=10)) == 10
    assert total(counts(total=99)) == 99
    assert math.isnan(total(counts()))


def test_the_total_of_an_embedding_is_its_input() -> None:
    assert inclusive_input(counts(total=32), takes_input_only=1) == 32
    assert inclusive_input(counts(input=30, total=32), takes_input_only=1) == 30
    assert math.isnan(inclusive_input(counts(total=32)))


def test_writes_for_an_hour_are_part_of_the_writes() -> None:
    made = made_inclusive(counts(input=1000, cache_write=100, cache_write_1h=400), hints())

    assert made.cache_write_1h[0] == 100


def test_what_cannot_be_a_count_is_absent() -> None:
    made = without_impossible(
        np.array([-1.0, 0.0, LARGEST_COUNT, LARGEST_COUNT + 1, NAN, math.inf, -math.inf, 2.0**53])
    )

    assert np.isnan(made).tolist() == [True, False, False, True, True, True, True, True]


def test_no_counts_have_no_cost_and_no_rates_neither() -> None:
    rates = np.array([[1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 0.5]])

    assert np.isnan(costs(made_inclusive(counts(total=9), hints()), rates).total[0])
    assert np.isnan(costs(made_inclusive(counts(input=9), hints()), np.full((1, 7), NAN)).total[0])


def test_a_price_per_request_is_part_of_the_total_alone() -> None:
    made = costs(made_inclusive(counts(input=1_000_000), hints()), np.array([[1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 0.5]]))

    assert (made.input[0], made.output[0], made.total[0]) == (1.0, 0.0, 1.5)


VECTORS = [
    line.split("\t")
    for line in (Path(__file__).parent / "relay_cost_vectors.tsv").read_text().splitlines()
    if line and not line.startswith(("#", "test\t"))
]
INCLUSIVE_VECTORS = [row for row in VECTORS if not row[0].startswith(("negative", "no_tokens"))]
"""Relay computes a negative cost where input leaves the cache out; here such input is corrected before."""


@pytest.mark.parametrize("row", INCLUSIVE_VECTORS, ids=lambda row: row[0])
def test_costs_agree_with_relays(row: list[str]) -> None:
    per_in, per_out, per_reasoning, per_read, per_write, *tokens = map(float, row[1:11])
    tokens_in, read, write, tokens_out, reasoning = tokens
    expected_input, expected_output = float(row[11]), float(row[12])
    rates = np.array([[per_in, per_out, per_read, per_write, per_write, per_reasoning or per_out, 0.0]]) * 1e6
    # A cache write without a price costs nothing at Relay and as much as other input here; those vectors write none.
    assert per_write or not write

    made = costs(
        made_inclusive(
            counts(input=tokens_in, cache_read=read, cache_write=write, output=tokens_out, reasoning=reasoning), hints()
        ),
        rates,
    )

    assert made.input[0] == pytest.approx(expected_input)
    assert made.output[0] == pytest.approx(expected_output)
    assert made.total[0] == pytest.approx(expected_input + expected_output)


def test_there_are_vectors_to_agree_with() -> None:
    assert len(VECTORS) == 6
    assert len(INCLUSIVE_VECTORS) == 4


COUNT = st.one_of(st.just(NAN), st.integers(0, 10**9).map(float))


@given(
    st.fixed_dictionaries(
        dict.fromkeys(("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", "total"), COUNT)
    ),
    st.fixed_dictionaries(
        {
            "uncached": COUNT,
            "anthropic_input": COUNT,
            "ai_sdk": st.sampled_from([NAN, 3.0, 4.0, 5.0, 6.0, 7.0]),
            "is_claude": st.integers(0, 1),
            "has_separate_cache": st.integers(0, 1),
            "takes_input_only": st.integers(0, 1),
        }
    ),
)
def test_parts_never_exceed_the_whole_and_no_cost_is_negative(
    reported: dict[str, float], said: dict[str, float]
) -> None:
    made = made_inclusive(counts(**reported), hints(**said))

    cached = np.nan_to_num(made.cache_read) + np.nan_to_num(made.cache_write)
    assert np.nan_to_num(made.input) >= cached
    assert np.nan_to_num(made.output) >= np.nan_to_num(made.reasoning)
    assert made.cache_write_1h <= np.nan_to_num(made.cache_write)
    total = costs(made, np.array([[1.0, 2.0, 0.1, 1.25, 2.0, 2.0, 0.0]])).total
    assert np.isnan(total) or total >= 0
