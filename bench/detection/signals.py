"""Streams of durations without a verdict: noise, memory, seasons, bursts. What scenarios are built of.

Everything is in the logarithm of the level (a factor is a sum there), drawn from one numpy Generator per stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_SECONDS = 86_400.0
START_SECONDS = 1_760_000_000.0  # October 2025: epoch seconds as spans carry them


@dataclass(slots=True)
class Stream:
    """One series and what is known of it."""

    timestamps: Floats
    values: Floats
    changes: list[tuple[int, int]] = field(default_factory=list)
    """Each change for the worse: index of its first value, index after the last at which an alert is a hit."""


def spacing(rng: np.random.Generator, low: float = 0.1, high: float = 60.0) -> float:
    """Seconds between values, log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def clock(rng: np.random.Generator, count: int, seconds: float) -> Floats:
    """Timestamps of a Poisson-like arrival process, started at any time of a week."""
    gaps = seconds * rng.gamma(2.0, 0.5, count)
    return START_SECONDS + float(rng.uniform(0, 7 * DAY_SECONDS)) + np.cumsum(gaps)


def base(rng: np.random.Generator) -> float:
    """Logarithm of a level between 1 ms and 10 s, in ms."""
    return float(rng.uniform(np.log(1.0), np.log(10_000.0)))


def lognormal(rng: np.random.Generator, count: int, low: float = 0.2, high: float = 0.8) -> Floats:
    """Logarithms of values with spread sigma in [low, high]."""
    return rng.normal(0.0, rng.uniform(low, high), count)


def heavy(rng: np.random.Generator, count: int) -> Floats:
    """Logarithms with tails that no lognormal has: a spread body and a Pareto tail, as queues make them."""
    body = rng.normal(0.0, rng.uniform(0.2, 0.5), count)
    tail = rng.random(count) < rng.uniform(0.02, 0.06)
    return body + tail * (1.0 + rng.exponential(rng.uniform(0.5, 1.0), count))


def autoregressive(rng: np.random.Generator, count: int, phi: float, sigma: float) -> Floats:
    """AR(1) of marginal spread `sigma`."""
    steps = rng.normal(0.0, sigma * np.sqrt(1 - phi * phi), count)
    values = np.empty(count)
    state = float(rng.normal(0.0, sigma))
    for index, step in enumerate(steps.tolist()):
        state = phi * state + step
        values[index] = state
    return values


def mixture(rng: np.random.Generator, count: int, slow_share: float) -> Floats:
    """Two modes, as a cache makes them: most values fast, `slow_share` of them 3 to 20 times slower."""
    slow = rng.random(count) < slow_share
    return rng.normal(0.0, rng.uniform(0.15, 0.4), count) + slow * np.log(rng.uniform(3.0, 20.0))


def season(rng: np.random.Generator, timestamps: Floats, low: float = 1.3, high: float = 2.0) -> Floats:
    """A day's course: the busiest hour is `low` to `high` times slower than the quietest."""
    amplitude = np.log(rng.uniform(low, high)) / 2
    phase = rng.uniform(0, 2 * np.pi)
    angle = 2 * np.pi * timestamps / DAY_SECONDS + phase
    return amplitude * (np.sin(angle) + rng.uniform(0.0, 0.25) * np.sin(2 * angle))


def week(rng: np.random.Generator, timestamps: Floats) -> Floats:
    """Five working days, two calm ones."""
    calm = (timestamps // DAY_SECONDS).astype(np.int64) % 7 >= 5
    return -np.log(rng.uniform(1.2, 1.6)) * calm


def slow(rng: np.random.Generator, count: int, amplitude: float) -> Floats:
    """Wandering that comes back: a few waves of any length."""
    index = np.arange(count)
    waves = [np.sin(2 * np.pi * (index / rng.uniform(500, 6_000) + rng.random())) for _ in range(4)]
    return amplitude * np.sum(waves, axis=0) / 4


def bursts(rng: np.random.Generator, count: int, length: int = 15) -> Floats:
    """Every 500 to 3,000 values `length` in a row that are 3 to 20 times slower."""
    added = np.zeros(count)
    at = int(rng.integers(100, 2_000))
    while at < count:
        added[at : at + length] = np.log(rng.uniform(3.0, 20.0))
        at += int(rng.integers(500, 3_000))
    return added


def spikes(rng: np.random.Generator, count: int) -> Floats:
    """Single values, 5 to 100 times slower, one in 50 to 500."""
    hit = rng.random(count) < 1 / rng.uniform(50, 500)
    return hit * np.log(rng.uniform(5.0, 100.0, count))


def step(count: int, at: int, factor: float, until: int | None = None) -> Floats:
    """A factor from one value on, or up to another."""
    added = np.zeros(count)
    added[at:until] = np.log(factor)
    return added


def ramp(count: int, at: int, length: int, factor: float) -> Floats:
    """A level that grows linearly to `factor` over `length` values."""
    share = np.clip((np.arange(count) - at) / length, 0.0, 1.0)
    return np.log1p((factor - 1) * share)


def stream(timestamps: Floats, logarithms: Floats, changes: list[tuple[int, int]] | None = None) -> Stream:
    """Values of logarithms."""
    return Stream(timestamps, np.exp(logarithms), changes or [])
