from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl
import pytest

from otelbridge.core.batch import Batch
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import TIME, VALUE, Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.engine.tracking import MAX_AHEAD_SECONDS, Tracking, WatchedBy

NOW = 1000.0


@dataclass
class Noting(Tracker):
    """Notes what it sees; raises a finding, or an error, when told to."""

    seen: list[dict[str, list[float]]] = field(default_factory=list)
    finding: Finding | None = None
    fails: bool = False
    restored: Mapping[str, bytes] | None = None

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        if self.fails:
            raise RuntimeError("broken")
        self.seen.append({name: frame[VALUE].to_list() for name, frame in measurements.items()})
        return (self.finding,) if self.finding else ()

    @property
    def series(self) -> int:
        return 0

    def changes(self) -> Mapping[str, bytes | None]:
        if self.fails:
            raise RuntimeError("broken")
        return {"state": b"x"} if self.seen else {}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        if parts.get("state") == b"unreadable":
            raise StateUnreadable("noting: unreadable")
        self.restored = parts


def raised(trace_id: int = 7) -> Finding:
    return Finding("degradation", "warning", "slower", ("orders",), NOW, trace_id=trace_id, state="raised")


def batch(*values: float, name: str = "queue.depth", time: float = NOW) -> Batch:
    frame = pl.DataFrame({TIME: [time] * len(values), VALUE: list(values)})
    return Batch(pl.DataFrame(), NOW).add_measurements(name, frame)


def tracking(*trackers: Noting, errors: list[str] | None = None) -> Tracking:
    told = [] if errors is None else errors
    watched = [
        WatchedBy(f"noting/{place}", partial(_given, tracker), frozenset({"queue.depth"}))
        for place, tracker in enumerate(trackers)
    ]
    return Tracking(watched, lambda component, error: told.append(f"{component}: {error}"))


def _given(tracker: Noting) -> Noting:
    return tracker


def held(trace_id: int) -> bool:
    return trace_id == 7


def test_a_tick_is_shown_whole_and_in_order_and_only_what_is_watched() -> None:
    tracker = Noting()
    second_stream = tracking(tracker)
    for part in (batch(1.0, 2.0), batch(3.0), batch(9.0, name="another")):
        second_stream.take(part.measurements)

    second_stream.close(NOW, held)

    assert tracker.seen == [{"queue.depth": [1.0, 2.0, 3.0]}]


def test_two_makers_of_one_measurement_may_have_keys_of_their_own() -> None:
    tracker = Noting()
    second_stream = tracking(tracker)
    for key in ("service", "op"):
        frame = pl.DataFrame({TIME: [NOW], VALUE: [1.0], key: ["a"]})
        second_stream.take(Batch(pl.DataFrame(), NOW).add_measurements("queue.depth", frame).measurements)

    second_stream.close(NOW, held)

    assert tracker.seen == [{"queue.depth": [1.0, 1.0]}]


def test_a_finding_that_lasts_is_told_of_when_it_is_sent_and_not_again() -> None:
    told: list[str] = []
    tracker = Noting(finding=raised())
    watched = [WatchedBy("noting", partial(_given, tracker), frozenset({"queue.depth"}))]
    second_stream = Tracking(watched, lambda _id, _error: None, lambda finding: told.append(finding.state))
    for finding in (raised(), raised(), replace(raised(), state="once"), replace(raised(), state="resolved")):
        tracker.finding = finding
        second_stream.take(batch(1.0).measurements)
        second_stream.close(NOW, held)

    assert told == ["raised", "resolved"]


def test_a_tick_without_measurements_is_not_shown() -> None:
    tracker = Noting()
    second_stream = tracking(tracker)
    second_stream.take(batch(1.0).measurements)
    second_stream.close(NOW, held)

    assert second_stream.close(NOW + 1, held) == []
    assert len(tracker.seen) == 1


