"""Level changes in durations: what each detector finds of the changes, and what it makes up.

A change is found by an alert between its first value and a horizon after it; any other alert is false. `clean` counts
only what was found on streams without a false alarm: to alert all the time finds everything.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.detection.degradation_rivals import Rival, ours_one_by_one, rivals
from bench.detection.degradation_streams import NEGATIVE, POSITIVE, Scenario, stationary, streams
from bench.detection.signals import Stream
from otelbridge.analysis import DegradationDetector
from otelbridge.analysis.degradation.settings import Settings


@dataclass(slots=True)
class Score:
    """What a detector did on some streams."""

    streams: int = 0
    silent: int = 0
    changes: int = 0
    found: int = 0
    found_clean: int = 0
    hits: int = 0
    false: int = 0
    values: int = 0
    seconds: float = 0.0
    state_bytes: int = 0
    delays: list[int] = field(default_factory=list)

    def add(self, stream: Stream, alerts: list[int]) -> None:
        """Judge the alerts of one stream."""
        hits = [0] * len(stream.changes)
        false = 0
        for alert in alerts:
            for index, (start, horizon) in enumerate(stream.changes):
                if start <= alert <= horizon:
                    if hits[index] == 0:
                        self.delays.append(alert - start)
                    hits[index] += 1
                    break
            else:
                false += 1
        found = sum(hit > 0 for hit in hits)
        self.streams += 1
        self.silent += false == 0
        self.changes += len(hits)
        self.found += found
        self.found_clean += found if false == 0 else 0
        self.hits += sum(hits)
        self.false += false
        self.values += len(stream.values)

    def merge(self, other: Score) -> None:
        """Both together."""
        for name in ("streams", "silent", "changes", "found", "found_clean", "hits", "false", "values", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.state_bytes = max(self.state_bytes, other.state_bytes)
        self.delays += other.delays


Scores = dict[str, dict[str, Score]]


def run(detectors: list[Rival], count: int, seed: int) -> Scores:
    """Scores of each detector, by scenario."""
    scores: Scores = {rival.name: {} for rival in detectors}
    for scenario in POSITIVE + NEGATIVE:
        for stream in streams(scenario, count, seed):
            for rival in detectors:
                score = scores[rival.name].setdefault(scenario.__name__, Score())
                start = time.process_time()
                alerts, state_bytes = rival.alerts(stream)
                score.seconds += time.process_time() - start
                score.state_bytes = max(score.state_bytes, state_bytes)
                score.add(stream, alerts)
    return scores


def total(by_scenario: dict[str, Score], scenarios: tuple[Scenario, ...]) -> Score:
    """All of these scenarios together."""
    score = Score()
    for scenario in scenarios:
        score.merge(by_scenario[scenario.__name__])
    return score


def report(count: int, seed: int) -> Iterator[str]:
    """The tables, as Markdown."""
    detectors, missing = rivals()
    yield "## Level changes in durations"
    yield ""
    yield f"{count} streams a scenario, {len(POSITIVE)} with changes and {len(NEGATIVE)} without, seed {seed}."
    if missing:
        yield f"**{missing}**"
    scores = run(detectors, count, seed)
    yield ""
    yield from _overview(scores)
    yield ""
    yield from _changes(scores)
    yield ""
    yield from _false_alarms(scores)
    yield ""
    yield from _cost(seed)


def _overview(scores: Scores) -> Iterator[str]:
    head = ("found", "found, clean", "silent negatives", "false per 10,000", "alerts per change", "us a value", "bytes")
    yield "| detector | " + " | ".join(head) + " |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for name, by_scenario in scores.items():
        positive, negative = total(by_scenario, POSITIVE), total(by_scenario, NEGATIVE)
        both = Score()
        both.merge(positive)
        both.merge(negative)
        yield (
            f"| {name} | {positive.found / positive.changes:.3f} | {positive.found_clean / positive.changes:.3f} "
            f"| {negative.silent / negative.streams:.3f} | {negative.false / negative.values * 1e4:.3f} "
            f"| {positive.hits / max(positive.found, 1):.2f} | {both.seconds / both.values * 1e6:.2f} "
            f"| {both.state_bytes:,} |"
        )


def _changes(scores: Scores) -> Iterator[str]:
    yield "Changes: found clean, and median delay in values"
    yield ""
    yield "| scenario | " + " | ".join(scores) + " |"
    yield "|---|" + "--:|" * len(scores)
    for scenario in POSITIVE:
        cells = []
        for by_scenario in scores.values():
            score = by_scenario[scenario.__name__]
            delay = f"{statistics.median(score.delays):,.0f}" if score.delays else "-"
            cells.append(f"{score.found_clean / score.changes:.2f}, {delay}")
        yield f"| {scenario.__name__} | " + " | ".join(cells) + " |"


def _false_alarms(scores: Scores) -> Iterator[str]:
    yield "No changes: share of silent streams, and false alarms per 10,000 values"
    yield ""
    yield "| scenario | " + " | ".join(scores) + " |"
    yield "|---|" + "--:|" * len(scores)
    for scenario in NEGATIVE:
        cells = []
        for by_scenario in scores.values():
            score = by_scenario[scenario.__name__]
            cells.append(f"{score.silent / score.streams:.2f}, {score.false / score.values * 1e4:.2f}")
        yield f"| {scenario.__name__} | " + " | ".join(cells) + " |"


def _cost(seed: int) -> Iterator[str]:
    """CPU a value, and the memory of one series."""
    many = list(streams(stationary, 20, seed))
    values = sum(len(stream.values) for stream in many)
    detector = DegradationDetector()
    start = time.process_time()
    for stream in many:
        detector = DegradationDetector()
        detector.update_many(stream.timestamps, stream.values)
    at_once = (time.process_time() - start) / values * 1e6
    start = time.process_time()
    for stream in many:
        ours_one_by_one(stream)
    singly = (time.process_time() - start) / values * 1e6
    yield (
        f"otelbridge: {at_once:.2f} us a value by update_many, {singly:.2f} by update; "
        f"{deep_bytes(detector):,} bytes a series in memory, {len(detector.snapshot()):,} in a snapshot."
    )


def deep_bytes(thing: Any, seen: set[int] | None = None) -> int:
    """Bytes of an object and of all that it refers to, but for the settings, which all series share."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, Settings):
        return 0
    seen.add(id(thing))
    size = sys.getsizeof(thing)
    if isinstance(thing, np.ndarray):
        return size + (deep_bytes(thing.base, seen) if thing.base is not None else 0)
    if isinstance(thing, (list, tuple)):
        return size + sum(deep_bytes(part, seen) for part in thing)
    for slots in (getattr(kind, "__slots__", ()) for kind in type(thing).__mro__):
        size += sum(deep_bytes(getattr(thing, name), seen) for name in slots if hasattr(thing, name))
    return size + sum(deep_bytes(part, seen) for part in getattr(thing, "__dict__", {}).values())
