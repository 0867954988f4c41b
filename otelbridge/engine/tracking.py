"""The second stream of a task: measurements of 100 % of the spans, to trackers, to findings.

What processors measure in the course of a tick is shown to the trackers when the tick is closed, in the log's order:
so that what they find does not depend on how the tick was cut into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import msgspec
import polars as pl

from otelbridge.core.batch import Batch
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import MAX_AHEAD_SECONDS, TIME, Measurements, joined
from otelbridge.core.tracker import Tracker
from otelbridge.engine.open_findings import OpenFindings

OWN = "findings of all"  # in the place of a tracker's id; no component can have one with a blank in it
OPEN_FINDINGS = "open"
EXAMPLES = "examples"
MAX_EXAMPLES = 10_000  # traces waiting for their decision; findings are rare

OnFinding = Callable[[Finding], None]
"""Told of each finding that lasts, when it is sent: raised, updated or resolved. After a crash it may be told again."""

Parts = Mapping[str, Mapping[str, bytes | None]]
"""Changed parts of state by owner and name; None for a part that is gone."""


@dataclass(slots=True)
class WatchedBy:
    """A tracker, its id, how to build it anew, and the names of the measurements it sees."""

    id: str
    build: Callable[[], Tracker]
    watches: frozenset[str]
    tracker: Tracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = self.build()


class Tracking:
    """What a task's trackers have yet to see, and what they found."""

    def __init__(
        self,
        trackers: Sequence[WatchedBy],
        on_error: Callable[[str, BaseException], None],
        on_finding: OnFinding = lambda _finding: None,
    ) -> None:
        self.trackers = trackers
        self.open_findings = OpenFindings()
        self._on_error = on_error
        self._on_finding = on_finding
        self._measured: list[tuple[str, pl.DataFrame]] = []
        self._examples: dict[int, tuple[str, ...]] = {}
        self._examples_saved = True
        self._unreadable: dict[str, Mapping[str, bytes | None]] = {}  # parts of state to be deleted

    def take(self, measurements: Iterable[tuple[str, pl.DataFrame]]) -> None:
        """Remember what was measured, by name, until the tick is closed."""
        if self.trackers:
            self._measured.extend(measurements)

    def close(self, now: float, is_held: Callable[[int], bool]) -> list[Finding]:
        """Show the trackers what was measured in the tick that ends at `now`; returns the findings to be sent.

        Args:
            now: log time.
            is_held: whether a trace is still undecided; its decision will know that it is the example of a finding.
        """
        if not self._measured:
            return []
        measurements = {name: _until(now, frame) for name, frame in joined(self._measured).items()}
        self._measured = []
        found: list[Finding] = []
        for watched in self.trackers:
            seen = {name: frame for name, frame in measurements.items() if name in watched.watches}
            if seen:
                found += self._observe(watched, seen, now)
        told = self._admitted(found)
        for finding in told:
            if finding.trace_id and finding.state != "resolved" and is_held(finding.trace_id):
                self._note_example(finding)
        return told

    def marks(self, trace_ids: Iterable[int], now: float) -> tuple[Finding, ...]:
        """Stand-ins for the findings whose examples are among these traces, which are being decided.

        The findings themselves are sent already: these are for a sampling rule to see (`has_finding`), not to be sent.
        """
        if not self._examples:
            return ()
        found = tuple(
            Finding(kind=kind, level="info", title="", key=(), time=now, trace_id=trace_id, state="raised")
            for trace_id in trace_ids
            for kind in self._examples.pop(trace_id, ())
        )
        self._examples_saved = self._examples_saved and not found
        return found

    def told(self, batch: Batch, marks: tuple[Finding, ...] = ()) -> Batch:
        """The batch with those findings of its processors that are to be sent: neither stand-ins nor repetitions."""
        if not batch.findings:
            return batch
        found = batch.without_findings(marks).findings
        return replace(batch, findings=tuple(self._admitted(found)))

    def changes(self) -> Parts:
        """What must be saved since the last call."""
        own: dict[str, bytes | None] = {}
        if (state := self.open_findings.changes()) is not None:
            own[OPEN_FINDINGS] = state
        if not self._examples_saved:
            examples = [(trace_id.to_bytes(16, "big"), kinds) for trace_id, kinds in self._examples.items()]
            own[EXAMPLES] = msgspec.msgpack.encode(examples)
            self._examples_saved = True
        changed = dict(self._unreadable)
        self._unreadable = {}
        for watched in self.trackers:
            if parts := self._changes_of(watched):
                changed[watched.id] = {**changed.get(watched.id, {}), **parts}
        return {**changed, OWN: own} if own else changed

    def restore(self, parts: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over everything that `changes` gave so far; what belongs to a tracker that is gone is left alone.

        A tracker whose state cannot be read begins anew, and that is told as its error: what it knew can be learnt
        again, and no span is lost. What cannot be read is deleted, or it would be mixed with the new state.
        """
        for watched in self.trackers:
            saved = parts.get(watched.id, {})
            try:
                watched.tracker.restore(saved)
            except Exception as error:  # noqa: BLE001 # the step boundary: whatever it stumbles over, the spans go on
                self._on_error(watched.id, error)
                watched.tracker = watched.build()
                self._unreadable[watched.id] = dict.fromkeys(saved)
        own = parts.get(OWN, {})
        if OPEN_FINDINGS in own:
            self.open_findings.restore(own[OPEN_FINDINGS])
        if EXAMPLES in own:
            examples = msgspec.msgpack.decode(own[EXAMPLES], type=list[tuple[bytes, tuple[str, ...]]])
            self._examples = {int.from_bytes(trace_id, "big"): kinds for trace_id, kinds in examples}

    def forgotten(self) -> dict[str, int]:
        """How many series each tracker had to forget since the start, where that are any."""
        counts = {watched.id: watched.tracker.counters.get("forgotten_series", 0) for watched in self.trackers}
        return {tracker: count for tracker, count in counts.items() if count}

    def _admitted(self, found: Iterable[Finding]) -> list[Finding]:
        told = list(self.open_findings.admit(found))
        for finding in told:
            if finding.state != "once":
                self._on_finding(finding)
        return told

    def _note_example(self, finding: Finding) -> None:
        kinds = self._examples.get(finding.trace_id, ())
        if finding.kind not in kinds and (kinds or len(self._examples) < MAX_EXAMPLES):
            self._examples[finding.trace_id] = (*kinds, finding.kind)
            self._examples_saved = False

    def _changes_of(self, watched: WatchedBy) -> Mapping[str, bytes | None]:
        try:
            return watched.tracker.changes()
        except Exception as error:  # noqa: BLE001 # the step boundary: the spans' checkpoint must not wait for it
            self._on_error(watched.id, error)
            return {}

    def _observe(self, watched: WatchedBy, seen: Measurements, now: float) -> Sequence[Finding]:
        try:
            return watched.tracker.observe(seen, now)
        except Exception as error:  # noqa: BLE001 # the step boundary: a tracker must not stop the pipeline
            self._on_error(watched.id, error)
            return ()


def _until(now: float, frame: pl.DataFrame) -> pl.DataFrame:
    """Nothing is measured in the future: one wrong clock must not make everybody else late for good."""
    times, latest = frame[TIME], now + MAX_AHEAD_SECONDS
    # Asked of polars: an array would first need a copy, because the column is in pieces.
    if cast("float", times.min()) >= 0.0 and cast("float", times.max()) <= latest:
        return frame
    return frame.with_columns(pl.col(TIME).clip(0.0, latest))
