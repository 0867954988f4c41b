from __future__ import annotations

import base64
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.core.component import Signal
from otelbridge.core.errors import Undecodable
from otelbridge.otlp.json import MAX_DEPTH, to_protobuf
from tests.support import recordings
from tests.support.metrics import exponential_histogram, histogram, metrics_request, sdk_request, summary

FIXTURES = Path(__file__).parent / "fixtures"
TRACE_ID = "5b8efff798038103d269b633813fc60c"


def decoded(body: Any) -> ExportTraceServiceRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ExportTraceServiceRequest.FromString(to_protobuf(raw, Signal.TRACES))


def decoded_span(**fields: Any) -> Span:
    request = decoded({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]})
    return request.resource_spans[0].scope_spans[0].spans[0]


def decoded_value(value: dict[str, Any]) -> AnyValue:
    return decoded_span(attributes=[{"key": "k", "value": value}]).attributes[0].value


def problem(body: Any) -> str:
    with pytest.raises(Undecodable) as caught:
        decoded(body)
    return str(caught.value)


def span_problem(**fields: Any) -> str:
    return problem({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "fine"}, fields]}]}]})


def value_problem(value: Any) -> str:
    return span_problem(attributes=[{"key": "k", "value": value}])


def test_the_example_of_the_specification() -> None:
    request = decoded((FIXTURES / "specification-trace.json").read_bytes())
    scope = request.resource_spans[0].scope_spans[0]
    assert scope.scope.name == "my.library"
    assert scope.spans[0].trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert scope.spans[0].span_id.hex() == "eee19b7ec3c1b174"
    assert scope.spans[0].parent_span_id.hex() == "eee19b7ec3c1b173"
    assert scope.spans[0].start_time_unix_nano == 1544712660000000000
    assert scope.spans[0].kind == Span.SPAN_KIND_SERVER
    assert scope.spans[0].attributes[0].value.string_value == "some value"


def test_a_capture_of_the_ai_sdk_keeps_every_value() -> None:
    body = (FIXTURES / "ai-sdk-v6.json").read_bytes()
    as_protobuf_writes_it = MessageToDict(decoded(body))
    with_hexadecimal_ids = json.loads(json.dumps(as_protobuf_writes_it), object_hook=_hexadecimal_ids)
    assert with_hexadecimal_ids == json.loads(body, object_hook=_without_defaults)


def _hexadecimal_ids(item: dict[str, Any]) -> dict[str, Any]:
    ids = {key: base64.b64decode(item[key]).hex() for key in ("traceId", "spanId", "parentSpanId") if key in item}
    return {**_without_defaults(item), **ids}


def _without_defaults(item: dict[str, Any]) -> dict[str, Any]:
    """Numbers of every spelling as text, enum names as numbers; what is at its default disappears, as in protobuf."""
    enums = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2} | dict(Span.SpanKind.items())
    plain = {key: str(enums.get(value, value)) if key in ("kind", "code") else value for key, value in item.items()}
    return {
        key: str(value) if type(value) in (int, float) and key != "doubleValue" else value
        for key, value in plain.items()
        if value not in (0, "0", [], {}) or key.endswith("Value")
    }


def test_a_request_of_the_node_sdk_equals_its_protobuf() -> None:
    assert decoded(recordings.load_json("otlp-json")) == ExportTraceServiceRequest.FromString(
        recordings.load("otlp-json")
    )


def test_numbers_that_json_has_not_cost_one_value_and_not_the_request() -> None:
    request = decoded(recordings.load_json("otlp-json-odd-numbers"))
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    attributes = {item.key: item.value for span in spans for item in span.attributes}
    assert attributes["shop.above_int64"].double_value == 1e21
    assert attributes["shop.above_2_53"].int_value == 1152921504606847000
    assert attributes["shop.nan"].WhichOneof("value") is None  # Node writes null
    assert attributes["shop.mixed"].array_value.values[2].double_value == 1e21


