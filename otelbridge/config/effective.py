"""The configuration in force, defaults included, for `print-config`: what a running daemon does and why."""

from __future__ import annotations

from typing import Any

from otelbridge.config.model import SECTIONS, Configuration
from otelbridge.config.writing import plain_data


def effective(configuration: Configuration, *, reveal: bool = False) -> dict[str, Any]:
    """All sections as plain data. Secrets are `[REDACTED]`, unless they are empty or `reveal` is asked for."""
    sections = {
        section: {name: plain_data(item.config, reveal=reveal) for name, item in configuration.components[kind].items()}
        for section, kind in SECTIONS.items()
    }
    return {**sections, "service": plain_data(configuration.service, reveal=reveal)}
