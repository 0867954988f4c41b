"""Who depends on whom among services that fail: groups, causes, and the order from cause to effect.

Everywhere `callees` are, of each service, those that it calls, and `failing` says since when each fails.
"""

from __future__ import annotations

from collections.abc import Mapping


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


def root(members: list[str], failing: Mapping[str, float], callees: Mapping[str, set[str]]) -> str:
    """The one that fails though nothing that it calls does.

    Of several the one that most others depend on, then the first to fail; in a circle the first to fail.
    """
    inside = set(members)
    alone = [name for name in members if not callees[name] & inside] or members
    return min(alone, key=lambda name: (-len(_dependents(name, inside, callees)), failing[name], name))


def _dependents(name: str, inside: set[str], callees: Mapping[str, set[str]]) -> set[str]:
    """Members that call it, directly or not."""
    found: set[str] = set()
    frontier = [name]
    while frontier:
        callee = frontier.pop()
        for caller in inside - found:
            if callee in callees[caller]:
                found.add(caller)
                frontier.append(caller)
    return found


def causal_order(
    root: str, members: list[str], failing: Mapping[str, float], callees: Mapping[str, set[str]]
) -> list[str]:
    """From the root to those that depend on it, one step of calls after the other; by first failure within a step."""
    order, rest = [root], [name for name in members if name != root]
    while rest:
        step = [name for name in rest if callees.get(name, set()) & set(order)] or rest
        order += sorted(step, key=lambda name: (failing.get(name, 0.0), name))
        rest = [name for name in rest if name not in order]
    return order