@pytest.mark.parametrize("name", ["otlp-json", "ai-sdk-v6", "py-sqlalchemy-sqlite", "py-openinference", "js-exception"])
def test_protobuf_written_as_json_comes_back_the_same(name: str) -> None:
    request = ExportTraceServiceRequest.FromString(recordings.load(name))
    as_json = MessageToDict(request)
    for resource in as_json["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for holder in (span, *span.get("links", ())):
                    holder.update(_hexadecimal_ids({k: v for k, v in holder.items() if k.endswith("Id")}))
    assert decoded(as_json) == request


def test_a_request_of_another_signal_holds_no_spans() -> None:
    assert (
        to_protobuf(
            b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}', Signal.TRACES
        )
        == b""
    )


def test_original_field_names_are_understood_too() -> None:
    request = decoded({"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": TRACE_ID}]}]}]})
    assert request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex() == TRACE_ID


def test_unknown_fields_and_nulls_are_ignored() -> None:
    assert decoded_span(name="n", novelty={"deep": [1, {}]}, parentSpanId=None) == Span(name="n")


def test_the_last_of_repeated_keys_counts() -> None:
    request = decoded(b'{"resourceSpans": [{"schemaUrl": "a", "schemaUrl": "b", "schema_url": "c"}]}')
    assert request.resource_spans[0].schema_url == "c"


def test_the_last_member_of_a_oneof_counts() -> None:
    assert decoded_value({"stringValue": "a", "boolValue": False}) == AnyValue(bool_value=False)


@pytest.mark.parametrize("value", [7, "7", 7.0, "-0", -(2**63), str(2**63 - 1)])
def test_an_integer_may_be_a_number_or_text(value: Any) -> None:
    assert decoded_value({"intValue": value}).int_value == int(value)


@pytest.mark.parametrize(("value", "expected"), [(2**63, 2.0**63), ("9" * 30, 1e30), (1.5, 1.5), (-1e300, -1e300)])
def test_an_attribute_that_int64_does_not_hold_becomes_a_double(value: Any, expected: float) -> None:
    assert decoded_value({"intValue": value}) == AnyValue(double_value=expected)


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), (0.1, 0.1), ("2.5e-3", 0.0025), ("-Infinity", -math.inf)])
def test_a_double_may_be_a_number_or_text(value: Any, expected: float) -> None:
    assert decoded_value({"doubleValue": value}) == AnyValue(double_value=expected)


@pytest.mark.parametrize("literal", [b'"NaN"', b"NaN"])
def test_nan_may_be_text_or_what_python_writes(literal: bytes) -> None:
    body = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"doubleValue":%s}}]}}]}' % literal
    assert math.isnan(decoded(body).resource_spans[0].resource.attributes[0].value.double_value)


@pytest.mark.parametrize("kind", [3, "3", 3.0, "SPAN_KIND_CLIENT"])
def test_an_enum_may_be_a_number_or_a_name(kind: Any) -> None:
    assert decoded_span(kind=kind).kind == Span.SPAN_KIND_CLIENT


def test_an_enum_value_of_a_later_version_is_kept() -> None:
    assert decoded_span(kind=77).kind == 77


@pytest.mark.parametrize("text", ["+/8=", "-_8=", "-_8", "+/8"])
def test_bytes_are_base64_of_either_alphabet_with_or_without_padding(text: str) -> None:
    assert decoded_value({"bytesValue": text}).bytes_value == b"\xfb\xff"


def test_an_id_of_the_wrong_length_is_left_to_the_count_of_unusable_spans() -> None:
    assert decoded_span(traceId="abcd").trace_id == b"\xab\xcd"


def test_text_that_was_cut_inside_a_character_ends_in_a_replacement_character() -> None:
    assert decoded_span(name="🚀🚀"[:1] + "\ud83d").name == "🚀\ufffd"


def test_values_nest_as_deep_as_other_parsers_follow_and_no_deeper() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {"stringValue": "bottom"}
        for _ in range(levels):
            value = {"arrayValue": {"values": [value]}}
        return value

    # Request, ResourceSpans, ScopeSpans, Span, KeyValue and the innermost AnyValue; two messages a level between.
    deepest = (MAX_DEPTH - 6) // 2
    assert decoded_value(nested(deepest)).WhichOneof("value") == "array_value"
    assert value_problem(nested(deepest + 1)).endswith(f"expected at most {MAX_DEPTH} levels")


