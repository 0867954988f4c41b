"""What a degradation detector could be instead: each as a function from a stream to the indices of its alerts."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.detection.signals import Stream
from otelbridge.analysis import DegradationDetector

NAIVE_WINDOW = 100
NAIVE_INCREASE = 0.20


@dataclass(frozen=True, slots=True)
class Rival:
    """A detector."""

    name: str
    alerts: Callable[[Stream], tuple[list[int], int]]
    """Indices of the values at which it alerts, and the bytes of its state at the end."""


def ours(block_size: int = 32) -> Callable[[Stream], tuple[list[int], int]]:
    """The detector of this project, fed with the whole stream at once."""

    def alerts(stream: Stream) -> tuple[list[int], int]:
        detector = DegradationDetector(block_size=block_size)
        events = detector.update_many(stream.timestamps, stream.values)
        times = [event["time"] for event in events if event["kind"] == "alert"]
        return np.searchsorted(stream.timestamps, times).tolist(), len(detector.snapshot())

    return alerts


def ours_one_by_one(stream: Stream) -> tuple[list[int], int]:
    """The same, value by value."""
    detector = DegradationDetector()
    update = detector.update
    found = []
    for index, (time, value) in enumerate(zip(stream.timestamps.tolist(), stream.values.tolist(), strict=True)):
        event = update(time, value)
        if event is not None and event["kind"] == "alert":
            found.append(index)
    return found, len(detector.snapshot())


def naive(stream: Stream) -> tuple[list[int], int]:
    """The last 100 values: an alert at each while the mean of the second half is 20 % above that of the first."""
    half = NAIVE_WINDOW // 2
    window: deque[float] = deque()
    first = second = 0.0
    found = []
    for index, value in enumerate(stream.values.tolist()):
        window.append(value)
        second += value
        if len(window) > half:
            crossing = window[-half - 1]
            second -= crossing
            first += crossing
        if len(window) > NAIVE_WINDOW:
            first -= window.popleft()
        if len(window) == NAIVE_WINDOW and second > first * (1 + NAIVE_INCREASE):
            found.append(index)
    return found, len(pickle.dumps(window))


def _river(make: Callable[[], Any]) -> Callable[[Stream], tuple[list[int], int]]:
    def alerts(stream: Stream) -> tuple[list[int], int]:
        detector = make()
        update = detector.update
        found = []
        for index, value in enumerate(stream.values.tolist()):
            update(value)
            if detector.drift_detected:
                found.append(index)
        return found, len(pickle.dumps(detector))

    return alerts


def rivals() -> tuple[list[Rival], str | None]:
    """All that can be had, and what to say when some cannot."""
    found = [Rival("otelbridge", ours()), Rival("naive, 100 values", naive)]
    try:
        from river import drift
    except ImportError:
        return found, "river is not installed (`pip install --group bench`): ADWIN and PageHinkley are left out."
    found.append(Rival("river ADWIN", _river(drift.ADWIN)))
    found.append(Rival("river PageHinkley", _river(lambda: drift.PageHinkley(mode="up"))))
    return found, None
