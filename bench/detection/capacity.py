"""python -m bench.detection.capacity [streams] [seed]: approaches to saturation found, missed and imagined.

Beside a naive rival: least squares over the last 30 samples, an alert at each that leaves less than two hours or is
above 0.85.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bench.detection.scoring import HEADER, Score, table, total
from bench.detection.utilisation_streams import HIGH, HORIZON_HOURS, NEGATIVE, POSITIVE, Builder, Stream, draw
from otelbridge.analysis import SaturationDetector

EARLY_SECONDS = 900
"""An alert this long before an approach is one: the pace that is true then is a fifth from alarming."""
LATE_SECONDS = 1800
POINTS = 30


def ours(stream: Stream) -> list[float]:
    """The times of the alerts of the detector with its defaults."""
    events = SaturationDetector().update_many(stream.times, stream.values)
    return [event["time"] for event in events if event["kind"] == "alert"]


def naive(stream: Stream) -> list[float]:
    """The times of the rival's alerts."""
    around = np.arange(POINTS) - (POINTS - 1) / 2
    windows = sliding_window_view(stream.values, POINTS)
    per_second = windows @ around / (around @ around) / (stream.times[1] - stream.times[0])
    now = stream.values[POINTS - 1 :]
    left = (1.0 - now) / np.maximum(per_second, 1e-12)
    alarming = (left < HORIZON_HOURS * 3600) | (now > HIGH)
    return stream.times[POINTS - 1 :][alarming].tolist()


def streams(name: str, builder: Builder, count: int, seed: int) -> Iterator[Stream]:
    """`count` streams of a scenario; a name and a seed always give the same."""
    for number in range(count):
        yield draw(builder, np.random.default_rng([seed, zlib.crc32(name.encode()), number]))


def evaluate(find: Callable[[Stream], list[float]], name: str, builder: Builder, count: int, seed: int) -> Score:
    """Score a detector on a scenario."""
    score = Score()
    for stream in streams(name, builder, count, seed):
        changes = [(start - EARLY_SECONDS, end + LATE_SECONDS) for start, end in stream.approaches]
        score.add(changes, find(stream), float(stream.times[-1]))
    score.delays = [delay - EARLY_SECONDS for delay in score.delays]
    return score


def cost() -> list[str]:
    """Nanoseconds an update, nanoseconds an element of update_many, most bytes a series."""
    measured = [draw(builder, np.random.default_rng(1)) for builder in POSITIVE.values()]
    samples = sum(len(stream.times) for stream in measured)
    began = time.process_time()
    for stream in measured:
        one = SaturationDetector()
        for at, value in zip(stream.times.tolist(), stream.values.tolist(), strict=True):
            one.update(at, value)
    each = (time.process_time() - began) / samples
    began = time.process_time()
    size = 0
    for stream in measured:
        many = SaturationDetector()
        many.update_many(stream.times, stream.values)
        size = max(size, len(many.snapshot()))
    batch = (time.process_time() - began) / samples
    return [f"{each * 1e9:.0f}", f"{batch * 1e9:.0f}", str(size)]


def report(streams: int, seed: int) -> Iterator[str]:
    """A table by scenario, and one of sums."""
    rows, sums = [], []
    for sign, scenarios in (("+", POSITIVE), ("-", NEGATIVE)):
        scores, rivals = [], []
        for name, builder in scenarios.items():
            scores.append(evaluate(ours, name, builder, streams, seed))
            rivals.append(evaluate(naive, name, builder, max(1, streams // 10), seed))
            rows.append([sign, name, *scores[-1].row()])
        sums += [["ours", sign, *total(scores).row()], ["naive", sign, *total(rivals).row()]]
    yield table(["", "scenario", *HEADER], rows)
    yield ""
    yield table(["detector", "", *HEADER], sums)
    yield ""
    yield table(["ns/update", "ns/element of update_many", "bytes/series"], [cost()])
    yield f"\n{streams} streams a scenario, seed {seed}."


def main(streams: int, seed: int) -> None:
    """Print the report."""
    for line in report(streams, seed):
        print(line, flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in (sys.argv[1:] + ["20", "1"][len(sys.argv) - 1 :])))
