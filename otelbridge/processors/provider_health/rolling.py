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
    """What is saved of a series: its latest scores, one byte each, newest last; and whether their mean was low."""

    scores: bytes = b""
    is_low: bool = False


class Window:
    """The latest scores of a series, and their sum, because it is asked for at every call."""

    __slots__ = ("is_low", "scores", "total")

    def __init__(self, saved: Series) -> None:
        self.scores = saved.scores
        self.total = sum(saved.scores)
        self.is_low = saved.is_low
        """Whether the mean was found to be low."""

    @property
    def calls(self) -> int:
        """How many calls the mean is over."""
        return len(self.scores)

    @property
    def mean(self) -> float:
        """Mean score."""
        return self.total / len(self.scores)

    @property
    def failed(self) -> int:
        """How many of the calls failed."""
        return sum(score < SUCCESS for score in self.scores)


class RollingScores:
    """Series by key, some 300 bytes each and a byte a call; the least recently used leave first."""

    def __init__(self, config: Config) -> None:
        self._length, self._min_calls = config.window_calls, config.min_calls
        self._low = config.unhealthy_below
        self._recovered = config.unhealthy_below + config.recovery_margin
        self._max_series = config.max_series
        self._windows: OrderedDict[Key, Window] = OrderedDict()
        self.forgotten = 0
        """Series that left because there were too many."""

    def add(self, key: Key, score: int) -> tuple[Window, Change | None]:
        """Add a call; says whether the series became bad by it, or good again."""
        window = self._windows.get(key)
        if window is None:
            window = self._begin(key)
        self._windows.move_to_end(key)
        scores = window.scores + _BYTES[score]
        total = window.total + score
        if len(scores) > self._length:
            total -= scores[0]
            scores = scores[1:]
        window.scores, window.total = scores, total
        mean = total / len(scores)
        if window.is_low:
            if mean >= self._recovered:
                window.is_low = False
                return window, "resolved"
        elif mean < self._low and len(scores) >= self._min_calls:
            window.is_low = True
            return window, "raised"
        return window, None

    def _begin(self, key: Key) -> Window:
        window = self._windows[key] = Window(Series())
        if len(self._windows) > self._max_series:
            self._windows.popitem(last=False)
            self.forgotten += 1
        return window

    def save(self) -> list[tuple[Key, Series]]:
        """The series, least recently used first."""
        return [(key, Series(window.scores, window.is_low)) for key, window in self._windows.items()]

    def load(self, saved: list[tuple[Key, Series]], forgotten: int) -> None:
        """Take over what `save` gave."""
        latest = ((key, Series(series.scores[-self._length :], series.is_low)) for key, series in saved)
        self._windows = OrderedDict((key, Window(series)) for key, series in latest)
        self.forgotten = forgotten


_BYTES = [bytes((score,)) for score in range(256)]
