"""What was decided about traces, remembered for the spans that come late and for the replay after a crash.

Two generations of a dict: when the younger one is full the older one is forgotten, which costs nothing per entry. A
generation is kept for as long as the log may be read again from before its end, because a replay must know every trace
that was decided in what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import methodcaller

import msgspec
import polars as pl

from otelbridge.core import schema


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
        self._unsaved: list[Mapping[int, Decision]] = []

    def __len__(self) -> int:
        return sum(len(generation.decisions) for generation in self._generations)

    def find_all(self, trace_ids: Iterable[int]) -> dict[int, Decision]:
        """The decisions about those of the traces that are remembered."""
        wanted = set(trace_ids)
        found: dict[int, Decision] = {}
        for generation in self._generations:
            decisions = generation.decisions
            found.update((trace_id, decisions[trace_id]) for trace_id in decisions.keys() & wanted)
        return found

    def remember(self, decided: Mapping[int, Decision]) -> None:
        """Add decisions; they are part of the next `save`."""
        self._unsaved.append(decided)
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


def decisions_of_kept(spans: pl.DataFrame) -> dict[int, Decision]:
    """The decisions about the traces of spans that were kept; which rule kept them, if any did, stands on the spans."""
    if "sampling.rule" not in spans.columns:
        return dict.fromkeys(spans[schema.TRACE_ID].unique().to_list(), Decision(kept=True))
    kept = spans.group_by(schema.TRACE_ID).agg(pl.first("sampling.rule", "sampling.rate"))
    made: dict[tuple[str, float], Decision] = {}
    decisions: dict[int, Decision] = {}
    for trace_id, rule, rate in zip(*(column.to_list() for column in kept.get_columns()), strict=True):
        if (rule, rate) not in made:
            made[rule, rate] = Decision(kept=True, rule=rule, rate=rate)
        decisions[trace_id] = made[rule, rate]
    return decisions


_Saved = list[tuple[tuple[bool, str | None, float | None], bytes]]  # decision, 16-byte ids of all traces it fell on


_sixteen_bytes = methodcaller("to_bytes", 16, "big")


def _encode(unsaved: list[Mapping[int, Decision]]) -> bytes:
    if not unsaved:
        return b""
    # By object first: hashing a decision for each trace would cost more than all else.
    of_object: dict[int, tuple[Decision, list[int]]] = {}
    for decided in unsaved:
        for trace_id, decision in decided.items():
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
