"""Mean scores over the latest calls of each series, and when one becomes bad or good again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import msgspec

from otelbridge.processors.provider_health.settings import SUCCESS, Config

Key = tuple[str, str, str]
"""Environment, provider and model; "" for what is unknown."""

Change = Literal["raised", "resolved"]


class Series(msgspec.Struct, array_like=True):
    """The latest scores, one byte each, newest last; and whether their mean was found to be low."""

    scores: bytes = b""
    is_low: bool = False

    @property
    def calls(self) -> int:
        """How many calls the mean is over."""
        return len(self.scores)

    @property
    def mean(self) -> float:
        """Mean score."""
        return sum(self.scores) / len(self.scores)

    @property
    def failed(self) -> int:
        """How many of the calls failed."""
        return sum(score < SUCCESS for score in self.scores)


class RollingScores:
    """Series by key, some 300 bytes each and a byte a call; the least recently used leave first."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._series: OrderedDict[Key, Series] = OrderedDict()
        self.forgotten = 0
        """Series that left because there were too many."""

    def add(self, key: Key, score: int) -> tuple[Series, Change | None]:
        """Add a call; says whether the series became bad by it, or good again."""
        series = self._series.get(key)
        if series is None:
            series = self._begin(key)
        self._series.move_to_end(key)
        series.scores = (series.scores + bytes((score,)))[-self._config.window_calls :]
        if series.is_low:
            if series.mean >= self._config.unhealthy_below + self._config.recovery_margin:
                series.is_low = False
                return series, "resolved"
        elif series.calls >= self._config.min_calls and series.mean < self._config.unhealthy_below:
            series.is_low = True
            return series, "raised"
        return series, None

    def _begin(self, key: Key) -> Series:
        series = self._series[key] = Series()
        if len(self._series) > self._config.max_series:
            self._series.popitem(last=False)
            self.forgotten += 1
        return series

    def save(self) -> list[tuple[Key, Series]]:
        """The series, least recently used first; to be encoded before the next `add` changes them."""
        return list(self._series.items())

    def load(self, saved: list[tuple[Key, Series]], forgotten: int) -> None:
        """Take over what `save` gave."""
        self._series = OrderedDict(saved)
        self.forgotten = forgotten
