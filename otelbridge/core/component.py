"""The contract that every component keeps.

A processor is synchronous and pure but for its own state: no I/O, no clock, no threads. That is what lets the same
object run in the daemon, in a replay of a log after a crash, and in a test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict

from otelbridge.core.batch import Batch, Origin
from otelbridge.core.findings import Breadcrumb, Finding
from otelbridge.core.schema import Column


class Kind(StrEnum):
    """What a component is, and the section of the configuration it stands in."""

    RECEIVER = "receiver"
    PROCESSOR = "processor"
    TRACKER = "tracker"
    EXPORTER = "exporter"


class Signal(StrEnum):
    """What a request holds; each has requests of its own on the wire."""

    TRACES = "traces"
    METRICS = "metrics"


class ComponentConfig(BaseModel):
    """What a user writes under the component's id. The docstring under each field is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What the service injects into a component; users never see it.

    Attributes:
        id: the component's id in the configuration, e.g. `n_plus_one` or `n_plus_one/checkout`.
        data_directory: where an exporter that writes files may write.
        measurements: names of the measurements that somebody in the pipeline watches; others need not be made.
    """

    id: str
    data_directory: str = ""
    measurements: frozenset[str] = frozenset()


class Processor(ABC):
    """Adds columns, findings and drops to batches of spans.

    `process` of a processor that stands before `group_by_trace` sees every span once, in any grouping into batches;
    what it adds to a row must depend on that row alone, because the row is computed again when the buffer is refilled
    after a crash. State is for what `process_traces` learns. With `needs_complete_traces`, `process` sees whole traces.
    Every column that the component declares (`ComponentSpec.reads`, `carries`) exists, with nulls where there is none.
    """

    @abstractmethod
    def process(self, batch: Batch) -> Batch:
        """The batch with this processor's columns, findings and drops. Never raises on decodable input."""

    def process_traces(self, batch: Batch) -> Batch:
        """A second look, at whole traces, for a processor that stands before `group_by_trace`.

        Called once for every span, when its trace is decided and before the trace processors run; spans that come after
        the decision are shown in a batch of their own.
        """
        return batch

    def breadcrumbs(self, kept: pl.DataFrame) -> Iterable[Breadcrumb]:
        """Breadcrumbs for the kept spans of one export; called on survivors only."""
        return ()

    @property
    def counters(self) -> Mapping[str, int]:
        """What the component counts since the start, for `/metrics`; by a name of its own for each event."""
        return {}

    def snapshot(self) -> bytes:
        """The state, complete and bounded; b"" for a processor that has none."""
        return b""

    def restore(self, state: bytes) -> None:
        """Take over a state that `snapshot` of the same version wrote."""

    def changes(self) -> Mapping[str, bytes | None] | None:
        """Parts of the state that changed since the last call, by name; None for one that is gone (as `Tracker`).

        For a processor whose state is large and changes a little at a time: it is saved instead of `snapshot`. None in
        the place of the mapping: this processor has no parts.
        """
        return None

    def restore_parts(self, parts: Mapping[str, bytes]) -> None:
        """Take over all parts that `changes` of the same version gave so far."""


class Parcel(NamedTuple):
    """One unit of delivery, as it lies in the outbox until the destination has taken it.

    Attributes:
        id: deterministic: the same trace encoded again gives the same id, so that a destination can drop repeats.
        destination: which of the exporter's destinations (a DSN, a file); rate limits count per destination.
        category: the destination's word for what it is (`transaction`, `error`), for rate limits.
        body: what is sent, or what `Exporter.pack` made of it.
        spans: how many spans of the balance it carries (0 for findings and error events).
    """

    id: str
    destination: str
    category: str
    body: bytes
    spans: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What an exporter gets: whole traces that survived, and everything learnt about them.

    Attributes:
        spans: one row a span (see `core.schema`), rows of a trace in any order; without rows it has no columns either.
        origins: as in `Batch`.
        added: the columns of `spans` that processors added for the reader of a trace; null = not on this span.
        findings: to be sent on their own, whether or not their example trace survived.
        breadcrumbs: for the transactions of these spans.
        now: log time in seconds since the epoch.
    """

    spans: pl.DataFrame
    origins: dict[int, Origin]
    added: tuple[Column, ...]
    findings: tuple[Finding, ...]
    breadcrumbs: tuple[Breadcrumb, ...]
    now: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an exporter made of `Kept`: spans in parcels + spans dropped with a reason = spans kept."""

    parcels: list[Parcel]
    dropped: dict[str, int] = field(default_factory=dict)


RateLimit = tuple[frozenset[str], float]
"""Categories (empty: all) and for how many seconds the destination wants nothing of them."""


