"""Decoded data points become the columns of the metrics that are watched."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from otelbridge.otlp import point_columns
from otelbridge.otlp.decode_metrics import concatenate_metrics, decode_metrics
from otelbridge.otlp.point_columns import COLUMNS, MAX_KEYS, RESOURCE, points_of
from otelbridge.otlp.resource_columns import ResourceColumns
from otelbridge.semconv.concepts import CONCEPTS
from tests.support.metrics import (
    exponential_histogram,
    gauge,
    histogram,
    metrics_request,
    number_point,
    sdk_request,
    sum_metric,
    summary,
)
from tests.support.otlp import START_NS, key_value

NO_VALUE = 1  # DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


def points(*bodies: bytes, watched: str) -> dict[str, pl.DataFrame]:
    resources = ResourceColumns([CONCEPTS[name] for name in RESOURCE])
    return points_of(decode_metrics(bodies), frozenset(watched.split()), resources)


def points_of_one(*metrics: pb.Metric, name: str = "m") -> pl.DataFrame:
    return points(metrics_request(*metrics), watched=name)[name]


def attributes(frame: pl.DataFrame) -> list[dict[str, str]]:
    """Of each point, without the columns that are null there."""
    return [{k: v for k, v in row.items() if v is not None} for row in frame.drop(COLUMNS).to_dicts()]


def test_what_the_sdk_measured_is_in_the_columns() -> None:
    made = points(sdk_request(), watched="db.client.connection.count memory.utilization http.requests cpu.time")

    connections = made["db.client.connection.count"]
    assert connections["value"].to_list() == [7.0, 3.0]
    assert connections["kind"].unique().to_list() == ["level"]
    assert attributes(connections) == [
        {"pool.name": "main", "state": "used"},
        {"pool.name": "main", "state": "idle"},
    ]
    assert made["memory.utilization"].select("value", "kind", "space").rows() == [(0.625, "level", "old")]
    assert made["http.requests"].select("value", "kind", "status", "cached").rows() == [
        (2.0, "total", "200", "true"),
        (1.0, "total", "500", "false"),
    ]
    assert made["cpu.time"].select("value", "kind", "mode").rows() == [
        (12.5, "total", "user"),
        (12.5, "total", "system"),
    ]


def test_of_histograms_of_the_sdk_the_sum_and_the_number_of_observations_are_in_the_columns() -> None:
    made = points(sdk_request(), watched="http.server.request.duration db.rows")

    assert made["http.server.request.duration"].select("value", "count", "kind", "http.route").rows() == [
        (4.75, 3, "total", "/cart")
    ]
    assert made["db.rows"].select("value", "count", "kind").rows() == [(111.0, 3, "total")]


def test_the_columns_have_their_types_and_order() -> None:
    frame = points_of_one(gauge("m", number_point(1, attributes={"b": 1, "a": 2})))

    assert list(frame.schema.items()) == [
        *(("request", pl.UInt32), ("time", pl.Float64), ("start", pl.Float64), ("value", pl.Float64)),
        *(("count", pl.UInt64), ("kind", pl.String)),
        *((name, pl.String) for name in (*RESOURCE, "a", "b")),
    ]


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (gauge("m", number_point()), "level"),
        (sum_metric("m", number_point(), temporality=2, monotonic=False), "level"),
        (sum_metric("m", number_point(), temporality=2, monotonic=True), "total"),
        (sum_metric("m", number_point(), temporality=0, monotonic=True), "total"),
        (sum_metric("m", number_point(), temporality=1, monotonic=True), "increment"),
        (sum_metric("m", number_point(), temporality=1, monotonic=False), "increment"),
        (histogram("m", temporality=1), "increment"),
        (histogram("m", temporality=2), "total"),
        (exponential_histogram("m", temporality=1), "increment"),
        (exponential_histogram("m", temporality=2), "total"),
        (summary("m"), "total"),
    ],
)
def test_the_kind_says_what_the_value_is(metric: pb.Metric, kind: str) -> None:
    assert points_of_one(metric)["kind"].to_list() == [kind]


@pytest.mark.parametrize(
    ("metric", "value", "count"),
    [
        (gauge("m", number_point(0.5)), 0.5, 1),
        (gauge("m", number_point(-7)), -7.0, 1),
        (gauge("m", number_point(2**63 - 1)), 2.0**63, 1),
        (gauge("m", number_point(0)), 0.0, 1),
        (gauge("m", number_point(0.0)), 0.0, 1),
        (gauge("m", number_point(float("inf"))), float("inf"), 1),
        (gauge("m", number_point(None)), None, 1),
        (gauge("m", number_point(3, flags=NO_VALUE)), None, 1),
        (gauge("m", number_point(3, flags=2)), 3.0, 1),
        (histogram("m", sum=4.5, count=3), 4.5, 3),
        (histogram("m", sum=0.0, count=3), 0.0, 3),
        (histogram("m", count=3), None, 3),
        (histogram("m", sum=4.5, count=3, flags=NO_VALUE), None, 3),
        (exponential_histogram("m", sum=4.5, count=3), 4.5, 3),
        (exponential_histogram("m", count=3), None, 3),
        (exponential_histogram("m", sum=4.5, flags=NO_VALUE), None, 0),
        (summary("m", sum=4.5, count=2**63), 4.5, 2**63),
        (summary("m", sum=4.5, flags=NO_VALUE), None, 0),
    ],
)
def test_value_and_count(metric: pb.Metric, value: float | None, count: int) -> None:
    assert points_of_one(metric).select("value", "count").rows() == [(value, count)]


def test_times_are_seconds_and_zero_where_they_are_unknown() -> None:
    known = number_point(at=1.5, start_time_unix_nano=START_NS)

    frame = points_of_one(gauge("m", known, pb.NumberDataPoint(as_int=1)))

    assert frame["time"].to_list() == [START_NS / 1e9 + 1.5, 0.0]
    assert frame["start"].to_list() == [START_NS / 1e9, 0.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("main", "main"),
        (True, "true"),
        (False, "false"),
        (-12, "-12"),
        (0.5, "0.5"),
        ("", None),
        (["a"], None),
        ({"a": 1}, None),
        (b"raw", None),
        (float("nan"), None),
    ],
)
def test_attributes_are_texts_where_they_are_scalars(value: Any, text: str | None) -> None:
    frame = points_of_one(gauge("m", number_point(attributes={"key": value})))

    assert frame.schema["key"] == pl.String
    assert frame["key"].to_list() == [text]


def test_an_attribute_is_null_on_the_points_that_lack_it() -> None:
    frame = points_of_one(
        gauge("m", number_point(attributes={"a": "x"}), number_point(), number_point(attributes={"b": "y", "a": "z"}))
    )

    assert frame.select("a", "b").rows() == [("x", None), (None, None), ("z", "y")]


def test_a_key_stands_only_on_the_metrics_on_whose_points_it_occurs() -> None:
    body = metrics_request(
        gauge("one", number_point(attributes={"a": "x", "both": 1})),
        gauge("unwatched", number_point(attributes={"a": "x", "c": "x"})),
        gauge("two", number_point(attributes={"b": "x", "both": 2})),
    )

    made = points(body, watched="one two")

    assert {name: attributes(frame) for name, frame in made.items()} == {
        "one": [{"a": "x", "both": "1"}],
        "two": [{"b": "x", "both": "2"}],
    }


@pytest.mark.parametrize("name", COLUMNS)
def test_a_key_that_is_a_columns_name_is_left_out(name: str) -> None:
    frame = points_of_one(gauge("m", number_point(3, attributes={name: "attribute", "a": "x"})))

    assert frame.columns == [*COLUMNS, "a"]
    assert "attribute" not in frame.row(0)


def test_of_an_attribute_that_is_given_twice_the_last_counts() -> None:
    point = number_point(attributes={"a": "first"})
    point.attributes.append(key_value("a", "second"))

    assert points_of_one(gauge("m", point))["a"].to_list() == ["second"]


def test_the_rarest_of_too_many_keys_are_left_out() -> None:
    often = {f"often.{number:03}": "x" for number in range(MAX_KEYS - 1)}
    point = number_point(attributes=often | {"b.once": "x", "a.once": "x", "c.once": "x"})

    frame = points_of_one(gauge("m", point, number_point(attributes=often)))

    assert frame.columns == [*COLUMNS, "a.once", *often]


def test_the_more_points_the_fewer_keys_so_that_no_request_becomes_a_huge_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(point_columns, "MAX_CELLS", 8)
    point = number_point(attributes={"c": "x", "b": "x", "a": "x"})

    frames = [points_of_one(gauge("m", *[point] * count)) for count in (2, 3, 4, 9)]

    assert [frame.columns[len(COLUMNS) :] for frame in frames] == [["a", "b", "c"], ["a", "b"], ["a", "b"], ["a"]]


def test_points_stand_in_the_order_of_the_requests_and_know_theirs() -> None:
    first = metrics_request(
        histogram("m", sum=1.0), gauge("other", number_point()), sum_metric("m", number_point(2), number_point(3))
    )
    last = metrics_request(gauge("other", number_point()), summary("m", sum=4.0), gauge("m", number_point(5)))

    frame = points(first, b"", metrics_request(gauge("other", number_point())), last, watched="m")["m"]

    assert frame.select("request", "value").rows() == [(0, 1.0), (0, 2.0), (0, 3.0), (3, 4.0), (3, 5.0)]


def test_points_of_groups_put_together_are_those_of_the_requests_together() -> None:
    bodies = [sdk_request(), metrics_request(gauge("memory.utilization", number_point(attributes={"space": "new"})))]
    resources = ResourceColumns([CONCEPTS[name] for name in RESOURCE])
    watched = frozenset({"memory.utilization", "cpu.time"})

    together = points_of(decode_metrics(bodies), watched, resources)
    apart = points_of(concatenate_metrics([decode_metrics([body]) for body in bodies]), watched, resources)

    assert together.keys() == apart.keys() == watched
    for name in watched:
        assert together[name].equals(apart[name])


def test_each_point_knows_who_sent_it() -> None:
    web = {"service.name": "web", "deployment.environment": "test", "service.version": "2"}
    bodies = [
        metrics_request(gauge("m", number_point(1), number_point(2)), resource=web),
        metrics_request(gauge("m", number_point(3)), resource={}),
        metrics_request(gauge("m", number_point(4))),
    ]

    frame = points(*bodies, watched="m")["m"]

    assert frame.select("environment", "service", "release", "instance").rows() == [
        ("test", "web", "2", None),
        ("test", "web", "2", None),
        (None, None, None, None),
        ("production", "shop", "1.2.3", "shop-1"),
    ]


@pytest.mark.parametrize(
    "keys", ["service.instance.id k8s.pod.name", "k8s.pod.name container.id", "container.id host.name", "host.name"]
)
def test_the_instance_is_the_closest_name_of_the_process(keys: str) -> None:
    resource = {key: f"value of {key}" for key in keys.split()}

    frame = points(metrics_request(gauge("m", number_point()), resource=resource), watched="m")["m"]

    assert frame["instance"].to_list() == [f"value of {keys.split()[0]}"]


def test_metrics_that_do_not_occur_have_no_frame() -> None:
    assert points(sdk_request(), watched="nowhere") == {}
    assert points(sdk_request(), watched="") == {}
    assert points(b"", watched="m") == {}
