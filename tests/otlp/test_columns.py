"""Decoded spans become the columns that were asked for."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from otelbridge.core.schema import Concept, Source
from otelbridge.otlp.columns import ColumnExtractor, Extracted, arbitrary_concept
from otelbridge.otlp.decode import decode
from otelbridge.semconv.concepts import CONCEPTS
from tests.support import recordings
from tests.support.otlp import request, request_of, span, spans_of, trace_id


def concept(name: str, dtype: Any, *keys: str, scale: float = 1.0, **fields: Any) -> Concept:
    return Concept(name, dtype, "", "", tuple(Source(key, scale) for key in keys), **fields)


def extract(concepts: list[Concept], *attributes: dict[str, Any], resource: dict[str, Any] | None = None) -> Extracted:
    trees = [span(f"s{i}", attributes=values) for i, values in enumerate(attributes)]
    return ColumnExtractor(concepts).extract(decode([request(*trees, resource=resource)]))


def test_the_wire_columns_say_what_the_span_says() -> None:
    body = request(span("GET /", span("child"), kind="server", status=2, ms=25), trace=5)

    spans = ColumnExtractor([]).extract(decode([body])).spans

    root, child = spans.rows(named=True)
    assert root["trace_id"] == child["trace_id"] == int.from_bytes(trace_id(5), "big")
    assert root["parent_span_id"] is None
    assert child["parent_span_id"] == root["span_id"]
    assert (root["name"], root["kind"], root["status"], root["end_ns"] - root["start_ns"]) == (
        "GET /",
        2,
        2,
        25_000_000,
    )


def test_the_first_usable_source_wins() -> None:
    table = concept("table", pl.String, "new", "old")

    made = extract([table], {"old": "b", "new": "a"}, {"old": "b"}, {"new": "", "old": "b"}, {})

    assert made.spans["table"].to_list() == ["a", "b", "b", None]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (pl.Int64, 12, 12),
        (pl.Int64, "12", 12),
        (pl.Int64, " 12 ", 12),
        (pl.Int64, 12.9, 12),
        (pl.Int64, "twelve", None),
        (pl.Int64, True, None),
        (pl.Int64, 1e300, None),
        (pl.Int64, float("nan"), None),
        (pl.Float64, 3, 3.0),
        (pl.Float64, "0.25", 0.25),
        (pl.Float64, float("inf"), None),
        (pl.Float64, "NaN", None),
        (pl.Boolean, "True", True),
        (pl.Boolean, 0, False),
        (pl.Boolean, "maybe", None),
        (pl.String, 7, "7"),
        (pl.String, True, "true"),
        (pl.String, 0.5, "0.5"),
        (pl.String, ["a"], None),
        (pl.String, {"a": 1}, None),
        (pl.String, b"raw", None),
    ],
)
def test_values_are_converted_where_that_is_harmless(dtype: Any, value: Any, expected: Any) -> None:
    made = extract([concept("x", dtype, "key")], {"key": value})

    assert made.spans["x"].to_list() == [expected]
    assert made.unusable["key"] == (expected is None)


def test_a_number_below_its_minimum_is_absent() -> None:
    made = extract([concept("tokens", pl.Int64, "a", "b", minimum=0)], {"a": -1, "b": 5}, {"a": 0})

    assert made.spans["tokens"].to_list() == [5, 0]


def test_units_are_scaled() -> None:
    made = extract([concept("seconds", pl.Float64, "ms", scale=1e-3)], {"ms": 1500})

    assert made.spans["seconds"].to_list() == [1.5]


def test_resource_attributes_are_columns_too_before_and_after_the_buffer() -> None:
    extractor = ColumnExtractor([CONCEPTS["service"], CONCEPTS["environment"]])
    made = extractor.extract(
        decode(
            [request(span("a"), resource={"service.name": "x", "deployment.environment": "prod"}), request(span("b"))]
        )
    )
    again = extractor.with_resource_columns(made.spans.drop("service", "environment"), made.origins)

    assert made.spans.select("service", "environment").rows() == [("x", "prod"), ("shop", None)]
    assert again.select("service", "environment").rows() == [("x", "prod"), ("shop", None)]


def test_any_attribute_can_be_asked_for_by_name() -> None:
    wanted = [arbitrary_concept("attribute:tenant"), arbitrary_concept("resource:k8s.pod.name")]

    made = extract([item for item in wanted if item], {"tenant": "acme"}, resource={"k8s.pod.name": "web-1"})

    assert made.spans.select("attribute:tenant", "resource:k8s.pod.name").rows() == [("acme", "web-1")]
    assert arbitrary_concept("tenant") is None


def test_a_concept_that_no_span_carries_is_a_column_of_nulls() -> None:
    made = extract([concept("x", pl.Float64, "nowhere")], {"a": 1}, {})

    assert made.spans["x"].dtype == pl.Float64
    assert made.spans["x"].null_count() == 2


def test_an_attribute_given_twice_counts_once() -> None:
    spans = spans_of(span("s", attributes={"a": "first"}), trace_id(1))
    spans[0].attributes.add(key="a").value.string_value = "second"

    made = ColumnExtractor([concept("x", pl.String, "a")]).extract(decode([request_of(spans)]))

    assert made.spans["x"].to_list() == ["second"]


def test_ids_that_cannot_be_used_are_null() -> None:
    spans = [*spans_of(span("zero"), bytes(16)), *spans_of(span("short"), b"\x01"), *spans_of(span("ok"), trace_id(9))]

    made = ColumnExtractor([]).extract(decode([request_of(spans)]))

    assert made.spans["trace_id"].is_null().to_list() == [True, True, False]


def test_an_unreadable_resource_has_no_attributes() -> None:
    body = request(span("a"))
    broken = body.replace(b"service.name", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")

    made = ColumnExtractor([CONCEPTS["service"]]).extract(decode([broken]))

    assert made.spans["service"].to_list() == [None]


@pytest.mark.parametrize("name", recordings.names())
def test_every_concept_of_a_recording_is_what_its_attributes_say(name: str) -> None:
    spans = recordings.spans(name)

    made = ColumnExtractor(CONCEPTS.values()).extract(decode([recordings.load(name)])).spans

    for column in ("db.query.text", "gen_ai.usage.input_tokens", "http.request.method"):
        sources = [source.key for source in CONCEPTS[column].sources]
        expected = [
            next((attributes[key] for key in sources if attributes.get(key) is not None), None)
            for attributes in (recordings.attributes(item) for item in spans)
        ]
        assert made[column].to_list() == expected


def test_no_spans_give_an_empty_frame_with_all_columns() -> None:
    made = ColumnExtractor(CONCEPTS.values()).extract(decode([b""]))

    assert made.spans.height == 0
    assert set(CONCEPTS) <= set(made.spans.columns)
