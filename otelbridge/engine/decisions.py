"""What was decided about traces, remembered for the spans that come late and for the replay after a crash.

Two generations of a dict: when the younger one is full the older one is forgotten, which costs nothing per entry. A
generation is kept for as long as the log may be read again from before its end, because a replay must know every trace
that was decided in what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import methodcaller

import msgspec


@dataclass(frozen=True, slots=True)
class Decision:
    """The fate of a trace: kept or dropped, by which rule, and at which rate (0..1) that rule keeps."""

    kept: bool
    rule: str | None = None
    rate: float | None = None


@dataclass(slots=True)
class _Generation:
    number: int
    decisions: dict[int, Decision]
    last_record: int = 0
    """The read position when the newest decision in it was made."""


class Decisions:
    """Trace id -> decision, for about the last `capacity` traces."""

    def __init__(self, capacity: int) -> None:
        self._generation_size = max(1, capacity // 2)
        self._generations = [_Generation(1, {})]
        self._unsaved: list[tuple[int, Decision]] = []

    def __len__(self) -> int:
        return sum(len(generation.decisions) for generation in self._generations)

    def find(self, trace_id: int) -> Decision | None:
        """The decision, None if it was never made or is forgotten."""
        for generation in reversed(self._generations):
            decision = generation.decisions.get(trace_id)
            if decision is not None:
                return decision
        return None

    def remember(self, decided: Iterable[tuple[int, Decision]]) -> None:
        """Add decisions; they are part of the next `save`."""
        decided = list(decided)
        self._unsaved.extend(decided)
        self._generations[-1].decisions.update(decided)

    def save(self, position: int, low_record: int) -> tuple[int, bytes, int]:
        """What is new since the last save.

        Args:
            position: the read position of the checkpoint this is part of.
            low_record: the oldest record a replay would read.

        Returns:
            Number of the current generation, its new decisions (b"" for none), and the number of the oldest generation
            that must be kept: older ones can be deleted.
        """
        current = self._generations[-1]
        blob = _encode(self._unsaved)
        self._unsaved = []
        current.last_record = position
        while len(self._generations) > 2 and self._generations[0].last_record < low_record:
            del self._generations[0]
        number = current.number
        if len(current.decisions) >= self._generation_size:
            self._generations.append(_Generation(number + 1, {}))
        return number, blob, self._generations[0].number

    def load(self, saved: Iterable[tuple[int, int, bytes]]) -> None:
        """Take over what was saved: (generation, position, decisions), oldest first."""
        for number, position, blob in saved:
            if number != self._generations[-1].number:
                if not self._generations[-1].decisions:
                    self._generations.pop()
                self._generations.append(_Generation(number, {}))
            self._generations[-1].decisions.update(_decode(blob))
            self._generations[-1].last_record = position


_Saved = list[tuple[tuple[bool, str | None, float | None], bytes]]  # decision, 16-byte ids of all traces it fell on


_sixteen_bytes = methodcaller("to_bytes", 16, "big")


def _encode(decided: list[tuple[int, Decision]]) -> bytes:
    if not decided:
        return b""
    of_object: dict[
        int, tuple[Decision, list[int]]
    ] = {}  # hashing a decision for each trace would cost more than all else
    for trace_id, decision in decided:
        known = of_object.get(id(decision))
        if known is None:
            of_object[id(decision)] = (decision, [trace_id])
        else:
            known[1].append(trace_id)
    by_decision: dict[Decision, list[bytes]] = {}
    for decision, ids in of_object.values():
        by_decision.setdefault(decision, []).extend(map(_sixteen_bytes, ids))
    return msgspec.msgpack.encode(
        [((decision.kept, decision.rule, decision.rate), b"".join(ids)) for decision, ids in by_decision.items()]
    )


def _decode(blob: bytes) -> dict[int, Decision]:
    if not blob:
        return {}
    saved = msgspec.msgpack.decode(blob, type=_Saved)
    return {
        int.from_bytes(ids[start : start + 16], "big"): decision
        for decision, ids in ((Decision(*fields), ids) for fields, ids in saved)
        for start in range(0, len(ids), 16)
    }
