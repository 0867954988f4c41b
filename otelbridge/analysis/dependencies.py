"""Who depends on whom among services that fail: groups, causes, and the order from cause to effect.

Everywhere `callees` are, of each service, those that it calls, and `failing` says since when each fails. `silent` are
those that send no spans of their own, databases and providers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Set


def connected(seeds: set[str], among: Mapping[str, float], callees: Mapping[str, set[str]]) -> set[str]:
    """Everything that calls lead to or come from, beginning at the seeds."""
    neighbours: dict[str, set[str]] = {name: set() for name in among}
    for caller in among:
        for callee in callees.get(caller, ()):
            if callee in among:
                neighbours[caller].add(callee)
                neighbours[callee].add(caller)
    found = {name for name in seeds if name in among}
    frontier = list(found)
    while frontier:
        for name in neighbours[frontier.pop()] - found:
            found.add(name)
            frontier.append(name)
    return found


def root(
    members: Collection[str], failing: Mapping[str, float], callees: Mapping[str, set[str]], silent: Set[str]
) -> str:
    """The one that fails though nothing that it calls does, or only what calls it in turn.

    Of several one that sends no spans: what it calls is not known to be well, but of a service it may only not be known
    yet that what it calls fails. Then the one that most others depend on, the first to fail, the first by name.
    """
    return _likeliest(members, _Calls(members, callees), failing, silent)


def cause_of(
    name: str,
    members: Collection[str],
    failing: Mapping[str, float],
    callees: Mapping[str, set[str]],
    silent: Set[str],
) -> str:
    """The root of what it calls; itself where that is well, or calls it in turn."""
    calls = _Calls(members, callees)
    return name if calls.is_bottom(name) else _likeliest(calls.below(name), calls, failing, silent)


class _Calls:
    """The calls among some services, both ways."""

    def __init__(self, members: Iterable[str], callees: Mapping[str, set[str]]) -> None:
        inside = set(members)
        self._callees = {name: callees.get(name, set()) & inside for name in inside}
        self._callers: defaultdict[str, set[str]] = defaultdict(set)
        for caller, called in self._callees.items():
            for callee in called:
                self._callers[callee].add(caller)

    def below(self, name: str) -> set[str]:
        """What it calls, directly or not."""
        return _reached(name, self._callees)

    def above(self, name: str) -> set[str]:
        """What calls it, directly or not."""
        return _reached(name, self._callers)

    def is_bottom(self, name: str) -> bool:
        """Whether it calls none of the others, or only such as call it in turn."""
        return not self._callees[name] or self.below(name) <= self.above(name)


def _reached(start: str, neighbours: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    frontier = [start]
    while frontier:
        further = neighbours.get(frontier.pop(), set()) - found
        found |= further
        frontier += further
    return found


def _likeliest(names: Iterable[str], calls: _Calls, failing: Mapping[str, float], silent: Set[str]) -> str:
    return min(
        (name for name in names if calls.is_bottom(name)),
        key=lambda name: (name not in silent, -len(calls.above(name)), failing[name], name),
    )


def causal_order(
    root: str, members: Iterable[str], failing: Mapping[str, float], callees: Mapping[str, set[str]]
) -> list[str]:
    """From the root to those that depend on it, one step of calls after the other; by first failure within a step."""
    order, rest = [root], [name for name in members if name != root]
    placed = {root}
    while rest:
        step = [name for name in rest if not placed.isdisjoint(callees.get(name, ()))] or rest
        order += sorted(step, key=lambda name: (failing.get(name, 0.0), name))
        placed.update(step)
        rest = [name for name in rest if name not in placed]
    return order
