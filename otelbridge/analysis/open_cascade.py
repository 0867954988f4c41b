"""A cascade that goes on: who has failed in it since when, where it probably began, and what is told of it.

Those that fail no more stay in it, so that what is told last tells all of it. Its root is judged anew all the time,
because too little may be known at first: a service in the middle that is called rarely is known to fail later than its
callers, and until then one of these seems to be the root.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import msgspec

from otelbridge.analysis.dependencies import causal_order, cause_of, connected, root

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failures:
    """Who fails now in one environment.

    Attributes:
        since: when each began to.
        callees: of each the failing ones that it calls.
        silent: those that send no spans of their own: databases and providers.
        bad: those that failed just now, and not only a while ago.
    """

    since: Mapping[str, float]
    callees: Mapping[str, set[str]]
    silent: Set[str]
    bad: Set[str]


class OpenCascade(msgspec.Struct, array_like=True):
    """One of one environment.

    Attributes:
        root: where it probably began, as it was last told.
        start: when the first failure of those began that were known first.
        first_failures: when each member first failed, in the order in which they were found, the root first: so it
            stays the same who was the first of those that failed at once.
        root_before: the root that was told before the present one, "" if none was.
    """

    root: str
    start: float
    first_failures: dict[str, float]
    root_before: str = ""

    @classmethod
    def of(cls, members: list[str], failures: Failures) -> OpenCascade:
        """It begins."""
        since = failures.since
        began_at = root(members, since, failures.callees, failures.silent)
        order = causal_order(began_at, members, since, failures.callees)
        first_failures = {name: since[name] for name in order}
        return cls(began_at, min(first_failures.values()), first_failures)

    def goes_on(self, since: Mapping[str, float]) -> bool:
        """Whether one of its members is among those that fail."""
        return any(member in since for member in self.first_failures)

    def grow(self, failures: Failures, at_most: int) -> bool:
        """Let in whoever fails and is connected with a member that fails; returns whether there was one."""
        since = failures.since
        joined = connected(set(self.first_failures), since, failures.callees) - self.first_failures.keys()
        room = at_most - len(self.first_failures)
        let_in = sorted(joined, key=lambda name: (since[name], name))[:room]
        self.first_failures.update((name, since[name]) for name in let_in)
        return bool(let_in)

    def root_now(self, failures: Failures) -> str:
        """The root by what is known now: another only if something that the present one calls fails, or it is over.

        Otherwise it would change with whatever else begins to fail. At the end of a cascade the root is often over a
        little before its callers are. Another one is no root unless it is bad even now, a minute after the root was,
        and something that calls it is: what fails alone has not spread.
        """
        first_failures, callees, silent = self.first_failures, failures.callees, failures.silent
        if self.root in failures.since:
            if not callees[self.root]:
                return self.root
            failing = [name for name in first_failures if name in failures.since]
            return cause_of(self.root, failing, first_failures, callees, silent)
        still = failures.bad & first_failures.keys()
        spread = {name for caller in still for callee in callees[caller] & still for name in (caller, callee)}
        return root(spread, first_failures, callees, silent) if spread else self.root

    def event(
        self, kind: str, environment: str, callees: Mapping[str, set[str]], now: float, root_now: str = ""
    ) -> Event:
        """What is told of it.

        Args:
            kind: see `CascadeDetector.update`.
            environment: its own.
            callees: of each member the members that it calls.
            now: when it is told.
            root_now: the root that is about to take the present one's place.
        """
        order = causal_order(self.root, self.first_failures, self.first_failures, callees)
        place = {name: number for number, name in enumerate(order)}
        edges = [(caller, callee) for caller in order for callee in callees[caller]]
        return {
            "kind": kind,
            "environment": environment,
            "root": self.root,
            "root_before": self.root_before,
            "root_now": root_now,
            "services": order,
            "first_failures": {name: self.first_failures[name] for name in order},
            "edges": sorted(edges, key=lambda edge: (place[edge[1]], place[edge[0]])),
            "trigger": min(self.first_failures, key=self.first_failures.__getitem__),
            "start": self.start,
            "time": now,
        }
