"""Failures that spread from service to service: which began it, and in which order the others followed.

Who calls whom is known from traces. Services that begin to fail within half a minute and are connected by calls are one
cascade; its probable root is the one that fails though nothing that it calls does. Services that fail at the same time
and do not call each other are no cascade.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from otelbridge.analysis.dependencies import connected
from otelbridge.analysis.failing import Failing
from otelbridge.analysis.open_cascade import Event, Failures, OpenCascade

WINDOW_SECONDS = 30.0
MIN_SERVICES = 3
MAX_SERVICES = 2_000  # of some 600 bytes each
MAX_EDGES = 10_000  # of some 100 bytes each
LATEST = 2.0**40  # seconds: no clock says more
EDGE_SECONDS = 86_400.0  # a call that was not seen for a day is no connection any more

Node = tuple[str, str]
"""Environment, and service or peer."""
Edge = tuple[str, str, str]
"""Environment, caller and callee."""


class Call(NamedTuple):
    """Calls of one second that ended alike: who called whom."""

    environment: str
    caller: str
    callee: str
    time: float
    total: int
    failed: int


class Outcome(NamedTuple):
    """Operations of one service in one second."""

    environment: str
    service: str
    time: float
    total: int
    failed: int


@dataclass(slots=True)
class _Environment:
    """What is remembered of one environment, so that a look at it does not look at all others."""

    services: dict[str, Failing] = field(default_factory=dict)
    edges: set[Edge] = field(default_factory=set)


class _State(msgspec.Struct, array_like=True):
    services: list[tuple[Node, Failing]]
    edges: list[tuple[Edge, float]]
    cascades: dict[str, OpenCascade]
    latest: dict[str, float]


class CascadeDetector:
    """All services of all environments.

    State: at most `max_services` services and `max_edges` pairs of them; the least recently seen leave first.

    Args:
        min_services: as many must fail together.
        window_seconds: as close together must they begin to.
        max_services: see above.
        max_edges: see above.
    """

    def __init__(
        self,
        min_services: int = MIN_SERVICES,
        window_seconds: float = WINDOW_SECONDS,
        max_services: int = MAX_SERVICES,
        max_edges: int = MAX_EDGES,
    ) -> None:
        self._min_services = min_services
        self._window_seconds = window_seconds
        self._max_services, self._max_edges = max_services, max_edges
        self._services: OrderedDict[Node, Failing] = OrderedDict()
        self._edges: OrderedDict[Edge, float] = OrderedDict()  # last seen
        self._environments: defaultdict[str, _Environment] = defaultdict(_Environment)
        self._cascades: dict[str, OpenCascade] = {}  # by environment
        self._latest: dict[str, float] = {}  # time by environment
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._services)

    def update(self, calls: Iterable[Call], outcomes: Iterable[Outcome]) -> list[Event]:
        """What happened since the last update, in any order; returns what became known by it.

        Each event has kind (`alert`, `info` when it grows, `recovery`), environment, root, services in causal order,
        first_failures (seconds by service), edges among them, start, time and trigger (who failed first). It tells the
        whole cascade, also those that fail no more. When another root is found, the present one has a `recovery` with
        the other as `root_now`, and the other one an `alert` with the present as `root_before`.
        """
        touched = set()
        for environment, name, time, total, failed in outcomes:
            if not 0 <= time <= LATEST:
                continue
            service = self._service((environment, name))
            service.speaks = True
            service.add(time, total, failed)
            touched.add(environment)
            self._latest[environment] = max(self._latest.get(environment, 0.0), time)
        for call in calls:
            self._see(call)
        events = [event for environment in sorted(touched) for event in self._judge(environment)]
        return [*events, *self._forget_environments()]

    def snapshot(self) -> bytes:
        """Everything known."""
        state = _State(list(self._services.items()), list(self._edges.items()), self._cascades, self._latest)
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote."""
        saved = msgspec.msgpack.decode(state, type=_State)
        self._services, self._edges = OrderedDict(saved.services), OrderedDict(saved.edges)
        self._cascades, self._latest = saved.cascades, saved.latest
        self._environments.clear()
        for (environment, name), service in self._services.items():
            self._environments[environment].services[name] = service
        for edge in self._edges:
            self._environments[edge[0]].edges.add(edge)

    def _see(self, call: Call) -> None:
        environment, caller, callee, time, total, failed = call
        if caller == callee or not 0 <= time <= LATEST:
            return
        edge = (environment, caller, callee)
        seen = self._edges.get(edge)
        self._edges[edge] = max(time, seen or 0.0)
        self._edges.move_to_end(edge)
        if seen is None:
            self._environments[environment].edges.add(edge)
            if len(self._edges) > self._max_edges:
                oldest, _ = self._edges.popitem(last=False)
                self._environments[oldest[0]].edges.remove(oldest)
                self._leave(oldest[0])
        peer = self._service((environment, callee))
        if not peer.speaks:  # a database or a provider: how it does is only known from its callers
            peer.add(time, total, failed)

    def _service(self, node: Node) -> Failing:
        service = self._services.get(node)
        if service is None:
            service = self._services[node] = self._environments[node[0]].services[node[1]] = Failing()
            if len(self._services) > self._max_services:
                (environment, name), _ = self._services.popitem(last=False)
                del self._environments[environment].services[name]
                self._leave(environment)
                self.forgotten += 1
        self._services.move_to_end(node)
        return service

    def _leave(self, environment: str) -> None:
        """The last that was remembered of it may have gone."""
        remembered = self._environments[environment]
        if not (remembered.services or remembered.edges):
            del self._environments[environment]

    def _forget_environments(self) -> Iterator[Event]:
        """Of which no service is remembered any more; with more of them than services there is always one."""
        if len(self._latest) > self._max_services:
            in_use = {name for name, remembered in self._environments.items() if remembered.services}
            for environment in sorted(self._latest.keys() - in_use):
                yield from self._judge(environment)
                del self._latest[environment]

    def _judge(self, environment: str) -> Iterator[Event]:
        now = self._latest[environment]
        services = self._remembered(environment).services
        for service in services.values():
            service.judge(now)
        since = {name: service.since for name, service in services.items() if service.is_failing}
        cascade = self._cascades.get(environment)
        if cascade is not None and not cascade.goes_on(since):
            del self._cascades[environment]
            yield self._event("recovery", environment, cascade, now)
        elif cascade is not None or len(since) >= self._min_services:
            failures = Failures(
                since,
                self._callees(environment, since, now),
                silent={name for name in since if not services[name].speaks},
                bad={name for name in since if services[name].is_bad_at(now)},
            )
            if cascade is None:
                yield from self._begin(environment, failures, now)
            else:
                yield from self._go_on(environment, cascade, failures, now)

    def _begin(self, environment: str, failures: Failures, now: float) -> Iterator[Event]:
        members = self._together(failures.since, failures.callees, now)
        if members:
            cascade = self._cascades[environment] = OpenCascade.of(members, failures)
            cascade.grow(failures, self._max_services)
            cascade.root = cascade.root_now(failures)
            yield self._event("alert", environment, cascade, now)

    def _go_on(self, environment: str, cascade: OpenCascade, failures: Failures, now: float) -> Iterator[Event]:
        has_grown = cascade.grow(failures, self._max_services)
        root = cascade.root_now(failures)
        if root != cascade.root:
            yield self._event("recovery", environment, cascade, now, root)
            cascade.root, cascade.root_before = root, cascade.root
            yield self._event("alert", environment, cascade, now)
        elif has_grown:
            yield self._event("info", environment, cascade, now)

    def _callees(self, environment: str, failing: Mapping[str, float], now: float) -> dict[str, set[str]]:
        """Of each of them, all of which fail or did, those of them that it calls."""
        callees: dict[str, set[str]] = {name: set() for name in failing}
        if len(failing) < 2:
            return callees
        for edge in self._remembered(environment).edges:
            _, caller, callee = edge
            if caller in failing and callee in failing and now - self._edges[edge] <= EDGE_SECONDS:
                callees[caller].add(callee)
        return callees

    def _remembered(self, environment: str) -> _Environment:
        return self._environments.get(environment) or _Environment()

    def _together(self, failing: Mapping[str, float], callees: Mapping[str, set[str]], now: float) -> list[str]:
        """The largest connected group that began to fail within the window, once the window is over."""
        best: list[str] = []
        for first in sorted(failing, key=lambda name: (failing[name], name)):
            start = failing[first]
            if now - start < self._window_seconds:
                continue  # who else fails is not known yet
            close = {name: since for name, since in failing.items() if 0 <= since - start <= self._window_seconds}
            group = connected({first}, close, callees)
            if len(group) >= self._min_services and len(group) > len(best):
                best = sorted(group, key=lambda name: (failing[name], name))
        return best

    def _event(self, kind: str, environment: str, cascade: OpenCascade, now: float, root_now: str = "") -> Event:
        callees = self._callees(environment, cascade.first_failures, now)
        return cascade.event(kind, environment, callees, now, root_now)
