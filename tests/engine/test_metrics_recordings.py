"""What real instrumentations export is what the table of known limits names, and goes all the way to findings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otelbridge.config.model import Configured
from otelbridge.core.component import Kind
from otelbridge.core.findings import Finding
from otelbridge.engine.metrics_task import MetricsTask
from otelbridge.engine.pipeline import build_metrics
from otelbridge.engine.progress import Stamp
from otelbridge.otlp.decode_metrics import decode_metrics
from otelbridge.otlp.point_columns import RESOURCE, points_of
from otelbridge.otlp.resource_columns import ResourceColumns
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.limits import KNOWN_LIMITS, KnownLimit
from otelbridge.trackers.capacity import SPEC as CAPACITY
from otelbridge.trackers.capacity import Config
from tests.engine.conftest import raise_error
from tests.engine.test_metrics_task import Noting, Watching, configured, noted, values
from tests.support import recordings

MINUTE_NS = 60_000_000_000
POOL, OLD_POOL = "db.client.connection.count", "db.client.connections.usage"
EVENT_LOOP, MEMORY = "nodejs.eventloop.utilization", "system.memory.utilization"
POOL_NAME = "db.client.connection.pool.name"
PAGE = Path(__file__).parents[2] / "docs/trackers/capacity.md"


def own_limit() -> dict[str, object]:
    """What the page says about SQLAlchemy's pools, with pool_size and max_overflow of the recorded ones: 3 and 1."""
    (block,) = re.findall(rf"```yaml\n(limits:\n  - measurement: {OLD_POOL}\n.*?)```", PAGE.read_text(), re.DOTALL)
    (limit,) = yaml.safe_load(block)["limits"]
    return {**limit, "limit": 4}


def capacity(**settings: object) -> MetricsTask:
    trackers = [Configured("capacity", CAPACITY, Config.model_validate(settings))]
    return MetricsTask(build_metrics("metrics", trackers, [configured(Noting, Kind.EXPORTER)], ""), raise_error)


def feed(task: MetricsTask, bodies: Sequence[bytes]) -> None:
    """Each in a tick of its own, as they are where applications export once a minute."""
    stamps = [Stamp(number, time_ns(body) / 1e9 + number) for number, body in enumerate(bodies, start=1)]
    for _boundary in task.feed(decode_metrics(bodies), stamps):
        pass
    task.settle()


def time_ns(body: bytes) -> int:
    """Of the last point."""
    return max(
        point.time_unix_nano
        for metric in recordings.metrics(body)
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points
    )


def later(body: bytes, minutes: int) -> bytes:
    """The same export again, so many minutes later."""
    request = ExportMetricsServiceRequest.FromString(body)
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
                    point.time_unix_nano += minutes * MINUTE_NS
    return request.SerializeToString()


KEYS = CAPACITY.keys(Config())


def found_when_it_stays_so(name: str, **settings: object) -> list[Finding]:
    """What is found when an application goes on as it was at its last export, for half an hour."""
    bodies = recordings.exports(name)
    task = capacity(**settings)
    feed(task, [*bodies, *(later(bodies[-1], minutes) for minutes in range(1, 31))])
    return noted(task)


def points(name: str, metric: str) -> pl.DataFrame:
    """Of a metric, over all exports."""
    resources = ResourceColumns([CONCEPTS[name] for name in RESOURCE])
    return points_of(decode_metrics(recordings.exports(name)), frozenset({metric}), KEYS, resources)[metric]


def is_recorded(known: KnownLimit, name: str) -> bool:
    """Whether a recording has the metric with the attributes that the table names."""
    occurring = {metric.name for body in recordings.exports(name) for metric in recordings.metrics(body)}
    if known.metric not in occurring:
        return False
    frame = points(name, known.metric)
    if not {*known.by, *known.where} <= set(frame.columns):
        return False
    return frame.filter(*(pl.col(key) == value for key, value in known.where.items())).height > 0


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("node-metrics", [POOL, EVENT_LOOP, MEMORY]),
        ("node-metrics-two-pools", [POOL, MEMORY]),
        ("py-metrics", [OLD_POOL, MEMORY]),
    ],
)
def test_instrumentations_send_the_attributes_that_the_table_names(name: str, metrics: list[str]) -> None:
    assert [known.metric for known in KNOWN_LIMITS if is_recorded(known, name)] == metrics