@pytest.mark.parametrize(("time", "shown"), [(NOW + 1e9, NOW + MAX_AHEAD_SECONDS), (-5.0, 0.0), (NOW - 1e2, NOW - 1e2)])
def test_nothing_is_measured_in_the_future(time: float, shown: float) -> None:
    times: list[float] = []

    class Timing(Noting):
        def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
            times.extend(measurements["queue.depth"][TIME].to_list())
            return ()

    second_stream = tracking(Timing())
    second_stream.take(batch(1.0, time=time).measurements)
    second_stream.close(NOW, held)

    assert times == [shown]


def test_a_tracker_that_breaks_is_told_of_and_stops_nobody() -> None:
    errors: list[str] = []
    broken, whole = Noting(fails=True), Noting(finding=raised())
    second_stream = tracking(broken, whole, errors=errors)
    second_stream.take(batch(1.0).measurements)

    assert [finding.title for finding in second_stream.close(NOW, held)] == ["slower"]
    assert "noting/1" in second_stream.changes()
    assert errors == ["noting/0: broken", "noting/0: broken"]


def test_the_example_of_a_finding_is_marked_when_its_trace_is_decided_and_once() -> None:
    second_stream = tracking(Noting(finding=raised(7)))
    second_stream.take(batch(1.0).measurements)
    second_stream.close(NOW, held)

    assert [(mark.kind, mark.trace_id) for mark in second_stream.marks([6, 7], NOW)] == [("degradation", 7)]
    assert second_stream.marks([7], NOW) == ()


def test_an_example_that_is_decided_already_is_not_waited_for() -> None:
    second_stream = tracking(Noting(finding=raised(8)))
    second_stream.take(batch(1.0).measurements)
    second_stream.close(NOW, held)

    assert second_stream.marks([8], NOW) == ()


def test_open_findings_and_examples_survive_a_restart() -> None:
    first, second = tracking(Noting(finding=raised(7))), tracking(Noting(finding=raised(7)))
    first.take(batch(1.0).measurements)
    first.close(NOW, held)
    saved = {owner: {name: part for name, part in parts.items() if part} for owner, parts in first.changes().items()}

    second.restore(saved)
    second.take(batch(1.0).measurements)

    assert second.close(NOW, held) == []
    assert [mark.trace_id for mark in second.marks([7], NOW)] == [7]


def test_what_a_new_tracker_saves_replaces_the_state_that_could_not_be_read() -> None:
    second_stream = tracking(Noting())
    second_stream.restore({"noting/0": {"state": b"unreadable", "state of old": b"y"}})
    second_stream.take(batch(1.0).measurements)
    second_stream.close(NOW, held)

    assert second_stream.changes() == {"noting/0": {"state": b"x", "state of old": None}}


def test_a_tracker_that_breaks_over_its_state_is_begun_anew_and_told_of() -> None:
    class Stumbling(Noting):
        def restore(self, parts: Mapping[str, bytes]) -> None:
            raise KeyError("slot 7")

    errors: list[str] = []
    second_stream = tracking(Stumbling(), errors=errors)
    second_stream.restore({"noting/0": {"state": b"x"}})

    assert errors == ["noting/0: 'slot 7'"]
    assert second_stream.changes() == {"noting/0": {"state": None}}


def test_a_state_that_cannot_be_read_is_begun_anew_and_told_of() -> None:
    errors: list[str] = []
    built: list[Noting] = []

    def build() -> Noting:
        built.append(Noting())
        return built[-1]

    second_stream = Tracking([WatchedBy("noting", build, frozenset())], lambda _id, error: errors.append(str(error)))
    second_stream.restore({"noting": {"state": b"unreadable"}})

    assert errors == ["noting: unreadable"]
    assert len(built) == 2
    assert second_stream.changes() == {"noting": {"state": None}}
    assert second_stream.changes() == {}
    assert second_stream.trackers[0].tracker is built[1]
