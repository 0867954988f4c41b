"""From data points in the log to trackers and findings, in any cut and over restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelbridge.config.model import Configured
from otelbridge.core.component import ComponentConfig, ComponentSpec, Encoded, Exporter, Kept, Kind, Parcel
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.engine.metrics_task import MetricsTask
from otelbridge.engine.pipeline import build_metrics
from otelbridge.engine.progress import Resumption, Stamp
from otelbridge.otlp.decode_metrics import decode_metrics
from otelbridge.trackers.capacity import SPEC as CAPACITY
from otelbridge.trackers.capacity import Config as CapacityConfig
from tests.engine.conftest import raise_error
from tests.engine.test_traces_task import store_at
from tests.support.metrics import gauge, histogram, metrics_request, number_point, sum_metric
from tests.support.otlp import START_NS

START = START_NS / 1e9
MINUTES = 150


def request(*metrics: Any, **resource: str) -> bytes:
    """Of a service with a few more resource attributes, written with `__` for dots."""
    named = {name.replace("__", "."): value for name, value in resource.items()}
    return metrics_request(*metrics, resource={"service.name": "shop", **named})


@dataclass
class Watching(Tracker):
    """Notes what it sees."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        for name, frame in measurements.items():
            self.seen += [(name, row) for row in frame.to_dicts()]
        return ()

    @property
    def series(self) -> int:
        return 0


@dataclass
class Noting(Exporter):
    """Notes findings."""

    findings: list[Finding] = field(default_factory=list)

    def encode(self, kept: Kept) -> Encoded:
        self.findings += kept.findings
        return Encoded([])

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        return ()


def configured(build: Any, kind: Kind, watches: Sequence[str] = ()) -> Configured:
    spec: ComponentSpec[Any] = ComponentSpec(
        kind,
        "own",
        ComponentConfig,
        lambda _config, _context: build(),
        "own",
        watches=lambda _: frozenset(watches),
        keys=lambda _: frozenset({"pool.name"}),
    )
    return Configured("own", spec, ComponentConfig())


@dataclass
class Bench:
    """A task whose tracker notes what it sees."""

    watches: Sequence[str] = ("pool.busy", "jobs", "latency")
    sequence: int = 0

    def __post_init__(self) -> None:
        self.tracker = Watching()
        trackers = [configured(lambda: self.tracker, Kind.TRACKER, self.watches)]
        self.task = MetricsTask(
            build_metrics("metrics", trackers, [configured(Noting, Kind.EXPORTER)], ""), raise_error
        )

    def see(self, *bodies: bytes, at: float = START) -> list[tuple[str, dict[str, Any]]]:
        """What the tracker sees of these requests once their tick is over."""
        before = len(self.tracker.seen)
        stamps = [Stamp(self.sequence + number, at) for number in range(1, len(bodies) + 1)]
        self.sequence += len(bodies)
        for _boundary in self.task.feed(decode_metrics(bodies), stamps):
            pass
        self.task.settle()
        return self.tracker.seen[before:]


def values(seen: list[tuple[str, dict[str, Any]]]) -> list[tuple[float, int]]:
    return [(row["value"], row["count"]) for _, row in seen]


def test_a_level_is_measured_under_the_name_of_its_metric_with_the_attributes_that_are_asked_for() -> None:
    body = request(
        gauge("pool.busy", number_point(5, attributes={"pool.name": "orders", "other": "x"})),
        deployment__environment__name="prod",
        service__version="1.2",
        service__instance__id="pod-7",
    )

    ((name, row),) = Bench().see(body)

    assert name == "pool.busy"
    assert row == {
        "time": START,
        "value": 5.0,
        "count": 1,
        "trace_id": 0,
        "span_id": 0,
        "release": "1.2",
        "environment": "prod",
        "service": "shop",
        "instance": "pod-7",
        "pool.name": "orders",
    }


def test_a_sum_that_may_fall_is_a_level() -> None:
    assert values(Bench().see(request(sum_metric("pool.busy", number_point(5), monotonic=False)))) == [(5.0, 1)]


