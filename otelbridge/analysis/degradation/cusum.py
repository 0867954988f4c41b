"""Two one-sided cumulative sums of how far blocks lie beyond what is allowed."""

from __future__ import annotations

from otelbridge.analysis.degradation.settings import CEILING, CLIP

CusumState = tuple[float, int, float, int]


class Cusum:
    """`up` and `down`, and the number of the block at which each last left zero.

    A block adds its distance beyond the allowance in spreads, at most `CLIP`, so that a sum speaks of several blocks.
    """

    __slots__ = ("down", "down_start", "up", "up_start")

    def __init__(self) -> None:
        self.up = self.down = 0.0
        self.up_start = self.down_start = 0

    def add(self, number: int, above: float, below: float, allowance: float, spread: float) -> None:
        """Block `number` lies `above` the highest that was expected and `below` the lowest."""
        if self.up == 0.0:
            self.up_start = number
        score = (above - allowance) / spread
        total = self.up + (CLIP if score > CLIP else -CLIP if score < -CLIP else score)
        self.up = 0.0 if total <= 0.0 else CEILING if total > CEILING else total
        if self.down == 0.0:
            self.down_start = number
        score = (below - allowance) / spread
        total = self.down + (CLIP if score > CLIP else -CLIP if score < -CLIP else score)
        self.down = 0.0 if total <= 0.0 else CEILING if total > CEILING else total

    def clear(self) -> None:
        """Nothing is suspicious."""
        self.up = self.down = 0.0

    def suspect_since(self, limit: float, otherwise: int) -> int:
        """Number of the first block that led to a sum above `limit`."""
        since = otherwise
        if self.up > limit:
            since = min(since, self.up_start)
        if self.down > limit:
            since = min(since, self.down_start)
        return since

    def state(self) -> CusumState:
        """Everything, exactly."""
        return self.up, self.up_start, self.down, self.down_start

    def take(self, state: CusumState) -> None:
        """Become what `state` described."""
        self.up, self.up_start, self.down, self.down_start = state
