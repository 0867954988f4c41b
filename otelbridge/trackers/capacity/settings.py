"""The settings: what has a limit, and how near is near."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from otelbridge.core.component import ComponentConfig
from otelbridge.core.measurements import COLUMNS
from otelbridge.semconv.limits import KNOWN_LIMITS, SENDER
from otelbridge.semconv.selection import Selection

_NO_NAME = re.compile(r"\s*[-+.]?[0-9]")


class Limit(Selection):
    """A measurement with a limit, which each of its series has for itself."""

    limit: Annotated[float, Field(gt=0)] | Annotated[str, Field(min_length=1)] = 1.0
    """Where it is full: a number in the measurement's unit, 1 for what is measured as a share, or the name of the
    measurement that tells it, e.g. `db.client.connection.max`; the columns of `by` say which limit is whose."""

    @field_validator("limit")
    @classmethod
    def _number_or_name(cls, limit: float | str) -> float | str:
        """A number that is text by mistake would be waited for as a metric, without a word."""
        if not isinstance(limit, str) or not _NO_NAME.match(limit):
            return limit
        try:
            float(limit)
        except ValueError:
            raise ValueError("neither a number nor a name: no measurement's begins with a digit") from None
        raise ValueError("this is text: write a number, without quotes")

    where: dict[str, str] = Field(default_factory=dict)
    """Columns that must have this value for a row to count, e.g. `db.client.connection.state: used`."""

    @field_validator("where")
    @classmethod
    def _by_attributes(cls, where: dict[str, str]) -> dict[str, str]:
        for column in where:
            if column in COLUMNS:
                raise ValueError(f"{column!r} is no attribute of a measurement")
        return where

    per: Literal["day"] | None = None
    """`day`: what is used up in a day (UTC) must stay below the limit, e.g. tokens. Otherwise each value must."""

    @property
    def names(self) -> frozenset[str]:
        """The measurements it needs."""
        return frozenset({self.measurement, *([self.limit] if isinstance(self.limit, str) else [])})

    @property
    def columns(self) -> frozenset[str]:
        """The columns it needs of them."""
        return frozenset({*self.keys(), *self.where})


class Config(ComponentConfig):
    """Settings of capacity."""

    limits: tuple[Limit, ...] = ()
    """What has a limit that only you know."""

    known_limits: bool = True
    """In a pipeline `metrics`: watch what OpenTelemetry's own metrics say about limits, too: connection pools, memory,
    file systems, the event loop of Node.js. `otelbridge components --measurements` lists them."""

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

    def watched(self) -> tuple[Limit, ...]:
        """All limits; one of the user's takes the place of a known one of the same series."""
        known = KNOWN if self.known_limits else ()
        own = {(one.measurement, one.keys()) for one in self.limits}
        return (*self.limits, *(one for one in known if (one.measurement, one.keys()) not in own))


KNOWN = tuple(
    Limit(measurement=one.metric, limit=one.limit, by=(*SENDER, *one.by), where=dict(one.where)) for one in KNOWN_LIMITS
)
"""The limits of `semconv.limits` ..."""
MISCOUNTED = tuple(limit for limit, one in zip(KNOWN, KNOWN_LIMITS, strict=True) if one.is_miscounted)
"""... and those whose values may be impossible."""
