"""Decoded data points become the columns of the metrics that are watched."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from otelbridge.otlp.decode_metrics import INCREMENT, LEVEL, TOTAL, concatenate_metrics, decode_metrics
from otelbridge.otlp.point_columns import POINT_COLUMNS, RESOURCE, points_of
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


COLUMNS = (*POINT_COLUMNS, *RESOURCE)
KEYS = "pool.name state space status cached mode http.route key a b both"


def points(*bodies: bytes, watched: str, keys: str = KEYS) -> dict[str, pl.DataFrame]:
    resources = ResourceColumns([CONCEPTS[name] for name in RESOURCE])
    return points_of(decode_metrics(bodies), frozenset(watched.split()), frozenset(keys.split()), resources)


def points_of_one(*metrics: pb.Metric, keys: str = KEYS) -> pl.DataFrame:
    return points(metrics_request(*metrics), watched="m", keys=keys)["m"]


def attributes(frame: pl.DataFrame) -> list[dict[str, str]]:
    """Of each point, without the columns that are null there."""
    return [{k: v for k, v in row.items() if v is not None} for row in frame.drop(COLUMNS).to_dicts()]


def test_what_the_sdk_measured_is_in_the_columns() -> None:
    made = points(sdk_request(), watched="db.client.connection.count memory.utilization http.requests cpu.time")

    connections = made["db.client.connection.count"]
    assert connections["_value"].to_list() == [7.0, 3.0]
    assert connections["_kind"].unique().to_list() == [LEVEL]
    assert attributes(connections) == [
        {"pool.name": "main", "state": "used"},
        {"pool.name": "main", "state": "idle"},
    ]
    assert made["memory.utilization"].select("_value", "_kind", "space").rows() == [(0.625, LEVEL, "old")]
    assert made["http.requests"].select("_value", "_kind", "status", "cached").rows() == [
        (2.0, TOTAL, "200", "true"),
        (1.0, TOTAL, "500", "false"),
    ]
    assert made["cpu.time"].select("_value", "_kind", "mode").rows() == [
        (12.5, TOTAL, "user"),
        (12.5, TOTAL, "system"),
    ]


def test_of_histograms_of_the_sdk_the_sum_and_the_number_of_observations_are_in_the_columns() -> None:
    made = points(sdk_request(), watched="http.server.request.duration db.rows")

    assert made["http.server.request.duration"].select("_value", "_count", "_kind", "http.route").rows() == [
        (4.75, 3, TOTAL, "/cart")
    ]
    assert made["db.rows"].select("_value", "_count", "_kind").rows() == [(111.0, 3, TOTAL)]


def test_the_columns_have_their_types_and_order() -> None:
    frame = points_of_one(gauge("m", number_point(1, attributes={"b": 1, "a": 2, "c": 3})), keys="b a")

    assert list(frame.schema.items()) == [
        *(("_request", pl.UInt32), ("_identity", pl.UInt64), ("_time", pl.Float64), ("_start", pl.Float64)),
        *(("_value", pl.Float64), ("_count", pl.UInt64), ("_kind", pl.UInt8)),
        *((name, pl.String) for name in (*RESOURCE, "a", "b")),
    ]


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (gauge("m", number_point()), LEVEL),
        (sum_metric("m", number_point(), temporality=2, monotonic=False), LEVEL),
        (sum_metric("m", number_point(), temporality=2, monotonic=True), TOTAL),
        (sum_metric("m", number_point(), temporality=0, monotonic=True), TOTAL),
        (sum_metric("m", number_point(), temporality=1, monotonic=True), INCREMENT),
        (sum_metric("m", number_point(), temporality=1, monotonic=False), INCREMENT),
        (histogram("m", temporality=1), INCREMENT),
        (histogram("m", temporality=2), TOTAL),
        (exponential_histogram("m", temporality=1), INCREMENT),
        (exponential_histogram("m", temporality=2), TOTAL),
        (summary("m"), TOTAL),
    ],
)
def test_the_kind_says_what_the_value_is(metric: pb.Metric, kind: str) -> None:
    assert points_of_one(metric)["_kind"].to_list() == [kind]


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
    assert points_of_one(metric).select("_value", "_count").rows() == [(value, count)]


def test_times_are_seconds_and_zero_where_they_are_unknown() -> None:
    known = number_point(at=1.5, start_time_unix_nano=START_NS)

    frame = points_of_one(gauge("m", known, pb.NumberDataPoint(as_int=1)))

    assert frame["_time"].to_list() == [START_NS / 1e9 + 1.5, 0.0]
    assert frame["_start"].to_list() == [START_NS / 1e9, 0.0]


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


@pytest.mark.parametrize("name", COLUMNS)
def test_a_key_that_is_a_columns_name_is_left_out(name: str) -> None:
    frame = points_of_one(gauge("m", number_point(3, attributes={name: "attribute", "a": "x"})), keys=f"a {name}")

    assert frame.columns == [*COLUMNS, "a"]
    assert "attribute" not in frame.row(0)


def identities(*points_of_m: pb.NumberDataPoint, **resource: str) -> list[int]:
    named = {name.replace("__", "."): value for name, value in resource.items()}
    body = metrics_request(gauge("m", *points_of_m), resource=named)
    found: list[int] = points(body, watched="m", keys="")["m"]["_identity"].to_list()
    return found


def test_all_attributes_tell_series_apart_whether_they_are_columns_or_not() -> None:
    some = [{}, {"kind": "read"}, {"kind": "write"}, {"kind": "read", "disk": "a"}, {"list": ["a"]}, {"list": ["b"]}]

    assert len(set(identities(*(number_point(attributes=one) for one in some)))) == len(some)


def test_the_order_of_attributes_makes_no_difference_nor_does_the_release() -> None:
    first, second = number_point(attributes={"a": "x", "b": "y"}), number_point(attributes={"b": "y", "a": "x"})

    assert identities(first, service__version="1") == identities(second, service__version="2")


def test_the_sender_makes_one() -> None:
    assert identities(number_point(), service__instance__id="1") != identities(
        number_point(), service__instance__id="2"
    )


def test_what_a_point_is_does_not_depend_on_those_beside_it() -> None:
    wild = metrics_request(gauge("m", *(number_point(attributes={f"k{number}": "x"}) for number in range(300))))
    body = metrics_request(gauge("m", number_point(attributes={"a": "x"})))

    alone = points(body, watched="m", keys="a")["m"]
    together = points(wild, body, watched="m", keys="a")["m"]

    assert together.columns == alone.columns
    assert together.tail(1).drop("_request").equals(alone.drop("_request"))


def test_of_an_attribute_that_is_given_twice_the_last_counts() -> None:
    point = number_point(attributes={"a": "first"})
    point.attributes.append(key_value("a", "second"))

    assert points_of_one(gauge("m", point))["a"].to_list() == ["second"]


def test_points_stand_in_the_order_of_the_requests_and_know_theirs() -> None:
    first = metrics_request(
        histogram("m", sum=1.0), gauge("other", number_point()), sum_metric("m", number_point(2), number_point(3))
    )
    last = metrics_request(gauge("other", number_point()), summary("m", sum=4.0), gauge("m", number_point(5)))

    frame = points(first, b"", metrics_request(gauge("other", number_point())), last, watched="m")["m"]

    assert frame.select("_request", "_value").rows() == [(0, 1.0), (0, 2.0), (0, 3.0), (3, 4.0), (3, 5.0)]


def test_points_of_groups_put_together_are_those_of_the_requests_together() -> None:
    bodies = [sdk_request(), metrics_request(gauge("memory.utilization", number_point(attributes={"space": "new"})))]
    resources = ResourceColumns([CONCEPTS[name] for name in RESOURCE])
    watched, keys = frozenset({"memory.utilization", "cpu.time"}), frozenset({"space", "mode"})

    together = points_of(decode_metrics(bodies), watched, keys, resources)
    apart = points_of(concatenate_metrics([decode_metrics([body]) for body in bodies]), watched, keys, resources)

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
