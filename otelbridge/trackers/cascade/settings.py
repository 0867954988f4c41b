"""The settings: how many services, how close together."""

from __future__ import annotations

from pydantic import Field

from otelbridge.core.component import ComponentConfig


class Config(ComponentConfig):
    """Settings of cascade."""

    min_services: int = Field(default=3, ge=2, le=100)
    """As many services must fail together, databases and model providers among them."""

    window_seconds: float = Field(default=30.0, ge=5, le=600)
    """Within so long they must begin to."""

    max_services: int = Field(default=2_000, ge=10, le=100_000)
    """How many services and peers are remembered, of at most 1 KiB each; those seen least recently leave first."""

    max_calls: int = Field(default=10_000, ge=10, le=1_000_000)
    """How many pairs of caller and callee are remembered, of at most 200 bytes each."""
