"""The settings: what has a limit, and how near is near."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from otelbridge.core.component import ComponentConfig
from otelbridge.semconv.measurements import (
    ERROR_RATE,
    LLM_COST,
    LLM_TOKENS,
    MEASUREMENTS,
    SERVICE_CALL,
    check_keys,
    keys_of,
)

_COUNTED = {ERROR_RATE.name, SERVICE_CALL.name}


class Limit(ComponentConfig):
    """A measurement with a limit."""

    measurement: str = Field(min_length=1)
    """Its name, e.g. `llm.tokens`, or one of your own (`span_metrics`)."""

    limit: float = Field(default=1.0, gt=0)
    """Where it is full, in the measurement's unit; 1 for what is measured as a share."""

    per: Literal["day"] | None = None
    """`day`: what is used up in a day (UTC) must stay below the limit, e.g. tokens. Otherwise each value must."""

    by: tuple[str, ...] | None = None
    """Columns that tell its series apart, each with the whole limit: by default all keys of the measurement, or the
    environment and the service for one of your own. `[]` makes one series of everything."""

    @field_validator("measurement")
    @classmethod
    def _is_no_count(cls, name: str) -> str:
        if name in _COUNTED:
            raise ValueError("this one counts failures and fills nothing")
        return name

    @field_validator("by")
    @classmethod
    def _by_its_keys(cls, by: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        check_keys(info.data.get("measurement"), by)
        return by

    def keys(self) -> tuple[str, ...]:
        """Columns that tell the series apart."""
        return keys_of(self.measurement, self.by)

    @property
    def unit(self) -> str:
        """Of the measurement; "" for one that the catalogue does not know."""
        kind = MEASUREMENTS.get(self.measurement)
        return kind.unit if kind else ""


class Config(ComponentConfig):
    """Settings of capacity."""

    limits: tuple[Limit, ...] = Field(
        default=(),
        examples=[
            (
                Limit(measurement=LLM_TOKENS.name, limit=10_000_000, per="day", by=("gen_ai.provider.name",)),
                Limit(measurement=LLM_COST.name, limit=100, per="day", by=()),
            )
        ],
    )
    """What has a limit. Nothing is watched by default: only you know your limits."""

    hours_ahead: float = Field(default=2.0, gt=0, le=168)
    """Tell when it will be full within this time, if it goes on as it does."""

    max_utilization: float = Field(default=0.85, gt=0, le=1)
    """Tell when it stays above this share of its limit, however slowly it grows."""

    max_series: int = Field(default=10_000, ge=1, le=100_000)
    """How many series are remembered, of at most 8 KiB each; those seen least recently leave first."""

    @field_validator("limits")
    @classmethod
    def _differ(cls, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
        seen = [(one.measurement, one.keys(), one.per) for one in limits]
        for one in seen:
            if seen.count(one) > 1:
                raise ValueError(f"{one[0]!r} has two limits by the same columns")
        return limits
