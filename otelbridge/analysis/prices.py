"""What a model's tokens cost: the price lists of genai-prices, with the user's own prices before them.

genai-prices ships its lists inside the package; nothing here asks the network. Its own calculation works on Decimals
and costs some 40 us a call, so only its lookup is used: it gives rates, and rates can be joined to any number of
calls. What a rate applies to follows its rules: tokens without a rate of their own (cache reads, reasoning) cost what
the tokens they are part of cost, and a tier applies to the whole call once its input exceeds the threshold.

A model that no list knows, or that has no price per token (speech by the hour, pages), has no rates: never zero ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

MAX_MODELS_REMEMBERED = 4096  # lookups by (provider, model), about 300 bytes each; a miss costs some 100 us
TIME_SLOT_SECONDS = 900  # prices change at midnight UTC, or at quarters of an hour where a provider has off-peak rates
MAX_THRESHOLDS = 3  # at most 2 in genai-prices 0.2.3; a list with more is treated as unknown, never mispriced

_LIST_OF_PROVIDER = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
_CONTEXT_OF_TIER: Mapping[str, Mapping[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
"""Names of price tiers that differ from the standard one, as genai-prices selects them."""

TIERS = frozenset(_CONTEXT_OF_TIER)


@dataclass(frozen=True, slots=True)
class Rates:
    """USD for a million tokens of a kind; `request` is USD for one request, whatever its size."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    reasoning: float
    request: float = 0.0


@dataclass(frozen=True, slots=True)
class PriceList:
    """Rates by size of the input: `rates[i]` holds above `thresholds[i - 1]` input tokens, `rates[0]` below."""

    thresholds: tuple[int, ...]
    rates: tuple[Rates, ...]


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A price list that a user gave for calls whose provider and model match the patterns (`*` and `?`, lower case).

    `tier` "" applies whatever the tier.
    """

    provider: str
    model: str
    tier: str
    prices: PriceList


class PriceBook:
    """Finds price lists. What was looked up is remembered; the answer depends on the arguments alone."""

    def __init__(self, own: Sequence[OwnPrice] = ()) -> None:
        self._own = tuple(own)
        self._providers: list[Provider] = get_snapshot().providers
        self._models: OrderedDict[tuple[str | None, str], tuple[ModelInfo, bool] | None] = OrderedDict()

    def find(self, provider: str | None, model: str, tier: str, at: float) -> PriceList | None:
        """The price list of a model at a time (seconds since the epoch); None when there is none.

        `provider` is a name as `semconv.providers` gives it; None looks for a provider by the model's name.
        `tier` is one of TIERS; anything else is the standard one.
        """
        own = self._find_own(provider, model, tier)
        if own is not None:
            return own
        found = self._find_model(provider, model)
        if found is None:
            return None
        info, has_variants = found
        context = _CONTEXT_OF_TIER.get(tier) if has_variants else None
        return _price_list(info.get_prices(datetime.fromtimestamp(at, UTC), context))

    def _find_own(self, provider: str | None, model: str, tier: str) -> PriceList | None:
        for own in self._own:
            fits = fnmatchcase((provider or "").lower(), own.provider) and fnmatchcase(model.lower(), own.model)
            if fits and own.tier in ("", tier):
                return own.prices
        return None

    def _find_model(self, provider: str | None, model: str) -> tuple[ModelInfo, bool] | None:
        key = (provider, model)
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key]
        found = self._models[key] = self._look_up(provider, model.lower())
        if len(self._models) > MAX_MODELS_REMEMBERED:
            self._models.popitem(last=False)
        return found

    def _look_up(self, provider: str | None, model: str) -> tuple[ModelInfo, bool] | None:
        """The model, and whether its variants by tier apply: not to another provider's model, says genai-prices."""
        identifier = _LIST_OF_PROVIDER.get(provider, provider) if provider is not None else None
        publisher = self._publisher(model) if identifier is None else self._by_id(identifier)
        if publisher is None:
            return None
        info = publisher.find_model(model, all_providers=self._providers)
        return None if info is None else (info, any(info is candidate for candidate in publisher.models))

    def _publisher(self, model: str) -> Provider | None:
        matches = (
            item for item in self._providers if item.model_match is not None and item.model_match.is_match(model)
        )
        return next(matches, None)

    def _by_id(self, identifier: str) -> Provider | None:
        return next((item for item in self._providers if item.id == identifier), None)


def _price_list(price: ModelPrice) -> PriceList | None:
    given = {name: value for name, value in price.__dict__.items() if value is not None}
    sells_other_output = "output_mtok" not in given and any(name.startswith("output_") for name in given)
    if "input_mtok" not in given or sells_other_output:
        return None
    thresholds = sorted(
        {tier.start for value in given.values() if isinstance(value, TieredPrices) for tier in value.tiers}
    )
    if len(thresholds) > MAX_THRESHOLDS:
        return None
    return PriceList(tuple(thresholds), tuple(_rates(given, above) for above in (-1, *thresholds)))


def _rates(given: Mapping[str, Decimal | TieredPrices], above: int) -> Rates:
    """The rates for input above a number of tokens."""

    def per_million(name: str, otherwise: float) -> float:
        value = given.get(name)
        if value is None:
            return otherwise
        if isinstance(value, TieredPrices):
            reached = [tier.price for tier in value.tiers if tier.start <= above]
            value = reached[-1] if reached else value.base
        return float(value)

    read = per_million("input_mtok", 0.0)
    write = per_million("cache_write_mtok", read)
    output = per_million("output_mtok", 0.0)
    return Rates(
        input=read,
        output=output,
        cache_read=per_million("cache_read_mtok", read),
        cache_write=write,
        cache_write_1h=per_million("cache_write_1h_mtok", write),
        reasoning=per_million("output_reasoning_mtok", output),
        request=per_million("requests_kcount", 0.0) / 1000,
    )
