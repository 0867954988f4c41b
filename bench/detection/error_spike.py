"""python -m bench.detection.error_spike [streams] [seed]: error spikes found, missed and imagined.

The naive rival is what the idea says: a rate over five minutes above twice the mean so far, an alert each request.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from bench.detection.request_streams import HOUR, HOURS, NEGATIVE, POSITIVE, Builder, Stream, draw
from bench.detection.scoring import HEADER, Score, table, total
from otelbridge.analysis import ErrorSpikeDetector

RATES = (0.1, 1.0, 100.0)
GRACE_SECONDS = 600
"""An alert this long after a spike's end still counts as late rather than false."""


def ours(stream: Stream) -> list[float]:
    """The times of the alerts of the detector with its defaults."""
    detector = ErrorSpikeDetector()
    alerts = []
    for start in range(0, len(stream.requests), HOUR):
        requests, failures = stream.requests[start : start + HOUR], stream.failures[start : start + HOUR]
        times = np.repeat(np.arange(start, start + len(requests), dtype=np.float64), requests)
        first = np.repeat(np.cumsum(requests) - requests, requests)
        values = (np.arange(len(times)) - first < np.repeat(failures, requests)).astype(np.float64)
        alerts += [event["time"] for event in detector.update_many(times, values) if event["kind"] == "alert"]
    return alerts


def naive(stream: Stream) -> list[float]:
    """The times of the rival's alerts."""
    requests, failures = np.cumsum(stream.requests), np.cumsum(stream.failures)
    recent_requests, recent_failures = requests.copy(), failures.copy()
    recent_requests[300:] -= requests[:-300]
    recent_failures[300:] -= failures[:-300]
    above = recent_failures * np.maximum(requests, 1) > 2.0 * failures * np.maximum(recent_requests, 1)
    above[:300] = False
    times = np.flatnonzero(above)
    return np.repeat(times, stream.requests[times]).astype(np.float64).tolist()


def streams(name: str, builder: Builder, rate: float, count: int, seed: int) -> Iterator[Stream]:
    """`count` streams of a scenario; a name, a rate and a seed always give the same."""
    for number in range(count):
        yield draw(builder, rate, np.random.default_rng([seed, zlib.crc32(name.encode()), int(rate * 10), number]))


def evaluate(
    find: Callable[[Stream], list[float]], name: str, builder: Builder, rate: float, count: int, seed: int
) -> Score:
    """Score a detector on a scenario."""
    score = Score()
    for stream in streams(name, builder, rate, count, seed):
        changes = [(float(start), float(end + GRACE_SECONDS)) for start, end in stream.changes]
        score.add(changes, find(stream), len(stream.requests))
    return score


def cost() -> list[str]:
    """Nanoseconds an update, nanoseconds an element of update_many, bytes a series."""
    stream = draw(POSITIVE["triple"], 1.0, np.random.default_rng(1))
    times = np.repeat(np.arange(len(stream.requests), dtype=np.float64), stream.requests)
    values = np.zeros(len(times))
    one = ErrorSpikeDetector()
    began = time.process_time()
    for at, value in zip(times.tolist(), values.tolist(), strict=True):
        one.update(at, value)
    each = (time.process_time() - began) / len(times)
    many = ErrorSpikeDetector()
    began = time.process_time()
    many.update_many(times, values)
    batch = (time.process_time() - began) / len(times)
    return [f"{each * 1e9:.0f}", f"{batch * 1e9:.0f}", str(len(many.snapshot()))]


def report(streams: int, seed: int) -> Iterator[str]:
    """A table by scenario and rate, and one of sums."""
    yield from tables(streams, seed, POSITIVE, NEGATIVE)
    yield ""
    yield table(["ns/update", "ns/element of update_many", "bytes/series"], [cost()])


def tables(streams: int, seed: int, positive: Mapping[str, Builder], negative: Mapping[str, Builder]) -> Iterator[str]:
    """Both tables, of any scenarios."""
    rows, sums = [], []
    for rate in RATES:
        by_sign: dict[str, dict[str, list[Score]]] = {}
        for sign, scenarios in (("+", positive), ("-", negative)):
            for name, builder in scenarios.items():
                rival = evaluate(naive, name, builder, rate, max(1, streams // 10), seed)
                score = evaluate(ours, name, builder, rate, streams, seed)
                rows.append([sign, name, f"{rate:g}", *score.row()])
                by_sign.setdefault("ours", {}).setdefault(sign, []).append(score)
                by_sign.setdefault("naive", {}).setdefault(sign, []).append(rival)
        for who, scores in by_sign.items():
            for sign, part in scores.items():
                sums.append([who, f"{rate:g}", sign, *total(part).row()])
    yield table(["", "scenario", "requests/s", *HEADER], rows)
    yield ""
    yield table(["detector", "requests/s", "", *HEADER], sums)
    yield f"\n{streams} streams a scenario, seed {seed}; streams last {HOURS} hours by requests a second."


def main(streams: int, seed: int) -> None:
    """Print the report."""
    for line in report(streams, seed):
        print(line, flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in (sys.argv[1:] + ["20", "1"][len(sys.argv) - 1 :])))
