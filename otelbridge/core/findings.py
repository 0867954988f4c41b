"""What components found out: findings (they become issues) and breadcrumbs (they explain one transaction)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Level = Literal["info", "warning", "error", "fatal"]

State = Literal["once", "raised", "updated", "resolved"]
"""Where a finding is in its life: `once` has none, each occurrence speaks for itself; the others are one finding that
is raised, may be updated while it is open, and is resolved."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One insight about many spans, stable enough to be grouped.

    Attributes:
        kind: the component's word for it, e.g. `n_plus_one`; an alert rule selects by it.
        level: how bad it is.
        title: one sentence for a human, without values that differ from trace to trace.
        key: what makes two findings the same problem, and one issue; stable over traces, restarts and releases.
        time: log time, seconds since the epoch.
        tags: short searchable values.
        contexts: named groups of details.
        trace_id: an example trace, 0 when there is none.
        span_id: the span of that trace the finding is about, 0 when there is none.
        service: `service.name` of the example.
        environment: deployment environment of the example, "" when unknown.
        release: service version of the example, "" when unknown.
        instance: which of several processes of the service it is about, "" for all of them. Each has a life of its own,
            all of them are one issue: processes come and go.
        state: `once`, or what became of the finding of this kind and key.
        summary: how much, in a few words that may differ each time; "" when the title says it all.
    """

    kind: str
    level: Level
    title: str
    key: tuple[str, ...]
    time: float
    tags: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trace_id: int = 0
    span_id: int = 0
    service: str = ""
    environment: str = ""
    release: str = ""
    instance: str = ""
    state: State = "once"
    summary: str = ""


class Example(msgspec.Struct, array_like=True, frozen=True):
    """A span that shows what a finding is about, as it is kept until the finding is raised.

    The trace id is 16 bytes, big-endian, because 128 bits are no number of msgpack's.
    """

    trace: bytes
    span_id: int
    release: str

    @classmethod
    def of(cls, trace_id: int, span_id: int, release: str | None) -> Example:
        """From the columns of a span or a measurement."""
        return cls(trace_id.to_bytes(16, "big"), span_id, release or "")

    @property
    def trace_id(self) -> int:
        """As a finding has it."""
        return int.from_bytes(self.trace, "big")


NO_EXAMPLE = Example(b"", 0, "")


def readable(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as a person reads them: six digits are enough, and moments (in `MOMENTS`) have a date."""
    return {name: _readable(name, value) for name, value in details.items() if value not in ("", None)}


MOMENTS = frozenset({"time", "since", "start", "end"})
"""Details that are seconds since the epoch."""


def _readable(name: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if name in MOMENTS and 0 <= value < _YEAR_10000:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    return float(f"{value:.6g}")


_YEAR_10000 = 253_402_300_800.0


@dataclass(frozen=True, slots=True)
class Breadcrumb:
    """One line in the breadcrumbs of the transaction that holds the span.

    `time` is in seconds since the epoch (the span's own, not the log's).
    """

    trace_id: int
    span_id: int
    time: float
    category: str
    message: str
    level: Level = "info"
    data: Mapping[str, Any] = field(default_factory=dict)