@pytest.mark.parametrize("opening", [b"[", b'{"resourceSpans":', b'{"ignored":'])
def test_endless_nesting_is_an_error_and_not_a_crash(opening: bytes) -> None:
    with pytest.raises(Undecodable, match="nested too deeply"):
        to_protobuf(opening * 200_000, Signal.TRACES)


def test_endless_digits_are_an_error() -> None:
    with pytest.raises(Undecodable, match="too many digits"):
        to_protobuf(b'{"x": ' + b"9" * 100_000 + b"}", Signal.TRACES)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: Expecting value at character 0"),
        (b'{"resourceSpans": [}', "not JSON: Expecting value at character 19"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b"\xef\xbb\xbf{}", "not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at character 0"),
        (b"[]", "the request: expected an object"),
        (b'{"resourceSpans": {}}', "resourceSpans: expected an array"),
        (b'{"resourceSpans": [null]}', "resourceSpans[0]: expected an object"),
    ],
)
def test_the_error_says_where_a_request_is_broken(body: bytes, expected: str) -> None:
    with pytest.raises(Undecodable) as caught:
        to_protobuf(body, Signal.TRACES)
    assert str(caught.value) == expected


WHERE = "resourceSpans[0].scopeSpans[0].spans[1]"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"traceId": "AAECAwQFBgcICQoLDA0ODw=="}, ".traceId: expected an id of hexadecimal digits"),
        ({"traceId": "ab cd"}, ".traceId: expected an id of hexadecimal digits"),
        ({"spanId": 12}, ".spanId: expected an id of hexadecimal digits"),
        ({"name": 5}, ".name: expected a string"),
        ({"flags": -1}, ".flags: expected an integer from 0 to 4294967295"),
        ({"flags": True}, ".flags: expected an integer from 0 to 4294967295"),
        ({"startTimeUnixNano": "soon"}, ".startTimeUnixNano: expected an integer from 0 to 18446744073709551615"),
        ({"startTimeUnixNano": 0.5}, ".startTimeUnixNano: expected an integer from 0 to 18446744073709551615"),
        ({"kind": "CLIENT"}, ".kind: expected a number or name of SpanKind"),
        ({"kind": 2**31}, ".kind: expected a number or name of SpanKind"),
        ({"events": [{}, {"name": []}]}, ".events[1].name: expected a string"),
        ({"status": {"code": []}}, ".status.code: expected a number or name of StatusCode"),
    ],
)
def test_the_error_says_where_a_span_is_broken(fields: dict[str, Any], expected: str) -> None:
    assert span_problem(**fields) == WHERE + expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": "1_0"}, ".intValue: expected a number"),
        ({"intValue": True}, ".intValue: expected a number"),
        ({"doubleValue": "nan"}, ".doubleValue: expected a number"),
        ({"doubleValue": 10**400}, ".doubleValue: expected a number"),
        ({"doubleValue": " 1"}, ".doubleValue: expected a number"),
        ({"boolValue": "true"}, ".boolValue: expected true or false"),
        ({"bytesValue": "a"}, ".bytesValue: expected base64"),
        ({"bytesValue": "ab cd"}, ".bytesValue: expected base64"),
        ({"bytesValue": {}}, ".bytesValue: expected base64"),
        (
            {"kvlistValue": {"values": [{"value": {"boolValue": 1}}]}},
            ".kvlistValue.values[0].value.boolValue: expected true",
        ),
        ("text", ": expected an object"),
    ],
)
def test_the_error_says_where_a_value_is_broken(value: Any, expected: str) -> None:
    assert value_problem(value).startswith(f"{WHERE}.attributes[0].value{expected}")


def test_mutated_requests_are_decoded_or_refused_and_nothing_else() -> None:
    rng = random.Random(20)
    original = (FIXTURES / "specification-trace.json").read_bytes()
    refused = 0
    for _ in range(5_000):
        body = bytearray(original)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            body[at : at + rng.choice((0, 1, 1, 30))] = rng.choice(
                (b"", b"9", b'"', b"{}", b"[", b"null", b"\xf0", b"-1e9")
            )
        try:
            ExportTraceServiceRequest.FromString(to_protobuf(bytes(body), Signal.TRACES))
        except Undecodable:
            refused += 1
    assert 1_000 < refused < 5_000


