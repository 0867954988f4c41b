"""How far a task has come: what a checkpoint holds, and what a restart takes over from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from otelbridge.core.component import Parcel


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a task needs to know of a record beside its spans."""

    sequence: int
    time: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task has come, at a tick boundary.

    Attributes:
        position: the last record whose spans are in the state.
        tick: the last tick that is closed.
        low_record: the oldest record a restart must read again.
        states: snapshot of every processor, by component id; b"" of one that has none, or saves its state in parts.
        parts: of trackers' and processors' state, by owner and name of the part: those that changed; None for one that
            is gone.
        ledger: the balance.
        parcels: by exporter, made since the last progress.
        generation: number of the decision generation that `decisions` belong to.
        decisions: about traces, made since the last progress.
        oldest_generation: generations before it may be deleted.
    """

    position: int
    tick: int
    low_record: int
    states: Mapping[str, bytes]
    parts: Mapping[str, Mapping[str, bytes | None]]
    ledger: bytes
    parcels: Mapping[str, Sequence[Parcel]]
    generation: int = 0
    decisions: bytes = b""
    oldest_generation: int = 0


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a restart takes over from the last checkpoint."""

    position: int = 0
    tick: int = -1
    low_record: int = 1
    states: Mapping[str, bytes] = field(default_factory=dict)
    ledger: bytes = b""
    decisions: Sequence[tuple[int, int, bytes]] = ()
    parts: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
