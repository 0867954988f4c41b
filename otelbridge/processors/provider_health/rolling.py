"""Mean scores over the latest calls of each series, and when one becomes bad or good again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from otelbridge.analysis.grouping import Integers
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
        self._length, self._min_calls = config.window_calls, config.min_calls
        self._low = config.unhealthy_below
        self._recovered = config.unhealthy_below + config.recovery_margin
        self._max_series = config.max_series
        self._series: OrderedDict[Key, Series] = OrderedDict()
        self.forgotten = 0
        """Series that left because there were too many."""

    def add_all(
        self, keys: Sequence[Key], key_of_call: Integers, scores: Integers
    ) -> Iterator[tuple[int, Key, Series, Change]]:
        """As `add` of each call; yields the calls by which a series became bad or good again, series by series.

        Args:
            keys: all of them are called.
            key_of_call: places among the keys, in the order of the calls.
            scores: of the calls.
        """
        if len(self._series.keys() | {*keys}) > self._max_series:  # who has to leave depends on the order of the calls
            for place, (number, score) in enumerate(zip(key_of_call.tolist(), scores.tolist(), strict=True)):
                series, change = self.add(keys[number], score)
                if change is not None:
                    yield place, keys[number], series, change
            return
        last = np.zeros(len(keys), np.int64)
        last[key_of_call] = np.arange(len(key_of_call))
        for number in np.argsort(last).tolist():
            series = self._used(keys[number])
            places = np.flatnonzero(key_of_call == number)
            added = scores[places]
            if self._stays(series, added):
                series.scores = (series.scores + added.astype(np.uint8).tobytes())[-self._length :]
                continue
            for place, score in zip(places.tolist(), added.tolist(), strict=True):
                change = self._append(series, score)
                if change is not None:
                    yield place, keys[number], series, change

    def _stays(self, series: Series, added: Integers) -> bool:
        """Whether the series remains as good or bad as it is through all these calls."""
        known = len(series.scores)
        sums = np.cumsum(np.concatenate((np.frombuffer(series.scores, np.uint8), added)))
        stops = np.arange(known, len(sums))
        starts = np.maximum(stops + 1 - self._length, 0)
        means = (sums[stops] - np.where(starts > 0, sums[starts - 1], 0)) / (stops + 1 - starts)
        if series.is_low:
            return not (means >= self._recovered).any()
        return not ((means < self._low) & (stops + 1 - starts >= self._min_calls)).any()

    def add(self, key: Key, score: int) -> tuple[Series, Change | None]:
        """Add a call; says whether the series became bad by it, or good again."""
        series = self._used(key)
        return series, self._append(series, score)

    def _used(self, key: Key) -> Series:
        series = self._series.get(key)
        if series is None:
            series = self._begin(key)
        self._series.move_to_end(key)
        return series

    def _append(self, series: Series, score: int) -> Change | None:
        series.scores = (series.scores + bytes((score,)))[-self._length :]
        if series.is_low:
            if series.mean >= self._recovered:
                series.is_low = False
                return "resolved"
        elif series.calls >= self._min_calls and series.mean < self._low:
            series.is_low = True
            return "raised"
        return None

    def _begin(self, key: Key) -> Series:
        series = self._series[key] = Series()
        if len(self._series) > self._max_series:
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
