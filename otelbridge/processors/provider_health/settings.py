"""What a user can say about `provider_health`, and the score of one call."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from otelbridge.analysis.grouping import Flags, Integers
from otelbridge.analysis.intervals import Floats
from otelbridge.core.component import ComponentConfig

SUCCESS = 40
FULL, HALF = 30, 15  # for latency and for retries; together with success 100 at most


class Config(ComponentConfig):
    """Score every model call, and notice providers that do badly."""

    fast_below_ms: float = Field(default=2000.0, gt=0)
    """A successful call that took less gets all 30 points for latency."""

    acceptable_below_ms: float = Field(default=5000.0, gt=0)
    """A successful call that took less gets 15 of them."""

    unhealthy_below: float = Field(default=50.0, gt=0, le=100)
    """A provider's model whose mean score over the latest calls is lower becomes a finding."""

    recovery_margin: float = Field(default=10.0, ge=0)
    """The finding is resolved when the mean is at least this much above `unhealthy_below`."""

    window_calls: int = Field(default=50, ge=1, le=1000)
    """How many of the latest calls the mean is over."""

    min_calls: int = Field(default=20, ge=1)
    """With fewer calls nothing is found."""

    max_series: int = Field(default=1000, ge=1)
    """For how many environments, providers and models scores are kept; the least recently used leave first."""

    @model_validator(mode="after")
    def _is_reachable(self) -> Self:
        if self.fast_below_ms > self.acceptable_below_ms:
            raise ValueError("fast_below_ms must not be above acceptable_below_ms")
        if self.min_calls > self.window_calls:
            raise ValueError("min_calls must not be above window_calls")
        if self.unhealthy_below + self.recovery_margin > SUCCESS + 2 * FULL:
            raise ValueError("unhealthy_below and recovery_margin must not add up to more than 100")
        return self

    def scores(self, succeeded: Flags, latency_ms: Floats, retries: Integers) -> Integers:
        """The score of each call, 0 to 100; below 40 for every call that failed, and for no other."""
        for_retries = np.where(retries == 0, FULL, np.where(retries == 1, HALF, 0))
        for_latency = np.where(
            latency_ms < self.fast_below_ms, FULL, np.where(latency_ms < self.acceptable_below_ms, HALF, 0)
        )
        return for_retries + np.where(succeeded, SUCCESS + for_latency, 0)