def test_a_running_total_counts_by_what_it_adds() -> None:
    bench = Bench()

    assert bench.see(request(sum_metric("jobs", number_point(500)))) == []
    assert values(bench.see(request(sum_metric("jobs", number_point(507, at=60))), at=START + 60)) == [(7.0, 1)]


def test_totals_of_different_senders_are_different() -> None:
    bench = Bench()
    bench.see(request(sum_metric("jobs", number_point(500)), service__instance__id="a"))

    assert bench.see(request(sum_metric("jobs", number_point(507, at=60)), service__instance__id="b")) == []


def test_a_total_goes_on_under_a_new_release() -> None:
    bench = Bench()
    bench.see(request(sum_metric("jobs", number_point(500)), service__version="1"))

    seen = bench.see(request(sum_metric("jobs", number_point(507, at=60)), service__version="2"), at=START + 60)

    assert values(seen) == [(7.0, 1)]


def test_all_of_what_a_process_did_counts_that_began_since_the_log_did() -> None:
    bench = Bench()
    bench.see(request(gauge("pool.idle", number_point(1))))
    job = number_point(5000, at=70, start_time_unix_nano=START_NS + 60 * 10**9)

    assert values(bench.see(request(sum_metric("jobs", job)), at=START + 70)) == [(5000.0, 1)]


def test_a_total_from_the_future_does_not_make_all_later_ones_late() -> None:
    bench = Bench()
    bench.see(request(sum_metric("jobs", number_point(500, at=10**6))))

    seen = bench.see(request(sum_metric("jobs", number_point(507, at=120))), at=START + 120)

    assert values(seen) == [(7.0, 1)]


def test_an_increment_is_measured_as_it_is() -> None:
    assert values(Bench().see(request(sum_metric("jobs", number_point(7), temporality=1)))) == [(7.0, 1)]


def latency(minute: int, total: float, count: int, temporality: int = 2) -> bytes:
    time = START_NS + 60 * minute * 10**9
    return request(histogram("latency", temporality, sum=total, count=count, time_unix_nano=time))


def test_of_a_histogram_the_mean_counts_as_often_as_it_was_observed() -> None:
    bench = Bench()
    bench.see(latency(0, 10.0, 4))

    later = bench.see(latency(1, 16.0, 6), at=START + 60)
    nothing_new = bench.see(latency(2, 16.0, 6), at=START + 120)
    of_itself = bench.see(latency(3, 16.0, 8, temporality=1), at=START + 180)

    assert [values(seen) for seen in (later, nothing_new, of_itself)] == [[(3.0, 2)], [], [(2.0, 8)]]


def test_a_point_that_does_not_say_when_is_of_now() -> None:
    ((_, row),) = Bench().see(request(gauge("pool.busy", number_point(5, at=-START))))

    assert row["time"] == START + 0.5, "the end of the tick"


def test_every_point_is_measured_or_dropped_for_a_reason() -> None:
    bench = Bench()
    bench.see(
        request(
            gauge("pool.busy", number_point(5), number_point(None), number_point(float("nan"))),
            gauge("pool.idle", number_point(1), number_point(2)),
            sum_metric("jobs", number_point(500)),
        )
    )
    balance = bench.task.balance

    assert (balance.received, balance.measured, balance.unaccounted) == (6, 1, 0)
    assert balance.dropped == {"no_value": 2, "unwatched": 2, "first_total": 1}


def test_what_was_counted_and_the_last_totals_outlive_a_restart(tmp_path: Path) -> None:
    first, second = Bench(), Bench()
    first.see(request(sum_metric("jobs", number_point(500)), gauge("pool.idle", number_point(1))))
    store = store_at(tmp_path / "state.sqlite")
    store.save(first.task.progress(), 0.0)
    saved = store.load()
    second.task.resume(saved)
    second.task.restore(saved)
    second.task.admit_losses()
    second.sequence = saved.position

    assert second.task.balance == first.task.balance
    assert saved.low_record == saved.position + 1
    assert values(second.see(request(sum_metric("jobs", number_point(507, at=60))), at=START + 60)) == [(7.0, 1)]


