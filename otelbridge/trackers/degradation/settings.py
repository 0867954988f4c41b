"""The settings: which measurements are watched, and how much worse is worth telling."""

from __future__ import annotations

from pydantic import Field, field_validator

from otelbridge.core.component import ComponentConfig
from otelbridge.semconv.measurements import (
    DB_QUERY_DURATION,
    HTTP_ROUTE_DURATION,
    LLM_LATENCY,
    LLM_TTFT,
    MCP_CALL_DURATION,
)
from otelbridge.semconv.selection import Selection


class Watch(Selection):
    """One measurement to watch."""

    min_increase: float = Field(default=0.2, gt=0, le=100)
    """How much slower is worth telling, as a share of the level before: 0.2 is 20 %."""

    min_tail_increase: float = Field(default=0.4, gt=0, le=100)
    """The same for the slowest tenth alone (the 90th percentile), while the middle stays as it was."""

    min_change: float = Field(default=0.0, ge=0)
    """The same in the measurement's own unit: changes of less are not told, however large the share."""

    hold_seconds: float = Field(default=30.0, ge=0, le=86_400)
    """How long it must last: what is over sooner is not told, however many values there were."""


# Least changes in ms that a person or the next service would notice; below them a share of a fast thing is noise.
DEFAULT_WATCH = (
    Watch(measurement=DB_QUERY_DURATION.name, min_change=2.0),
    Watch(measurement=HTTP_ROUTE_DURATION.name, min_change=10.0),
    Watch(measurement=LLM_TTFT.name, min_change=100.0),
    Watch(measurement=LLM_LATENCY.name, min_change=200.0),
    Watch(measurement=MCP_CALL_DURATION.name, min_change=10.0),
)


class Config(ComponentConfig):
    """Settings of degradation."""

    watch: tuple[Watch, ...] = DEFAULT_WATCH
    """The measurements to watch. By default: queries, HTTP routes, time to the first token, model calls, tool calls."""

    max_series: int = Field(default=10_000, ge=1, le=100_000)
    """How many series are remembered, of at most 8 KiB each. When there are more, those seen least recently are
    forgotten, and counted."""

    @field_validator("watch")
    @classmethod
    def _differ(cls, watch: tuple[Watch, ...]) -> tuple[Watch, ...]:
        seen = [(one.measurement, one.keys()) for one in watch]
        for one in seen:
            if seen.count(one) > 1:
                raise ValueError(f"{one[0]!r} is watched twice by the same columns")
        return watch
