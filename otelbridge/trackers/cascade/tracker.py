"""The tracker: from outcomes and calls to the detector, to findings."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from operator import itemgetter

import msgspec

from otelbridge.analysis.cascade import Call, CascadeDetector, Outcome
from otelbridge.analysis.failing import BUCKET_SECONDS
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import NO_EXAMPLE, Example, Finding
from otelbridge.core.measurements import SERVICE, Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.semconv.measurements import ERROR_RATE, SERVICE_CALL
from otelbridge.trackers.cascade.counts import Node, count
from otelbridge.trackers.cascade.report import finding
from otelbridge.trackers.cascade.settings import Config

_STATE, _EXAMPLES = "state", "examples"


class Cascade(Tracker):
    """Watches who fails at the same time.

    State: see `analysis.cascade`; the last failed operation of each service, of at most `max_services`.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._detector = CascadeDetector(
            config.min_services, config.window_seconds, config.max_services, config.max_calls
        )
        self._examples: OrderedDict[Node, Example] = OrderedDict()
        self._events: Counter[str] = Counter()
        self._is_saved = self._examples_saved = True

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        """Raised when failures spread, updated while they do, resolved when all of them are over."""
        outcomes, calls = measurements.get(ERROR_RATE.name), measurements.get(SERVICE_CALL.name)
        self._is_saved = False
        # In the order of time, a few seconds at once: a tick may hold hours, when a backlog is worked off.
        by_time: defaultdict[float, tuple[list[Call], list[Outcome]]] = defaultdict(lambda: ([], []))
        if calls is not None:
            counted = count(calls, (SERVICE, "peer"))
            self._note_examples(counted.examples)
            for (environment, caller, callee, second), (total, failed) in counted.counts.items():
                call = Call(environment or "", caller or "", callee or "", second, total, failed)
                by_time[second // BUCKET_SECONDS][0].append(call)
        if outcomes is not None:
            counted = count(outcomes, (SERVICE,))
            self._note_examples(counted.examples)
            for (environment, service, second), (total, failed) in counted.counts.items():
                outcome = Outcome(environment or "", service or "", second, total, failed)
                by_time[second // BUCKET_SECONDS][1].append(outcome)
        events = [
            event for _, seen in sorted(by_time.items(), key=itemgetter(0)) for event in self._detector.update(*seen)
        ]
        self._events.update(event["kind"] for event in events)
        return [
            finding(event, self._examples.get((event["environment"], event["root"]), NO_EXAMPLE), now)
            for event in events
        ]

    @property
    def counters(self) -> Mapping[str, int]:
        """What the detector said, and `forgotten_series`: services that had to leave."""
        return {**self._events, "forgotten_series": self._detector.forgotten}

    @property
    def series(self) -> int:
        """How many services and peers it remembers."""
        return len(self._detector)

    def changes(self) -> Mapping[str, bytes | None]:
        """The detector, and the last failed operations."""
        parts: dict[str, bytes | None] = {}
        if not self._is_saved:
            parts[_STATE] = self._detector.snapshot()
        if not self._examples_saved:
            parts[_EXAMPLES] = msgspec.msgpack.encode(list(self._examples.items()))
        self._is_saved = self._examples_saved = True
        return parts

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            if _STATE in parts:
                self._detector.restore(parts[_STATE])
            if _EXAMPLES in parts:
                pairs = msgspec.msgpack.decode(parts[_EXAMPLES], type=list[tuple[Node, Example]])
                self._examples = OrderedDict(pairs)
        except msgspec.MsgspecError as error:
            raise StateUnreadable(f"cascade: {error}") from error

    def _note_examples(self, latest: Mapping[Node, Example]) -> None:
        """Those that failed last stand last."""
        for node, example in latest.items():
            self._examples[node] = example
            self._examples.move_to_end(node)
            self._examples_saved = False
        while len(self._examples) > self._config.max_services:
            self._examples.popitem(last=False)


SPEC = ComponentSpec(
    kind=Kind.TRACKER,
    name="cascade",
    config=Config,
    build=lambda config, _context: Cascade(config),
    summary="Tells when failures spread from service to service, and from which",
    watches=lambda _config: frozenset({ERROR_RATE.name, SERVICE_CALL.name}),
)