@pytest.mark.parametrize("name", recordings.names_of_metrics())
def test_every_recorded_point_has_one_outcome(name: str) -> None:
    task = capacity()
    watched = CAPACITY.watches(Config())
    bodies = recordings.exports(name)
    sent = [
        metric.name
        for body in bodies
        for metric in recordings.metrics(body)
        for _ in getattr(metric, metric.WhichOneof("data") or "").data_points
    ]

    feed(task, bodies)

    measured = sum(metric in watched for metric in sent)
    assert (task.balance.received, task.balance.measured) == (len(sent), measured)
    assert task.balance.dropped == {"unwatched": len(sent) - measured}
    assert task.balance.unaccounted == 0


@pytest.mark.parametrize(
    ("name", "settings", "series"),
    [
        ("node-metrics", {}, 3),  # the pool, the event loop, memory
        ("node-metrics-two-pools", {}, 2),  # memory, and of two pools the one whose numbers are possible at first
        ("py-metrics", {}, 1),  # memory: the pools' limit is unknown
        ("py-metrics", {"limits": [own_limit()]}, 3),
    ],
)
def test_a_series_is_watched_where_its_limit_is_known(name: str, settings: dict[str, object], series: int) -> None:
    task = capacity(**settings)

    feed(task, recordings.exports(name))

    assert task.pipeline.trackers[0].tracker.series == series


@pytest.mark.parametrize("name", recordings.names_of_metrics())
def test_memory_is_a_share_of_what_there_is(name: str) -> None:
    used = points(name, MEMORY).filter(pl.coalesce(pl.col("^(system.memory.)?state$")) == "used")

    assert used.height == 3
    assert used["_value"].is_between(0.01, 0.99).all()


def test_the_event_loop_is_a_share_of_the_time() -> None:
    assert points("node-metrics", EVENT_LOOP)["_value"].is_between(0.0, 1.0).all()


def test_pools_whose_numbers_drifted_apart_are_not_called_full() -> None:
    assert found_when_it_stays_so("node-metrics-two-pools") == []


def test_a_pool_of_node_that_stays_full_is_found_by_the_limit_that_it_reports() -> None:
    (finding,) = found_when_it_stays_so("node-metrics")

    assert (finding.kind, finding.state, finding.service) == ("capacity", "raised", "shop")
    assert finding.tags[POOL_NAME] == "unknown_host:unknown_port/unknown_database"
    assert (finding.contexts["capacity"]["limit"], finding.contexts["capacity"]["utilization"]) == (4.0, 1.0)


def test_a_pool_of_sqlalchemy_that_stays_full_is_found_by_the_limit_that_it_is_given() -> None:
    (finding,) = found_when_it_stays_so("py-metrics", limits=[own_limit()])

    assert (finding.kind, finding.state, finding.service) == ("capacity", "raised", "bookshop")
    assert finding.tags["pool.name"] == "orders"
    assert (finding.contexts["capacity"]["limit"], finding.contexts["capacity"]["utilization"]) == (4.0, 1.0)


def test_a_known_limit_can_be_moved_out_of_reach() -> None:
    (known,) = (one for one in Config().watched() if one.measurement == POOL)
    moved = {"measurement": POOL, "limit": 1e9, "by": known.by, "where": known.where}

    assert found_when_it_stays_so("node-metrics", limits=[moved]) == []


def test_a_pool_whose_limit_nobody_tells_is_not_judged() -> None:
    assert found_when_it_stays_so("py-metrics") == []


@pytest.mark.parametrize(
    ("name", "metric", "total", "count"),
    [
        ("node-metrics", "http.server.request.duration", 0.0242, 2),  # s
        ("py-metrics", "http.server.duration", 3.0, 1),  # ms
        ("py-metrics", "http.client.duration", 8.0, 1),
    ],
)
def test_durations_of_requests_count_by_what_an_export_adds(name: str, metric: str, total: float, count: int) -> None:
    tracker = Watching()
    trackers = [configured(lambda: tracker, Kind.TRACKER, [metric])]
    task = MetricsTask(build_metrics("metrics", trackers, [configured(Noting, Kind.EXPORTER)], ""), raise_error)

    feed(task, recordings.exports(name))

    ((mean, times),) = values(tracker.seen)
    assert times == count
    assert mean * times == pytest.approx(total, abs=1e-3)
