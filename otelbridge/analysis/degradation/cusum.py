"""Two one-sided cumulative sums of how far blocks lie beyond what is allowed."""

from __future__ import annotations

from otelbridge.analysis.degradation.settings import CEILING, CLIP


class Cusum:
    """`up` and `down` with the number of the block at which each last left zero.

    A block adds its distance beyond the allowance in spreads, at most `CLIP`, so that a sum speaks of several blocks.
    """

    __slots__ = ("down", "down_start", "up", "up_start")

    def __init__(self) -> None:
        self.up = self.down = 0.0
        self.up_start = self.down_start = 0

    def add(self, number: int, above: float, below: float, allowance: float, spread: float) -> None:
        """Block `number` lies `above` the highest that was expected and `below` the lowest."""
        score = (above - allowance) / spread
        score = CLIP if score > CLIP else -CLIP if score < -CLIP else score
        if self.up == 0.0:
            self.up_start = number
        total = self.up + score
        self.up = 0.0 if total <= 0.0 else CEILING if total > CEILING else total
        score = (below - allowance) / spread
        score = CLIP if score > CLIP else -CLIP if score < -CLIP else score
        if self.down == 0.0:
            self.down_start = number
        total = self.down + score
        self.down = 0.0 if total <= 0.0 else CEILING if total > CEILING else total

    def clear(self) -> None:
        """Nothing is suspicious."""
        self.up = self.down = 0.0
