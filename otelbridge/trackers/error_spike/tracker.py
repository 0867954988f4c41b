"""The tracker: from outcomes of operations to rates of failure, to detectors, to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from otelbridge.analysis.detector_table import INPUTS, DetectorTable
from otelbridge.analysis.error_spike import ErrorSpikeDetector
from otelbridge.analysis.grouping import Hashes, Integers
from otelbridge.analysis.identities import Identity, hash_identities
from otelbridge.analysis.intervals import Floats
from otelbridge.analysis.series import NO_SLOT
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import NO_EXAMPLE, Example, Finding
from otelbridge.core.measurements import ENVIRONMENT, SERVICE, Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.semconv.measurements import ERROR_RATE
from otelbridge.trackers.error_spike.outcomes import Emitter, Outcomes, by_service
from otelbridge.trackers.error_spike.report import finding
from otelbridge.trackers.error_spike.settings import Config

KEYS = (ENVIRONMENT, SERVICE, "error.type")
_EXAMPLES = "examples"
_NONE: Mapping[Any, int] = {}  # of what there is nothing


class ErrorSpike(Tracker):
    """Watches the rate of each class of errors.

    State: a detector of at most 8 KiB for each class of each service, and one for the service as if nothing ever failed
    (its class is None), whose past a new class inherits.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._detectors = DetectorTable(config.max_series, self._detector, ErrorSpikeDetector.update_counts)
        self._slots: dict[Emitter, dict[str | None, int]] = {}
        self._examples: dict[int, Example] = {}
        self._events: Counter[str] = Counter()

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        """Raised when a class of errors spikes, resolved when its rate is normal again or has become normal."""
        outcomes = by_service(measurements[ERROR_RATE.name], self._config.max_error_types)
        for emitter, of_service in outcomes.items():
            self._make_room(emitter, of_service)
        self._assign(outcomes)
        slots, inputs = self._inputs(outcomes)
        return [self._finding(slot, said, now) for _, slot, said in self._detectors.show(slots, inputs)]

    @property
    def counters(self) -> Mapping[str, int]:
        """What detectors said, and `forgotten_series`."""
        return {**self._events, "forgotten_series": self._detectors.series.forgotten}

    @property
    def series(self) -> int:
        """How many series have a detector."""
        return len(self._detectors.series)

    def changes(self) -> Mapping[str, bytes | None]:
        """Detectors, and the last example of each class."""
        parts = self._detectors.changes()
        return parts and {**parts, _EXAMPLES: msgspec.msgpack.encode(self._examples)}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            self._detectors.restore(parts)
            if _EXAMPLES in parts:
                self._examples = msgspec.msgpack.decode(parts[_EXAMPLES], type=dict[int, Example])
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateUnreadable(f"error_spike: {error}") from error
        for slot, (_, _, (environment, service, error_type)) in sorted(self._detectors.identities.items()):
            self._slots.setdefault((environment, service), {})[error_type] = slot

    def _make_room(self, emitter: Emitter, outcomes: Outcomes) -> None:
        """Let go of the classes that did not occur for longest, where new ones would be too many."""
        known = self._slots.get(emitter, {})
        if len(known) + len(outcomes.failures) - 1 <= self._config.max_error_types:
            return  # even if all of them were new
        new = outcomes.failures.keys() - known.keys()
        surplus = len(known) + len(new) - 1 - self._config.max_error_types
        if surplus <= 0:
            return
        idle = [
            (error_type, slot) for error_type, slot in known.items() if error_type not in (None, *outcomes.failures)
        ]
        age = dict(zip((slot for _, slot in idle), self._detectors.series.last_seen(s for _, s in idle), strict=True))
        oldest = sorted(idle, key=lambda one: (age[one[1]], one[1]))[:surplus]
        self._detectors.release(slot for _, slot in oldest)
        for error_type, slot in oldest:
            del known[error_type]
            self._examples.pop(slot, None)

    def _assign(self, outcomes: Mapping[Emitter, Outcomes]) -> None:
        """A slot for each service and each class that occurs now."""
        occurring = [
            (emitter, error_type)
            for emitter, of_service in outcomes.items()
            for error_type in (None, *of_service.failures)
        ]
        slots = [self._slots.get(emitter, _NONE).get(error_type, NO_SLOT) for emitter, error_type in occurring]
        new = [row for row, slot in enumerate(slots) if slot == NO_SLOT]
        assigned = self._detectors.assign(self._hashes(occurring, slots, new), lambda row: _identity(*occurring[row]))
        for _, _, (environment, service, error_type) in self._detectors.forgotten:
            of_service = self._slots[environment, service]
            self._examples.pop(of_service.pop(error_type), None)
            if not of_service:
                del self._slots[environment, service]
        slots = assigned.slot_of_row.tolist()
        for row in new:
            if slots[row] >= 0:
                emitter, error_type = occurring[row]
                self._slots.setdefault(emitter, {})[error_type] = slots[row]
        for (emitter, error_type), slot in zip(occurring, slots, strict=True):
            if slot >= 0 and error_type is not None:
                self._examples[slot] = Example.of(*outcomes[emitter].last[error_type])
        for slot, row in assigned.fresh:
            emitter, error_type = occurring[row]
            without_errors = self._slots[emitter].get(None)
            if error_type is not None and without_errors is not None:
                self._detectors.inherit(without_errors, slot)

    def _hashes(self, occurring: list[tuple[Emitter, str | None]], slots: list[int], new: list[int]) -> Hashes:
        """What each series is found by: a query for those that have no slot, known of all others."""
        hashes = self._detectors.series.hashes(np.array(slots, np.int64))
        if new:
            identities = [_identity(*occurring[row]) for row in new]
            hash_of = hash_identities(identities)
            hashes[new] = [hash_of[identity] for identity in identities]
        return hashes

    def _inputs(self, outcomes: Mapping[Emitter, Outcomes]) -> tuple[Integers, Floats]:
        """For every class of these services and every second: its slot, and second, operations, failures."""
        slots: list[int] = []
        numbers: list[float] = []
        for emitter, of_service in outcomes.items():
            classes = [
                (slot, of_service.failures.get(error_type, _NONE) if error_type is not None else _NONE)
                for error_type, slot in sorted(self._slots.get(emitter, _NONE).items(), key=itemgetter(1))
            ]
            for second, total in sorted(of_service.totals.items()):
                for slot, failures in classes:
                    slots.append(slot)
                    numbers += (second, total, failures.get(second, 0))
        return np.array(slots, np.int64), np.array(numbers, np.float64).reshape(-1, INPUTS)

    def _detector(self, _identity: Identity) -> ErrorSpikeDetector:
        return ErrorSpikeDetector(
            hold_seconds=self._config.hold_seconds,
            multiplier=self._config.multiplier,
            min_failures=self._config.min_failures,
        )

    def _finding(self, slot: int, said: Mapping[str, Any], now: float) -> Finding:
        self._events[said["kind"]] += 1
        return finding(said, self._detectors.identities[slot][2], self._examples.get(slot, NO_EXAMPLE), now)


def _identity(emitter: Emitter, error_type: str | None) -> Identity:
    return ERROR_RATE.name, KEYS, (*emitter, error_type)


SPEC = ComponentSpec(
    kind=Kind.TRACKER,
    name="error_spike",
    config=Config,
    build=lambda config, _context: ErrorSpike(config),
    summary="Tells when a class of errors of a service has become frequent, once a spike",
    watches=lambda _config: frozenset({ERROR_RATE.name}),
)
