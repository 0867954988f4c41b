"""Token counts that mean the same whoever reports them, and what they cost: arithmetic on columns of counts.

Conventions want input to include cached tokens and output to include reasoning. Not everybody does: Anthropic's own
numbers leave the cache out, and so do AI SDK 3-5 for Anthropic and Bedrock; Gemini's leave reasoning out. A cost
computed from the wrong reading is off by up to ten times, so each span is asked what its numbers can mean:

- more cached tokens than input, or a total that is the sum of all: they were left out, whoever says so;
- an AI SDK that counts uncached tokens apart (6 and later) gives it away by arithmetic;
- an AI SDK before 6 (by Anthropic's own count in the metadata, by its user agent, by where the metadata puts the
  cache) leaves them out for Claude.

All columns are Float64, which names every count up to 2^53 exactly; NaN is absent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from otelbridge.processors.llm_cost.arrays import Booleans, Floats

LARGEST_COUNT = 1e9  # tokens in one call: a hundred times the largest context window there is; more is no count
FIRST_INCLUSIVE_AI_SDK = 6


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens of calls, one element a call. As reported, or (from `made_inclusive`) in the conventions' meaning."""

    input: Floats
    output: Floats
    cache_read: Floats
    cache_write: Floats
    cache_write_1h: Floats
    reasoning: Floats
    total: Floats


@dataclass(frozen=True, slots=True)
class Hints:
    """What else tells how counts are meant, one element a call.

    Attributes:
        uncached: input tokens that have nothing to do with a cache, as AI SDK 6 and later count them.
        anthropic_input: input in Anthropic's own count, which leaves the cache out.
        ai_sdk: major version of the AI SDK.
        is_claude: a Claude model seen by an AI SDK.
        has_separate_cache: the metadata has the cache where AI SDK 3-4 put it.
        takes_input_only: embeddings and the like: a total is input.
    """

    uncached: Floats
    anthropic_input: Floats
    ai_sdk: Floats
    is_claude: Booleans
    has_separate_cache: Booleans
    takes_input_only: Booleans


@dataclass(frozen=True, slots=True)
class Costs:
    """USD of calls, one element a call; NaN without counts or without rates. total = input + output + request."""

    input: Floats
    output: Floats
    total: Floats


def known(counts: Floats) -> Floats:
    """Counts with 0 for absent ones."""
    result: Floats = np.where(np.isnan(counts), 0.0, counts)
    return result


def without_impossible(counts: Floats) -> Floats:
    """Counts with NaN for what cannot be one."""
    return np.where((counts >= 0) & (counts <= LARGEST_COUNT), counts, np.nan)


def first_known(*columns: Floats) -> Floats:
    """The first value that is not absent, element by element."""
    first, *others = columns
    for column in others:
        first = np.where(np.isnan(first), column, first)
    return first


def made_inclusive(counts: Counts, hints: Hints) -> Counts:
    """Counts of which input includes what was read from and written to the cache, and output includes reasoning."""
    reported_input = np.where(hints.takes_input_only, first_known(counts.input, counts.total), counts.input)
    cached = known(counts.cache_read) + known(counts.cache_write)
    leaves_cache_out = _leaves_cache_out(known(reported_input), cached, hints)
    input_tokens = np.where(leaves_cache_out, known(reported_input) + cached, reported_input)

    output, reasoning = known(counts.output), known(counts.reasoning)
    is_sum_of_all = counts.total == known(reported_input) + output + reasoning
    leaves_reasoning_out = (reasoning > 0) & ((reasoning > output) | is_sum_of_all)
    output_tokens = np.where(leaves_reasoning_out, output + reasoning, counts.output)

    has_counts = ~np.isnan(input_tokens) | ~np.isnan(output_tokens)
    return Counts(
        input=input_tokens,
        output=output_tokens,
        cache_read=counts.cache_read,
        cache_write=counts.cache_write,
        cache_write_1h=np.minimum(known(counts.cache_write_1h), known(counts.cache_write)),
        reasoning=counts.reasoning,
        total=np.where(has_counts, known(input_tokens) + known(output_tokens), counts.total),
    )


def _leaves_cache_out(reported_input: Floats, cached: Floats, hints: Hints) -> Booleans:
    by_arithmetic = reported_input < hints.uncached + cached
    by_version = np.where(np.isnan(hints.ai_sdk), hints.has_separate_cache, hints.ai_sdk < FIRST_INCLUSIVE_AI_SDK) | (
        hints.anthropic_input == reported_input
    )
    by_ai_sdk = np.where(np.isnan(hints.uncached), hints.is_claude & by_version, by_arithmetic)
    result: Booleans = (cached > 0) & ((cached > reported_input) | by_ai_sdk)
    return result


def costs(counts: Counts, rates: Floats) -> Costs:
    """Costs of inclusive counts; `rates` has one row a call with the fields of `prices.Rates` in their order."""
    per_input, per_output, per_read, per_write, per_write_1h, per_reasoning, per_request = rates.T
    read, write, write_1h = known(counts.cache_read), known(counts.cache_write), known(counts.cache_write_1h)
    reasoning = known(counts.reasoning)
    input_usd = (
        (known(counts.input) - read - write) * per_input
        + read * per_read
        + (write - write_1h) * per_write
        + write_1h * per_write_1h
    ) / 1e6
    output_usd = ((known(counts.output) - reasoning) * per_output + reasoning * per_reasoning) / 1e6
    absent = np.isnan(counts.input) & np.isnan(counts.output)
    input_usd[absent] = output_usd[absent] = np.nan
    return Costs(input_usd, output_usd, input_usd + output_usd + per_request)