class Exporter(ABC):
    """Turns kept traces into parcels (in the task, pure) and delivers a parcel (in the sender, one attempt).

    Attributes:
        evicted_spans: spans that were delivered and then deleted again to keep a bound, since the start.
    """

    evicted_spans: int = 0

    @property
    def destination(self) -> str:
        """Where it delivers to, for a person; holds no secret."""
        return ""

    @abstractmethod
    def encode(self, kept: Kept) -> Encoded:
        """Everything in `kept` as parcels. Deterministic; never raises on decodable input."""

    def pack(self, parcels: list[Parcel]) -> list[Parcel]:
        """The parcels as they are to lie in the outbox, with smaller bodies for example; `deliver` takes both."""
        return parcels

    @abstractmethod
    def deliver(self, parcel: Parcel, now: float) -> tuple[RateLimit, ...]:
        """One attempt, blocking, from any thread. Raises RetryLater, RateLimited or Rejected.

        Returning means that the destination has it. What it returns are the pauses that the destination asks for from
        now on, usually none: it may take this parcel and yet announce that it wants no more of a category.
        """

    def client_report(self, destination: str, dropped: Mapping[tuple[str, str], int], now: float) -> Parcel | None:
        """What was dropped, by (reason, category), for a destination that wants to know; None when it does not."""
        return None

    def close(self) -> None:
        """Release connections and files."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a request that is now durable.

    Attributes:
        items: all spans or data points of the request.
        rejected: those among them that cannot be used.
        reason: why, for the client's eyes; "" when none was rejected.
    """

    items: int
    rejected: int = 0
    reason: str = ""


@dataclass(slots=True)
class ReceiverCounts:
    """What came in over one transport since the start.

    Attributes:
        accepted: usable spans or data points of durable requests, by signal.
        rejected: unusable ones of durable requests; their clients were told.
        bytes: of durable requests, as protobuf, decompressed.
        requests: by outcome: success, refused (the client was told why), failure (no answer reached it). What the
            protocol's library refuses by itself, like too large gRPC messages, is counted nowhere.
    """

    accepted: dict[Signal, int] = field(default_factory=lambda: dict.fromkeys(Signal, 0))
    rejected: dict[Signal, int] = field(default_factory=lambda: dict.fromkeys(Signal, 0))
    bytes: int = 0
    requests: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("success", "refused", "failure"), 0))


Submit = Callable[[bytes], Awaitable[Accepted]]
"""Hands the bytes of one export request of a signal over; returns once they are durable.

Raises Undecodable (the client must not retry) or RetryLater (full, draining, disk full).
"""


class Receiver(ABC):
    """Listens, checks what only the protocol can check, submits raw requests and answers clients."""

    @abstractmethod
    async def start(self, submit: Mapping[Signal, Submit]) -> None:
        """Open the sockets, and take the signals that are given; raises CannotStart with one clear line."""

    @abstractmethod
    async def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and return when those in flight are answered or the grace is over."""

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """host:port as bound (with port 0 configured: the port that was given)."""

    @property
    def counts(self) -> Mapping[str, ReceiverCounts]:
        """What came in since the start, by transport."""
        return {}


ComponentT = TypeVar("ComponentT", covariant=True)


@dataclass(frozen=True)
class ComponentSpec(Generic[ComponentT]):
    """What the catalogue knows about a component without building it.

    Attributes:
        kind: receiver, processor, tracker or exporter.
        name: lower_snake_case; the same in YAML, module, docs page and test.
        config: the settings' model.
        build: makes the component; prepares and starts nothing.
        reads: columns that `process` and `process_traces` need, for this configuration.
        carries: columns that must survive until the trace is exported or decided (read by `process_traces`,
            `breadcrumbs` and, with `needs_complete_traces`, by `process`).
        adds: columns it adds for the reader of a trace; exporters write them.
        needs_complete_traces: must stand after `group_by_trace`.
        measures: names of the measurements it can make, for this configuration.
        watches: names of the measurements a tracker sees, for this configuration.
        keys: columns by which a tracker tells apart or chooses what it watches; of received metrics only these
            attributes are extracted.
        summary: one line for `otelbridge components`.
    """

    kind: Kind
    name: str
    config: type[ComponentConfig]
    build: Callable[[Any, BuildContext], ComponentT]
    summary: str
    reads: Callable[[Any], frozenset[str]] = field(default=lambda _config: frozenset())
    carries: Callable[[Any], frozenset[str]] = field(default=lambda _config: frozenset())
    adds: tuple[Column, ...] = ()
    needs_complete_traces: bool = False
    measures: Callable[[Any], frozenset[str]] = field(default=lambda _config: frozenset())
    watches: Callable[[Any], frozenset[str]] = field(default=lambda _config: frozenset())
    keys: Callable[[Any], frozenset[str]] = field(default=lambda _config: frozenset())

    stability: ClassVar[str] = "alpha"
