"""The settings: what counts as a spike."""

from __future__ import annotations

from pydantic import Field

from otelbridge.core.component import ComponentConfig


class Config(ComponentConfig):
    """Settings of error_spike."""

    multiplier: float = Field(default=2.0, gt=1, le=100)
    """How many times its normal rate a class of errors must reach."""

    hold_seconds: float = Field(default=300.0, ge=30, le=86_400)
    """For how long without a break. A shorter burst, of a deployment or a restart, is not told."""

    min_failures: int = Field(default=5, ge=1)
    """Fewer failures than this are no spike, however rare they are normally."""

    max_error_types: int = Field(default=50, ge=1, le=1000)
    """How many classes of errors of one service are told apart. The one that did not occur for longest makes room."""

    max_series: int = Field(default=10_000, ge=2, le=100_000)
    """How many classes of all services are remembered, of at most 8 KiB each; those seen least recently leave first."""
