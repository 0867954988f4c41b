"""Cascades whose root is known, and failures that are none: `python -m bench.detection.cascade [streams] [seed]`.

Services of some topology answer at rates of 1 to 100 operations a second, with background errors. At a random moment
one of them, or a database, begins to fail; those that depend on it follow within seconds, each with a share of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from otelbridge.analysis.cascade import Call, CascadeDetector, Outcome

SECONDS = 3_600
FAILING_SECONDS = 300
ENVIRONMENT = "production"


@dataclass
class Story:
    """One stream.

    Attributes:
        calls: who calls whom.
        failing: second from which each failing service fails, and the share.
        root: what must be named; "" where there is no cascade.
        silent: peers that send no spans of their own.
        pauses: whether services recover and fail again every few seconds.
        rates: operations a second of some services; the others' are drawn.
    """

    calls: list[tuple[str, str]]
    failing: dict[str, tuple[int, float]] = field(default_factory=dict)
    root: str = ""
    silent: set[str] = field(default_factory=set)
    pauses: bool = False
    rates: dict[str, float] = field(default_factory=dict)


Scenario = Callable[[np.random.Generator], Story]


def _spread(random: np.random.Generator, calls: list[tuple[str, str]], root: str, reached: float = 1.0) -> Story:
    """The root fails, then whoever calls a failing one, a little later and a little less."""
    start = int(random.uniform(0.4, 0.7) * SECONDS)
    failing = {root: (start, random.uniform(0.4, 1.0))}
    frontier = [root]
    while frontier:
        callee = frontier.pop(0)
        for caller, of in calls:
            if of == callee and caller not in failing and random.random() < reached:
                failing[caller] = (failing[callee][0] + int(random.uniform(0, 6)), random.uniform(0.25, 0.9))
                frontier.append(caller)
    return Story(calls, failing, root)


def chain(random: np.random.Generator) -> Story:
    """Each calls the next; the last one fails."""
    names = [f"s{number}" for number in range(random.integers(3, 6))]
    return _spread(random, list(pairwise(names)), names[-1])


def fan_in(random: np.random.Generator) -> Story:
    """Many call one, which fails."""
    return _spread(random, [(f"s{number}", "shared") for number in range(random.integers(3, 9))], "shared")


def fan_out(random: np.random.Generator) -> Story:
    """A front calls many; one of them fails, and with it the front and what calls the front."""
    calls = [("front", f"s{number}") for number in range(random.integers(3, 8))]
    return _spread(random, [("edge", "front"), *calls], "s1")


def diamond(random: np.random.Generator) -> Story:
    """Two ways from the front to the one that fails."""
    return _spread(random, [("front", "left"), ("front", "right"), ("left", "back"), ("right", "back")], "back")


def shared_database(random: np.random.Generator) -> Story:
    """Several services query one database, which sends no spans."""
    services = [f"s{number}" for number in range(random.integers(2, 6))]
    story = _spread(random, [("edge", services[0]), *((name, "postgresql") for name in services)], "postgresql")
    story.silent = {"postgresql"}
    return story


def model_provider(random: np.random.Generator) -> Story:
    """A provider fails that two services call, and the edge above them."""
    story = _spread(random, [("edge", "chat"), ("edge", "search"), ("chat", "openai"), ("search", "openai")], "openai")
    story.silent = {"openai"}
    return story


def retry_storm(random: np.random.Generator) -> Story:
    """The root fails on and off, and its callers with it."""
    story = _spread(random, [("edge", "a"), ("a", "b"), ("b", "c"), ("d", "c")], "c")
    story.pauses = True
    return story


def large(random: np.random.Generator) -> Story:
    """Forty services, of which a part depends on the root."""
    names = [f"s{number}" for number in range(40)]
    calls = [(names[int(random.integers(0, number))], names[number]) for number in range(1, 40)]
    with_callers = [name for name in names[20:] if any(callee == name for _, callee in calls)]
    depths = {"s0": 0}
    for caller, callee in calls:
        depths[callee] = depths.get(caller, 0) + 1
    return _spread(random, calls, max(with_callers, key=lambda name: depths[name]))


def rare_middle(random: np.random.Generator) -> Story:
    """A service above the one that fails is called rarely: until it is known to fail, its caller seems the root."""
    calls = [("edge", "front"), ("front", "answers"), ("portal", "answers"), ("answers", "middle"), ("middle", "store")]
    story = _spread(random, [*calls, ("front", "store")], "store")
    story.rates = {"middle": random.uniform(0.3, 0.6)}  # with less it may never be known
    return story


def rare_middle_database(random: np.random.Generator) -> Story:
    """The same above a database, which sends no spans."""
    story = rare_middle(random)
    story.silent = {"store"}
    return story


def independent(random: np.random.Generator) -> Story:
    """Four services fail at the same time and do not call each other."""
    start = int(random.uniform(0.4, 0.7) * SECONDS)
    calls = [(f"front{number}", f"s{number}") for number in range(4)]
    return Story(calls, {f"s{number}": (start + number, random.uniform(0.3, 0.9)) for number in range(4)})


def pair(random: np.random.Generator) -> Story:
    """Only two fail."""
    return _without_root(_spread(random, [("a", "b"), ("x", "y"), ("y", "z")], "b"))


def one_after_another(random: np.random.Generator) -> Story:
    """Connected services that fail minutes apart."""
    calls = [("a", "b"), ("b", "c"), ("c", "d")]
    start = int(random.uniform(0.2, 0.3) * SECONDS)
    return Story(calls, {name: (start + 400 * place, 0.6) for place, name in enumerate("dcba")})


def background(random: np.random.Generator) -> Story:
    """Everybody fails a little, all the time."""
    del random
    return Story([("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")])


def _without_root(story: Story) -> Story:
    story.root = ""
    return story


POSITIVE: tuple[Scenario, ...] = (
    chain,
    fan_in,
    fan_out,
    diamond,
    shared_database,
    model_provider,
    retry_storm,
    large,
    rare_middle,
    rare_middle_database,
)
NEGATIVE: tuple[Scenario, ...] = (independent, pair, one_after_another, background)


def events(story: Story, random: np.random.Generator) -> list[dict[str, Any]]:
    """What the detector says about a stream."""
    detector = CascadeDetector()
    names = sorted({name for call in story.calls for name in call} | story.failing.keys())
    rate = {name: 10 ** random.uniform(0, 2) for name in names} | story.rates
    normal = {name: 10 ** random.uniform(-3.5, -1.5) for name in names}
    found: list[dict[str, Any]] = []
    for second in range(SECONDS):
        share = dict(normal)
        for name, (start, failing) in story.failing.items():
            is_on = not story.pauses or (second - start) % 10 < 7
            if start <= second < start + FAILING_SECONDS and is_on:
                share[name] = failing
        outcomes, calls = [], []
        for name in names:
            total = int(random.poisson(rate[name]))
            if total and name not in story.silent:
                outcomes.append(Outcome(ENVIRONMENT, name, second, total, int(random.binomial(total, share[name]))))
        for caller, callee in story.calls:
            total = int(random.poisson(rate[callee]))
            if total:
                failed = int(random.binomial(total, share[callee]))
                calls.append(Call(ENVIRONMENT, caller, callee, second, total, failed))
        found += detector.update(calls, outcomes)
    return found


def report(streams: int = 40, seed: int = 1) -> Iterator[str]:
    """What was found, as a table."""
    yield "| cascade | found | root named | in the end | alerts a cascade | seconds until told |"
    yield "|---|---|---|---|---|---|"
    for place, scenario in enumerate((*POSITIVE, *NEGATIVE)):
        named, corrected, found, alerts, delays = 0, 0, 0, 0, []
        for stream in range(streams):
            random = np.random.default_rng((seed, place, stream))
            story = scenario(random)
            raised = [event for event in events(story, random) if event["kind"] == "alert"]
            alerts += len(raised)
            if raised:
                found += 1
                named += raised[0]["root"] == story.root
                corrected += raised[-1]["root"] == story.root
                delays.append(raised[0]["time"] - min((start for start, _ in story.failing.values()), default=0))
        if scenario in POSITIVE:
            told = f"{alerts / max(1, found):.2f} | {np.median(delays):.0f}" if found else " | "
            roots = f"{named / streams:.2f} | {corrected / streams:.2f}"
            yield f"| {scenario.__name__} | {found / streams:.2f} | {roots} | {told} |"
        else:
            yield f"| {scenario.__name__} (none) | {found / streams:.2f} | | | {alerts} in all | |"


if __name__ == "__main__":
    for line in report(*map(int, sys.argv[1:])):
        print(line, flush=True)
