"""Pauses that destinations ask for, per category."""

from __future__ import annotations

from collections.abc import Iterable

ALL = ""  # the category that stands for every category


class RateLimits:
    """Until when which category of which destination is paused."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def update(self, destination: str, limits: Iterable[tuple[frozenset[str], float]], now: float) -> None:
        """Take over limits as (categories, seconds); no category means all. The later of two ends stands."""
        for categories, seconds in limits:
            for category in categories or {ALL}:
                key = (destination, category)
                self._until[key] = max(self._until.get(key, 0.0), now + seconds)

    def until(self, destination: str, category: str) -> float:
        """When the category may be sent to again; 0.0 when it was never limited."""
        return max(self._until.get((destination, category), 0.0), self._until.get((destination, ALL), 0.0))
