"""Thousands of detectors, one a series, whose state is saved a little at a time.

A detector changes with every input it is shown, and is a hundred times as large as one. So each checkpoint saves the
inputs of its time (a journal), and the detectors of one sixtieth of the series in turn; a restart takes the detectors
as they were saved and shows them the inputs that came after. What follows is the same as if nothing had happened,
because a detector knows nothing but its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from otelbridge.analysis.grouping import Hashes, Integers
from otelbridge.analysis.identities import Identity, hash_identities
from otelbridge.analysis.intervals import Floats
from otelbridge.analysis.series import Assigned, SeriesTable

# A checkpoint a second saves each busy detector once a minute. A restart shows 10,000 of them some 80,000 inputs, which
# takes a second or two: rarer turns would make it longer, more frequent ones make checkpoints larger.
ROTATION = 60
SHARING = 4  # checkpoints that share a journal: each of them writes it again, and there are fewer parts to keep
JOURNALS = ROTATION // SHARING + 1  # the inputs since any detector was saved lie in so many
INPUTS = 3  # numbers that a detector is shown at a time

_SERIES, _JOURNAL, _ORDER = "series", "journal", "order"  # names of parts

Event = Mapping[str, Any]

_Entry = tuple[int, bytes, bytes]
"""Of a journal: number of a checkpoint, slots (i64) and inputs (f64, INPUTS a slot) in the order in which they came."""


class Detector(Protocol):
    """What can be saved of a detector."""

    def snapshot(self) -> bytes:
        """The whole state."""
        ...

    def restore(self, state: bytes) -> None:
        """Take over a state."""
        ...


DetectorT = TypeVar("DetectorT", bound=Detector)


class _Saved(msgspec.Struct, array_like=True):
    """One slot: whose it is, and its detector after all inputs up to a checkpoint; b"" before the first one."""

    checkpoint: int
    identity: Identity
    detector: bytes


class DetectorTable(Generic[DetectorT]):
    """Detectors by slot.

    Args:
        max_series: more are not remembered; the least recently seen leave first.
        make: a detector for a series that has none; None for a series that is no longer watched.
        show: shows a detector one input; returns what it says.
    """

    def __init__(
        self,
        max_series: int,
        make: Callable[[Identity], DetectorT | None],
        show: Callable[[DetectorT, float, float, float], Event | None],
    ) -> None:
        self._max_series = max_series
        self._make = make
        self._show = show
        self.series = SeriesTable(max_series)
        self.identities: dict[int, Identity] = {}
        self.forgotten: list[Identity] = []
        self._detectors: dict[int, DetectorT] = {}
        self._checkpoint = 0
        self._inputs: list[tuple[Integers, Floats]] = []  # since the last checkpoint
        self._journal: list[_Entry] = []  # of the last checkpoints, as far as they share one
        self._behind = np.zeros(max_series, np.bool_)  # slots whose detector was shown more than what is saved of it
        self._is_order_saved = True
        self._fresh: set[int] = set()  # slots whose identity is not saved
        self._gone: set[int] = set()  # slots that are saved and empty

    def assign(self, hashes: Hashes, identity_of_row: Callable[[int], Identity]) -> Assigned:
        """The slot of each row's series; new series begin without a past. `forgotten` says who had to leave."""
        assigned = self.series.assign(hashes)
        self._is_order_saved = False
        self.forgotten = []
        if assigned.fresh:
            slots = [slot for slot, _ in assigned.fresh]
            self.forgotten = [self.identities[slot] for slot in slots if slot in self.identities]
            self._forget(slots)
            self._fresh.update(slots)
            self._gone.difference_update(slots)
            self.identities.update((slot, identity_of_row(row)) for slot, row in assigned.fresh)
        return assigned

    def show(self, slots: Integers, inputs: Floats) -> Iterator[tuple[int, int, Event]]:
        """Show detectors their inputs (INPUTS columns, one row each), in order.

        Yields the row, the slot and what the detector said, where it said something.
        """
        if not len(slots):
            return
        self._inputs.append((slots, inputs))
        self._behind[slots] = True
        known, show = self._detectors, self._show
        for row, (slot, numbers) in enumerate(zip(slots.tolist(), inputs.tolist(), strict=True)):
            said = show(known[slot] if slot in known else self.detector(slot), *numbers)
            if said is not None:
                yield row, slot, said

    def inherit(self, slot: int, heir: int) -> None:
        """A new series begins with the past of another one."""
        self.detector(heir).restore(self.detector(slot).snapshot())

    def release(self, slots: Iterable[int]) -> None:
        """These series are watched no longer."""
        slots = list(slots)
        self._forget(slots)
        for slot in slots:
            del self.identities[slot]
        self.series.release(slots)
        self._is_order_saved = False
        self._fresh.difference_update(slots)
        self._gone.update(slots)

    def detector(self, slot: int) -> DetectorT:
        """The detector of a slot that is in use."""
        detector = self._detectors.get(slot)
        if detector is None:
            made = self._make(self.identities[slot])
            assert made is not None, "a series that is not watched has no slot"
            detector = self._detectors[slot] = made
        return detector

    def changes(self) -> dict[str, bytes | None]:
        """Parts of the state that changed since the last call; None for one that is gone."""
        if self._is_order_saved:
            return {}
        # Nothing is noted as saved before everything is: a detector that raises must not lose what others learnt.
        checkpoint = self._checkpoint + 1
        turn = range(checkpoint % ROTATION, self._max_series, ROTATION)
        saving = sorted({*(slot for slot in turn if self._behind[slot]), *self._fresh})
        parts: dict[str, bytes | None] = {f"{_SERIES} {slot}": self._saved(slot, checkpoint) for slot in saving}
        parts |= dict.fromkeys((f"{_SERIES} {slot}" for slot in sorted(self._gone)), None)
        parts[_ORDER] = msgspec.msgpack.encode((checkpoint, self.series.state()))
        self._journal = self._continued(checkpoint)
        if self._inputs:
            parts[f"{_JOURNAL} {checkpoint // SHARING}"] = msgspec.msgpack.encode(self._journal)
        if checkpoint % SHARING == 0:
            parts[f"{_JOURNAL} {checkpoint // SHARING - JOURNALS}"] = None
        self._checkpoint, self._inputs, self._fresh, self._gone = checkpoint, [], set(), set()
        self._behind[saving] = False
        self._is_order_saved = True
        return parts

    def _saved(self, slot: int, checkpoint: int) -> bytes:
        detector = self._detectors.get(slot)
        return msgspec.msgpack.encode(
            _Saved(checkpoint, self.identities[slot], detector.snapshot() if detector else b"")
        )

    def _continued(self, checkpoint: int) -> list[_Entry]:
        """The journal with the inputs since the last checkpoint."""
        journal = self._journal if checkpoint % SHARING else []
        if not self._inputs:
            return journal
        slots = np.concatenate([slots for slots, _ in self._inputs])
        inputs = np.concatenate([inputs for _, inputs in self._inputs])
        return [*journal, (checkpoint, slots.tobytes(), inputs.tobytes())]

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take the detectors as saved, and show them the inputs that came after. Raises msgspec.DecodeError.

        Those that are watched no longer, or for which there is no room any more, are forgotten, and deleted next time.
        """
        if _ORDER not in parts:
            return
        self._checkpoint, order = msgspec.msgpack.decode(parts[_ORDER], type=tuple[int, tuple[int, bytes]])
        saved = {slot: msgspec.msgpack.decode(part, type=_Saved) for slot, part in _numbered(parts, _SERIES)}
        for slot, one in saved.items():
            made = self._make(one.identity) if slot < self._max_series else None
            if made is None:
                self._gone.add(slot)
                continue
            self.identities[slot] = one.identity
            if one.detector:
                made.restore(one.detector)
                self._detectors[slot] = made
        self.series.forgotten += len(self._gone)
        self._is_order_saved = not self._gone
        hashes = hash_identities(self.identities.values())
        self.series.take_state(order, ((slot, hashes[identity]) for slot, identity in self.identities.items()))
        saved_at = {slot: saved[slot].checkpoint for slot in self.identities}
        for number, part in _numbered(parts, _JOURNAL):
            entries = msgspec.msgpack.decode(part, type=list[_Entry])
            for entry in entries:
                self._replay(entry, saved_at)
            if number == self._checkpoint // SHARING:
                self._journal = entries

    def _replay(self, entry: _Entry, saved_at: Mapping[int, int]) -> None:
        checkpoint, slot_bytes, input_bytes = entry
        inputs = np.frombuffer(input_bytes).reshape(-1, INPUTS).tolist()
        for slot, numbers in zip(np.frombuffer(slot_bytes, np.int64).tolist(), inputs, strict=True):
            if saved_at.get(slot, checkpoint) < checkpoint:
                self._show(self.detector(slot), *numbers)
                self._behind[slot] = True

    def _forget(self, slots: Iterable[int]) -> None:
        """The series that stood here; what was shown to their detectors since the last checkpoint, too."""
        gone = [slot for slot in slots if self._detectors.pop(slot, None) is not None]
        if gone:
            self._behind[gone] = False
            keeping = [~np.isin(slots, gone) for slots, _ in self._inputs]
            self._inputs = [(slots[k], inputs[k]) for (slots, inputs), k in zip(self._inputs, keeping, strict=True)]


def _numbered(parts: Mapping[str, bytes], kind: str) -> list[tuple[int, bytes]]:
    """The parts of a kind, by their number."""
    split = ((name.partition(" "), part) for name, part in parts.items())
    return sorted((int(number), part) for (name, _, number), part in split if name == kind)
