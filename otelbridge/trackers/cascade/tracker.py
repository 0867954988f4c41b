"""The tracker: from outcomes and calls to the detector, to findings."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

import msgspec
import polars as pl

from otelbridge.analysis.cascade import Call, CascadeDetector, Outcome
from otelbridge.analysis.failing import BUCKET_SECONDS
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import NO_EXAMPLE, Example, Finding
from otelbridge.core.measurements import COUNT, ENVIRONMENT, RELEASE, SERVICE, TIME, VALUE, Measurements
from otelbridge.core.schema import SPAN_ID, TRACE_ID
from otelbridge.core.tracker import Tracker
from otelbridge.semconv.measurements import ERROR_RATE, SERVICE_CALL
from otelbridge.trackers.cascade.report import finding
from otelbridge.trackers.cascade.settings import Config

_STATE, _EXAMPLES = "state", "examples"

Node = tuple[str, str]
"""Environment, and service or peer."""


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
        for frame, name in ((calls, "peer"), (outcomes, SERVICE)):
            if frame is not None:
                self._note_examples(frame, name)
        # In the order of time, a few seconds at once: a tick may hold hours, when a backlog is worked off.
        by_time: defaultdict[float, tuple[list[Call], list[Outcome]]] = defaultdict(lambda: ([], []))
        for call in _calls(calls) if calls is not None else ():
            by_time[call.time // BUCKET_SECONDS][0].append(call)
        for outcome in _outcomes(outcomes) if outcomes is not None else ():
            by_time[outcome.time // BUCKET_SECONDS][1].append(outcome)
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

    def _note_examples(self, frame: pl.DataFrame, name: str) -> None:
        failed = frame.filter(pl.col(VALUE) > 0).select(ENVIRONMENT, name, TRACE_ID, SPAN_ID, RELEASE)
        for environment, node, trace_id, span_id, release in failed.iter_rows():
            key = (environment or "", node or "")
            self._examples[key] = Example.of(trace_id, span_id, release)
            self._examples.move_to_end(key)
            self._examples_saved = False
        while len(self._examples) > self._config.max_services:
            self._examples.popitem(last=False)


def _outcomes(measured: pl.DataFrame) -> Iterator[Outcome]:
    """One for each service and second of `error.rate`."""
    rows = measured.group_by(ENVIRONMENT, SERVICE, TIME, maintain_order=True).agg(*_COUNTS)
    for environment, service, second, total, failed in rows.iter_rows():
        yield Outcome(environment or "", service or "", second, total, failed)


def _calls(measured: pl.DataFrame) -> Iterator[Call]:
    """One for each pair and second of `service.call`."""
    rows = measured.group_by(ENVIRONMENT, SERVICE, "peer", TIME, maintain_order=True).agg(*_COUNTS)
    for environment, caller, callee, second, total, failed in rows.iter_rows():
        yield Call(environment or "", caller or "", callee or "", second, total, failed)


_COUNTS = (pl.col(COUNT).sum().alias("total"), pl.col(COUNT).filter(pl.col(VALUE) > 0).sum().alias("failed"))

SPEC = ComponentSpec(
    kind=Kind.TRACKER,
    name="cascade",
    config=Config,
    build=lambda config, _context: Cascade(config),
    summary="Tells when failures spread from service to service, and from which",
    watches=lambda _config: frozenset({ERROR_RATE.name, SERVICE_CALL.name}),
)
