"""Streams of utilisation that approach full at known times, or do not.

An approach begins when what is truly going on leaves less than two hours, or is above 0.85; it ends when the level
falls. Spacing of samples, noise, levels and paces are drawn anew for each stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HOURS = 36
SPACINGS = (1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
HORIZON_HOURS, HIGH = 2.0, 0.85


@dataclass(slots=True)
class Plan:
    """What a stream is drawn from, by minute; the builders of scenarios change it. Times in hours."""

    random: np.random.Generator
    level: Floats
    noise: float
    spacing: float
    teeth: Floats | None = None
    approaches: list[tuple[float, float]] = field(default_factory=list)

    def between(self, low: float, high: float) -> float:
        """Any number in between."""
        return float(self.random.uniform(low, high))

    def at(self, hours: float) -> int:
        """The minute."""
        return min(len(self.level), int(hours * 60))

    @property
    def hours(self) -> Floats:
        """Of each minute."""
        return np.arange(len(self.level)) / 60.0

    def climb(self, start: float, hours_to_full: float, top: float = 1.0, rest: float = 1.0) -> float:
        """Grow linearly at a pace that would fill the resource, up to `top`, stay there for `rest` hours; the end."""
        base = float(self.level[self.at(start) - 1])
        pace = (1.0 - base) / hours_to_full
        arrival = start + (top - base) / pace
        end = min(arrival + rest, len(self.level) / 60.0)
        part = slice(self.at(start), self.at(end))
        self.level[part] = np.minimum(top, base + pace * (self.hours[part] - start))
        alarming = min(max(start, start + hours_to_full - HORIZON_HOURS), start + (HIGH - base) / pace)
        if alarming < arrival:
            self.approaches.append((alarming, end))
        return end


Builder = Callable[[Plan], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """Samples; approaches are [start, end) in seconds."""

    times: Floats
    values: Floats
    approaches: list[tuple[float, float]]


def draw(builder: Builder, random: np.random.Generator) -> Stream:
    """One stream of a scenario."""
    plan = Plan(
        random,
        np.full(HOURS * 60, random.uniform(0.15, 0.5)),
        float(random.uniform(0.003, 0.025)),
        float(random.choice(SPACINGS)),
    )
    builder(plan)
    times = np.arange(0, HOURS * 3600, plan.spacing) + random.uniform(0, 0.3 * plan.spacing)
    level = np.interp(times, np.arange(len(plan.level)) * 60.0, plan.level)
    if plan.teeth is not None:
        level = level + np.interp(times, np.arange(len(plan.teeth)) * 60.0, plan.teeth)
    values = np.clip(level + random.normal(0, plan.noise, len(times)), 0.0, 1.0)
    return Stream(times, values, [(start * 3600, end * 3600) for start, end in plan.approaches])


def _climb_in(shortest: float, longest: float) -> Builder:
    def build(plan: Plan) -> None:
        plan.climb(plan.between(8, 20), plan.between(shortest, longest))

    return build


def _growth_in_daily_wave(plan: Plan) -> None:
    wave = plan.between(0.03, 0.1) * np.sin(plan.hours / 24 * 2 * np.pi + plan.between(0, 6))
    base = plan.between(0.25, 0.45)
    start, length = plan.between(8, 20), plan.between(2.5, 5)
    level = base + wave + np.clip((plan.hours - start) / length, 0, 1.3) * (1 - base)
    plan.level[:] = np.minimum(1.0, level)
    plan.level[plan.at(start + length + 1.5) :] = base
    pace = np.gradient(level) * 60
    alarming = ((1 - level) / np.maximum(pace, 1e-9) < HORIZON_HOURS) | (level > HIGH)
    alarming[: plan.at(start)] = False
    plan.approaches.append((float(np.argmax(alarming)) / 60, start + length + 1.5))


def _noisy_growth(plan: Plan) -> None:
    plan.noise = plan.between(0.04, 0.07)
    plan.climb(plan.between(8, 20), plan.between(2.5, 4))


def _leak_under_teeth(plan: Plan) -> None:
    period, height = plan.between(5, 20), plan.between(0.04, 0.1)
    minutes = np.arange(len(plan.level))
    plan.teeth = (minutes % period) / period * height
    plan.climb(plan.between(8, 20), plan.between(2.5, 4), 0.97)


def _stops_late(plan: Plan) -> None:
    plan.climb(plan.between(8, 14), plan.between(2, 3.5), plan.between(0.82, 0.97), rest=30.0)


def _two_approaches(plan: Plan) -> None:
    end = plan.climb(plan.between(5, 9), plan.between(1.5, 3.5), plan.between(0.85, 1.0), rest=plan.between(0.2, 1))
    plan.climb(end + plan.between(2, 6), plan.between(1.5, 3.5), rest=plan.between(0.5, 2))


def _high_plateau(plan: Plan) -> None:
    start, end = plan.between(8, 16), plan.between(20, 40)
    plan.level[plan.at(start) : plan.at(end)] = plan.between(0.9, 0.98)
    plan.approaches.append((start, min(end, HOURS)))


def _slowly_to_high(plan: Plan) -> None:
    base, top = plan.between(0.3, 0.6), plan.between(0.93, 0.98)
    plan.level[:] = np.linspace(base, top, len(plan.level))
    plan.approaches.append((float(np.argmax(plan.level > HIGH)) / 60, HOURS))


def _accelerating(plan: Plan) -> None:
    start, doubling = plan.between(8, 20), plan.between(1.0, 2.0)
    base = float(plan.level[0])
    excess = 0.02 * (np.exp2(np.clip((plan.hours - start) / doubling, 0, 20)) - 1.0)
    level = base + np.where(plan.hours >= start, excess, 0.0)
    pace = np.gradient(level) * 60
    alarming = ((1 - level) / np.maximum(pace, 1e-9) < HORIZON_HOURS) | (level > HIGH)
    plan.level[:] = np.minimum(1.0, level)
    end = plan.at(float(np.argmax(level >= 1.0)) / 60 + 1)
    plan.level[end:] = base
    plan.approaches.append((float(np.argmax(alarming)) / 60, end / 60))


def _grows_from_the_start(plan: Plan) -> None:
    plan.level[:] = plan.between(0.1, 0.3)
    plan.climb(1 / 60, plan.between(4, 8))


def _sparse(plan: Plan) -> None:
    plan.spacing = 300.0
    plan.climb(plan.between(8, 20), plan.between(2, 4))


def _quiet(plan: Plan) -> None:
    pass


def _noise(plan: Plan) -> None:
    plan.level[:] = plan.between(0.2, 0.65)
    plan.noise = plan.between(0.04, 0.1)


def _collection(plan: Plan) -> None:
    period, height = plan.between(4, 50), plan.between(0.1, 0.4)
    plan.level[:] = plan.between(0.2, 0.78 - height)
    plan.teeth = (np.arange(len(plan.level)) % period) / period * height


def _uneven_collection(plan: Plan) -> None:
    height = plan.between(0.15, 0.35)
    plan.level[:] = plan.between(0.2, 0.75 - height)
    teeth: list[float] = []
    while len(teeth) < len(plan.level):
        length = int(plan.between(8, 45))
        teeth += np.linspace(0, height * plan.between(0.85, 1.0), length).tolist()
    plan.teeth = np.asarray(teeth[: len(plan.level)])


def _daily_wave(plan: Plan) -> None:
    low, high = plan.between(0.1, 0.3), plan.between(0.5, 0.78)
    wave = np.sin(plan.hours / 24 * 2 * np.pi + plan.between(0, 6))
    plan.level[:] = (low + high) / 2 + (high - low) / 2 * wave


def _plateau(plan: Plan) -> None:
    plan.noise = min(plan.noise, 0.015)
    plan.level[:] = plan.between(0.65, 0.81)


def _steps(plan: Plan) -> None:
    level = plan.between(0.15, 0.3)
    plan.level[:] = level
    for start in (6, 12, 18, 24):
        level = min(0.78, max(0.15, level + plan.between(-0.1, 0.25)))
        before, length = float(plan.level[plan.at(start)]), max(1, int(plan.between(0, 10)))
        plan.level[plan.at(start) :] = level
        plan.level[plan.at(start) : plan.at(start) + length] = np.linspace(before, level, length)


def _settling(plan: Plan) -> None:
    start, slow = plan.between(6, 20), plan.between(3, 20) / 60
    base, rise = plan.between(0.2, 0.4), plan.between(0.1, 0.3)
    plan.level[:] = base + rise * (1 - np.exp(-np.maximum(plan.hours - start, 0) / slow))


def _over_a_week(plan: Plan) -> None:
    plan.level[:] = np.linspace(plan.between(0.2, 0.5), plan.between(0.55, 0.8), len(plan.level))


def _stops_early(plan: Plan) -> None:
    start, length = plan.between(6, 25), plan.between(5, 18)
    base, rise = plan.between(0.15, 0.4), plan.between(0.05, 0.2)
    plan.level[:] = base + rise * np.clip((plan.hours - start) * 60 / length, 0, 1)


def _peaks(plan: Plan) -> None:
    for _ in range(12):
        at = plan.at(plan.between(1, HOURS - 1))
        plan.level[at : at + int(plan.between(1, 9))] = plan.between(0.6, 1.0)


def _drifting_noise(plan: Plan) -> None:
    keep, sigma = float(np.exp(-1 / plan.between(5, 30))), plan.between(0.02, 0.05)
    now, base = 0.0, plan.between(0.3, 0.6)
    for minute, step in enumerate(plan.random.normal(0, sigma * np.sqrt(1 - keep * keep), len(plan.level))):
        now = now * keep + step
        plan.level[minute] = base + now


def _falling(plan: Plan) -> None:
    plan.level[:] = np.linspace(plan.between(0.6, 0.8), plan.between(0.1, 0.3), len(plan.level))


def _working_hours(plan: Plan) -> None:
    low, high = plan.between(0.15, 0.3), plan.between(0.45, 0.7)
    day = (plan.hours + plan.between(0, 24)) % 24
    slope_hours = max(2.0, 1.4 * HORIZON_HOURS * (high - low) / (1 - high))  # never less than the horizon is left
    plan.level[:] = low + (high - low) * np.clip(np.minimum(day - 7, 20 - day) / slope_hours, 0, 1)


POSITIVE: dict[str, Builder] = {
    "linear_1h": _climb_in(0.9, 1.3),
    "linear_2h": _climb_in(1.6, 2.4),
    "linear_3h": _climb_in(2.7, 3.5),
    "linear_6h": _climb_in(4.5, 8),
    "growth_in_daily_wave": _growth_in_daily_wave,
    "noisy_growth": _noisy_growth,
    "leak_under_teeth": _leak_under_teeth,
    "stops_late": _stops_late,
    "two_approaches": _two_approaches,
    "high_plateau": _high_plateau,
    "slowly_to_high": _slowly_to_high,
    "accelerating": _accelerating,
    "grows_from_the_start": _grows_from_the_start,
    "sparse": _sparse,
}
NEGATIVE: dict[str, Builder] = {
    "quiet": _quiet,
    "noise": _noise,
    "collection": _collection,
    "uneven_collection": _uneven_collection,
    "daily_wave": _daily_wave,
    "working_hours": _working_hours,
    "plateau": _plateau,
    "steps": _steps,
    "settling": _settling,
    "over_a_week": _over_a_week,
    "stops_early": _stops_early,
    "peaks": _peaks,
    "drifting_noise": _drifting_noise,
    "falling": _falling,
}
