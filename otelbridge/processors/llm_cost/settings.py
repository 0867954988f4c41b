"""What a user can say about `llm_cost`: limits, and prices of their own as providers publish them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from otelbridge.analysis.prices import MAX_THRESHOLDS, OwnPrice, PriceList, Rates
from otelbridge.core.component import ComponentConfig

MOST_USD = 10_000.0  # per million tokens; ten times the dearest list price there is


class RatesConfig(ComponentConfig):
    """USD per million tokens."""

    input_per_mtok: float = Field(ge=0, le=MOST_USD)
    """Input tokens."""

    output_per_mtok: float = Field(default=0.0, ge=0, le=MOST_USD)
    """Output tokens."""

    cache_read_per_mtok: float | None = Field(default=None, ge=0, le=MOST_USD)
    """Input tokens read from the provider's cache; as other input when not set."""

    cache_write_per_mtok: float | None = Field(default=None, ge=0, le=MOST_USD)
    """Input tokens written to the cache; as other input when not set."""

    cache_write_1h_per_mtok: float | None = Field(default=None, ge=0, le=MOST_USD)
    """Those that are kept for an hour; as other writes when not set."""

    reasoning_per_mtok: float | None = Field(default=None, ge=0, le=MOST_USD)
    """Output tokens spent on reasoning; as other output when not set."""

    per_request: float = Field(default=0.0, ge=0, le=MOST_USD)
    """USD for each request, whatever its size."""

    def rates(self) -> Rates:
        """The same for a price list."""
        read, write = self.cache_read_per_mtok, self.cache_write_per_mtok
        write_1h, reasoning = self.cache_write_1h_per_mtok, self.reasoning_per_mtok
        writes = self.input_per_mtok if write is None else write
        return Rates(
            input=self.input_per_mtok,
            output=self.output_per_mtok,
            cache_read=self.input_per_mtok if read is None else read,
            cache_write=writes,
            cache_write_1h=writes if write_1h is None else write_1h,
            reasoning=self.output_per_mtok if reasoning is None else reasoning,
            request=self.per_request,
        )


class LongInputConfig(RatesConfig):
    """Rates of a call whose input is long."""

    above_input_tokens: int = Field(ge=1)
    """These rates hold for the whole call when its input has more tokens than this."""


class PriceConfig(RatesConfig):
    """The price of a model, or of all that match a pattern. The first entry that matches a call is used."""

    provider: str = "*"
    """Provider by its OpenTelemetry name (`openai`, `aws.bedrock`); `*` and `?` stand for any text and any letter."""

    model: str
    """Model as it is asked for or answers; patterns as above."""

    service_tier: Literal["", "batch", "fast", "flex", "priority"] = ""
    """Only calls of this tier. Empty: all calls."""

    long_input: tuple[LongInputConfig, ...] = Field(default=(), max_length=MAX_THRESHOLDS)
    """Other rates for long input, in ascending order."""

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        thresholds = [item.above_input_tokens for item in self.long_input]
        if thresholds != sorted(set(thresholds)):
            raise ValueError("long_input must be in ascending order of above_input_tokens")
        return self

    def own_price(self) -> OwnPrice:
        """The same for a price book."""
        thresholds = tuple(item.above_input_tokens for item in self.long_input)
        rates = (self.rates(), *(item.rates() for item in self.long_input))
        patterns = (self.provider.lower(), self.model.lower(), self.service_tier)
        return OwnPrice(*patterns, PriceList(thresholds, rates))


class Config(ComponentConfig):
    """Tell what each model call costs, once, and for whom."""

    expensive_call_usd: float = Field(default=1.0, ge=0)
    """A call that cost more leaves a breadcrumb in its transaction."""

    user_day_limit_usd: float = Field(default=50.0, ge=0, le=1e9)
    """A user whose calls cost more than this on one day (UTC, by the end of the call) becomes a finding, once a day."""

    prices: tuple[PriceConfig, ...] = ()
    """Your own prices, for models that no public list has or that you buy for less. The first that matches a call is
    used; other calls are priced by the lists of genai-prices, as bundled with this release."""

    prefer_reported: bool = False
    """Take the cost that the instrumentation or gateway reports instead of computing one. Without it a reported cost
    is used only where none can be computed."""

    remembered_users: int = Field(default=10_000, ge=1)
    """For how many users and days sums are kept, about 300 bytes each; the least recently used leave first."""

    remembered_traces: int = Field(default=10_000, ge=8)
    """How many traces with calls are remembered for spans that come late, about 200 bytes a call. A late repetition of
    a call whose trace is forgotten is billed again."""
