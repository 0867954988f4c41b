"""Metrics that say how full something is, or how full it may get: what can be watched without asking anybody.

By OpenTelemetry's naming, `.utilization` is a share of 0 to 1, and `.limit` or `.max` is what the usage beside it must
stay below. To add one, add a row. Left out on purpose: CPU, which does not fill up; `jvm.memory.used`, which reaches
its limit before each collection; `v8js.memory.heap.limit` (`.heap.space.size` since), which is what V8 has reserved and
not what it may reserve.

Source of the rows: semantic conventions 1.37 and the deprecated registry before it; the Collector's receivers
hostmetrics, kubeletstats and docker_stats; and what instrumentations of Node.js and Python were recorded to send, where
a row says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from otelbridge.core.measurements import ENVIRONMENT, INSTANCE, SERVICE

SENDER = (ENVIRONMENT, SERVICE, INSTANCE)


@dataclass(frozen=True, slots=True)
class KnownLimit:
    """A metric with a limit.

    Attributes:
        metric: its name.
        limit: a number in its unit, or the name of the metric that tells it.
        by: attributes that tell series apart, beside the sender's environment, service and instance.
        where: attributes that its points must have to count.
        is_miscounted: instrumentations are known to report what cannot be; see docs/trackers/capacity.md.
    """

    metric: str
    limit: float | str = 1.0
    by: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    is_miscounted: bool = False

    def condition(self) -> str:
        """Which points count, as one would say it: `state = used`; "" for all."""
        return ", ".join(f"{attribute} = {value}" for attribute, value in self.where.items())

    def full_at(self) -> str:
        """Where it is full, as one would say it."""
        return self.limit if isinstance(self.limit, str) else f"{self.limit:g}"


_FILES, _FILE_STATE = "system.filesystem.utilization", "system.filesystem.state"

KNOWN_LIMITS: tuple[KnownLimit, ...] = (
    # Recorded: instrumentation-pg 0.77.0. It says the maximum since 0.74.
    KnownLimit(
        "db.client.connection.count",
        "db.client.connection.max",
        ("db.client.connection.pool.name",),
        {"db.client.connection.state": "used"},
        is_miscounted=True,
    ),
    # Recorded: instrumentation-sqlalchemy 0.66b1, which says no maximum: its pools are judged by a limit of the user's.
    KnownLimit("db.client.connections.usage", "db.client.connections.max", ("pool.name",), {"state": "used"}),
    KnownLimit("jvm.memory.used_after_last_gc", "jvm.memory.limit", ("jvm.memory.pool.name",)),
    # Recorded: instrumentation-runtime-node 0.37.0; no attributes.
    KnownLimit("nodejs.eventloop.utilization"),
    # Recorded: instrumentation-host-metrics 0.7.0 and host-metrics 0.39.0 of Node.js (used and free, 1 together).
    KnownLimit("system.memory.utilization", where={"system.memory.state": "used"}),
    # Recorded: instrumentation-system-metrics 0.66b1 of Python (used, free and cached); the Collector's hostmetrics.
    KnownLimit("system.memory.utilization", by=("state",), where={"state": "used"}),
    KnownLimit(_FILES, by=("system.filesystem.mountpoint",), where={_FILE_STATE: "used"}),
    KnownLimit(_FILES, by=("mountpoint",), where={"mode": "rw"}),
    KnownLimit("k8s.pod.memory_limit_utilization"),
    KnownLimit("k8s.pod.memory.limit.utilization"),
    KnownLimit("container.memory.percent", 100.0),
)