def test_totals_that_cannot_be_read_are_told_and_cost_one_report() -> None:
    told: list[str] = []
    tracker = Watching()
    pipeline = build_metrics("metrics", [configured(lambda: tracker, Kind.TRACKER, ["jobs"])], [], "")
    task = MetricsTask(pipeline, lambda component, _error: told.append(component))

    task.restore(Resumption(parts={"points of metrics": {"totals": b"\xc1"}}))

    assert told == ["points of metrics"]
    for number in range(1, 3):
        body = request(sum_metric("jobs", number_point(number, at=number)))
        list(task.feed(decode_metrics([body]), [Stamp(number, START + number)]))
    task.settle()
    assert values(tracker.seen) == [(1.0, 1)]


# findings

POOL = {"db.client.connection.pool.name": "orders"}


def pool(minute: int) -> bytes:
    """A pool of 60 connections that fills up, as a client reports it every minute."""
    used = min(60.0, minute * 0.5)
    at = 60.0 * minute
    return request(
        sum_metric(
            "db.client.connection.count",
            number_point(used, at, attributes=POOL | {"db.client.connection.state": "used"}),
            number_point(60 - used, at, attributes=POOL | {"db.client.connection.state": "idle"}),
            monotonic=False,
        ),
        sum_metric("db.client.connection.max", number_point(60, at, attributes=POOL), monotonic=False),
    )


def filling() -> MetricsTask:
    trackers = [Configured("capacity", CAPACITY, CapacityConfig())]
    return MetricsTask(build_metrics("metrics", trackers, [configured(Noting, Kind.EXPORTER)], ""), raise_error)


def noted(task: MetricsTask) -> list[Finding]:
    noting = task.pipeline.exporters["own"]
    assert isinstance(noting, Noting)
    found, noting.findings = noting.findings, []
    return found


def feed(task: MetricsTask, minutes: Sequence[int]) -> None:
    stamps = [Stamp(minute, START + 60 * minute) for minute in minutes]
    for _boundary in task.feed(decode_metrics([pool(minute) for minute in minutes]), stamps):
        pass


@cache
def whole() -> list[Finding]:
    task = filling()
    feed(task, range(1, MINUTES + 1))
    task.settle()
    return noted(task)


def test_a_pool_that_fills_up_is_found_from_its_metrics_alone() -> None:
    (finding,) = whole()

    assert (finding.kind, finding.state, finding.service) == ("capacity", "raised", "shop")
    assert finding.tags["db.client.connection.pool.name"] == "orders"
    assert finding.trace_id == 0


@settings(max_examples=5, deadline=None)
@given(st.sets(st.integers(1, MINUTES), max_size=12))
def test_any_cut_gives_the_same_findings(cuts: set[int]) -> None:
    task = filling()
    group: list[int] = []
    for minute in range(1, MINUTES + 1):
        group.append(minute)
        if minute in cuts or minute == MINUTES:
            feed(task, group)
            group = []
    task.settle()

    assert noted(task) == whole()


@settings(max_examples=5, deadline=None)
@given(kills=st.sets(st.integers(1, MINUTES), max_size=6))
def test_kills_at_any_point_give_the_same_findings(tmp_path_factory: pytest.TempPathFactory, kills: set[int]) -> None:
    path = tmp_path_factory.mktemp("state") / "state.sqlite"
    found: list[Finding] = []
    task, store, minute, boundaries = filling(), store_at(path), 0, 0
    while minute < MINUTES:
        minute += 1
        for _boundary in task.feed(decode_metrics([pool(minute)]), [Stamp(minute, START + 60 * minute)]):
            boundaries += 1
            if boundaries % 3 == 0:
                store.save(task.progress(), 0.0)
                found += noted(task)
        if minute in kills:
            kills = kills - {minute}
            store.close()
            task, store = filling(), store_at(path)
            saved = store.load()
            task.resume(saved)
            task.restore(saved)
            minute = task.position
    store.close()
    task.settle()

    assert found + noted(task) == whole()
