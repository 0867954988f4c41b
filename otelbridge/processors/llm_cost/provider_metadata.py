"""What providers say in `ai.response.providerMetadata` and nowhere else: JSON that the AI SDK passes on unread.

Cache reads and writes of Anthropic and Bedrock (AI SDK 3-5), writes that live for an hour, the price tier, what a
gateway charged. Unreadable metadata says nothing; a number that is none is absent.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec
import polars as pl


class Said(NamedTuple):
    """What the metadata of one call says: tokens, USD, NaN for what it does not say.

    Attributes:
        cache_write_1h: the part of cache_write that lives for an hour.
        anthropic_input: input in Anthropic's own count, which leaves cached tokens out.
        has_separate_cache: 1.0 where the cache stands beside the usage, as AI SDK 3-4 put it: input leaves it out.
        cost: what a gateway charged.
        tier: price tier as the provider names it.
    """

    cache_read: float = math.nan
    cache_write: float = math.nan
    cache_write_1h: float = math.nan
    reasoning: float = math.nan
    anthropic_input: float = math.nan
    has_separate_cache: float = 0.0
    cost: float = math.nan
    tier: str | None = None


NOTHING = Said()


class _CacheCreation(msgspec.Struct):
    ephemeral_1h_input_tokens: Any = None


class _AnthropicUsage(msgspec.Struct):
    input_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_creation: _CacheCreation | None = None
    service_tier: Any = None
    speed: Any = None


class _Anthropic(msgspec.Struct, rename="camel"):
    usage: _AnthropicUsage | None = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None


class _OpenAI(msgspec.Struct, rename="camel"):
    cached_prompt_tokens: Any = None
    reasoning_tokens: Any = None
    service_tier: Any = None


class _BedrockUsage(msgspec.Struct, rename="camel"):
    cache_read_input_tokens: Any = None
    cache_write_input_tokens: Any = None


class _Bedrock(msgspec.Struct):
    usage: _BedrockUsage | None = None


class _Gateway(msgspec.Struct):
    cost: Any = None


class _OpenRouter(msgspec.Struct):
    usage: _Gateway | None = None


class _Metadata(msgspec.Struct):
    anthropic: _Anthropic | None = None
    openai: _OpenAI | None = None
    azure: _OpenAI | None = None
    bedrock: _Bedrock | None = None
    gateway: _Gateway | None = None
    openrouter: _OpenRouter | None = None


_DECODER = msgspec.json.Decoder(_Metadata)
_NO_ANTHROPIC_USAGE = _AnthropicUsage()
_WORTH_READING = 'flex|priority|batch|fast|"cost"|"ephemeral_1h_input_tokens":[^0]'


def adds_to_counts(column: str) -> pl.Expr:
    """Whether texts may say more than counts of tokens that an AI SDK took from them: tier, writes for an hour, a cost.

    Most calls have none of these, and looking for the words takes a tenth of reading.
    """
    return pl.col(column).str.contains(_WORTH_READING)


def read(text: str) -> Said:
    """What the metadata says; NOTHING if it is not JSON of a shape that is known."""
    try:
        metadata = _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError):  # RecursionError: nested without end
        return NOTHING
    said = _provider_said(metadata)
    gateway = metadata.gateway or (metadata.openrouter and metadata.openrouter.usage)
    return said._replace(cost=_usd(gateway.cost)) if gateway else said


def _provider_said(metadata: _Metadata) -> Said:
    if metadata.anthropic:
        return _anthropic_said(metadata.anthropic)
    openai = metadata.openai or metadata.azure
    if openai:
        return Said(
            cache_read=_count(openai.cached_prompt_tokens),
            reasoning=_count(openai.reasoning_tokens),
            tier=_text(openai.service_tier),
        )
    if metadata.bedrock and metadata.bedrock.usage:
        bedrock = metadata.bedrock.usage
        return Said(
            cache_read=_count(bedrock.cache_read_input_tokens), cache_write=_count(bedrock.cache_write_input_tokens)
        )
    return NOTHING


def _anthropic_said(anthropic: _Anthropic) -> Said:
    usage = anthropic.usage or _NO_ANTHROPIC_USAGE
    beside = (_count(anthropic.cache_read_input_tokens), _count(anthropic.cache_creation_input_tokens))
    return Said(
        cache_read=_count(usage.cache_read_input_tokens, beside[0]),
        cache_write=_count(usage.cache_creation_input_tokens, beside[1]),
        cache_write_1h=_count(usage.cache_creation.ephemeral_1h_input_tokens) if usage.cache_creation else math.nan,
        anthropic_input=_count(usage.input_tokens),
        has_separate_cache=float(anthropic.usage is None and (beside[0] > 0 or beside[1] > 0)),
        tier="fast" if usage.speed == "fast" else _text(usage.service_tier),
    )


def _count(*values: Any) -> float:
    """The first of the values that is a number."""
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return math.nan


def _usd(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