def decoded_metric(metric: dict[str, Any]) -> metrics_pb2.Metric:
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()
    request = ExportMetricsServiceRequest.FromString(to_protobuf(body, Signal.METRICS))
    return request.resource_metrics[0].scope_metrics[0].metrics[0]


def decoded_point(**fields: Any) -> metrics_pb2.NumberDataPoint:
    return decoded_metric({"name": "m", "gauge": {"dataPoints": [fields]}}).gauge.data_points[0]


EVERY_FIELD_OF_HISTOGRAMS = metrics_request(
    histogram("h", sum=1.5, count=3, bucket_counts=[1, 0, 2**64 - 1], explicit_bounds=[0.5, 1.0], min=0.1, max=9.0),
    exponential_histogram(
        "e",
        scale=-3,
        zero_count=1,
        zero_threshold=0.5,
        positive=metrics_pb2.ExponentialHistogramDataPoint.Buckets(offset=-7, bucket_counts=[2, 2**64 - 1]),
    ),
    summary("s", quantile_values=[metrics_pb2.SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=2.0)]),
)


@pytest.mark.parametrize("body", [sdk_request(), EVERY_FIELD_OF_HISTOGRAMS], ids=["sdk", "histograms"])
def test_metrics_written_as_json_come_back_the_same(body: bytes) -> None:
    request = ExportMetricsServiceRequest.FromString(body)
    as_json = json.dumps(MessageToDict(request)).encode()
    assert ExportMetricsServiceRequest.FromString(to_protobuf(as_json, Signal.METRICS)) == request


def test_a_request_of_spans_holds_no_metrics() -> None:
    assert to_protobuf(recordings.load_json("otlp-json"), Signal.METRICS) == b""


def test_ids_of_exemplars_are_hexadecimal() -> None:
    exemplar = {"traceId": TRACE_ID, "spanId": "eee19b7ec3c1b174", "asInt": "3", "filteredAttributes": [{"key": "k"}]}
    (read,) = decoded_point(exemplars=[exemplar]).exemplars
    assert (read.trace_id.hex(), read.span_id.hex(), read.as_int) == (TRACE_ID, "eee19b7ec3c1b174", 3)


@pytest.mark.parametrize("value", [7, "7", 7.0, -(2**63), str(2**63 - 1)])
def test_the_integer_of_a_point_may_be_a_number_or_text(value: Any) -> None:
    assert decoded_point(asInt=value) == metrics_pb2.NumberDataPoint(as_int=int(value))


@pytest.mark.parametrize(("value", "expected"), [(2**63, 2.0**63), (1e21, 1e21), (0.5, 0.5)])
def test_a_point_that_int64_does_not_hold_becomes_a_double(value: Any, expected: float) -> None:
    assert decoded_point(asInt=value) == metrics_pb2.NumberDataPoint(as_double=expected)


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), ("2.5", 2.5), ("-Infinity", -math.inf)])
def test_the_double_of_a_point_may_be_a_number_or_text(value: Any, expected: float) -> None:
    assert decoded_point(asDouble=value).as_double == expected


def test_a_point_may_be_no_number() -> None:
    assert math.isnan(decoded_point(asDouble="NaN").as_double)
    assert decoded_point(asDouble=None).WhichOneof("value") is None  # as JavaScript writes it


@pytest.mark.parametrize("temporality", [1, "1", "AGGREGATION_TEMPORALITY_DELTA"])
def test_temporality_may_be_a_number_or_a_name(temporality: Any) -> None:
    metric = decoded_metric({"sum": {"aggregationTemporality": temporality, "isMonotonic": True}})
    assert (metric.sum.aggregation_temporality, metric.sum.is_monotonic) == (1, True)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"asInt": "many"}, ".asInt: expected a number"),
        ({"timeUnixNano": -1}, ".timeUnixNano: expected an integer from 0 to 18446744073709551615"),
        ({"flags": 2**32}, ".flags: expected an integer from 0 to 4294967295"),
        ({"exemplars": [{"traceId": "W47/"}]}, ".exemplars[0].traceId: expected an id of hexadecimal digits"),
    ],
)
def test_the_error_says_where_a_point_is_broken(point: dict[str, Any], expected: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decoded_point(**point)
    assert str(caught.value) == f"resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0]{expected}"
