from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from otelbridge.core.batch import Batch
from otelbridge.processors.span_metrics import SPEC, Config, SpanMetrics
from otelbridge.semconv.measurements import MEASUREMENTS
from tests.processors.frames import batch_of
from tests.support import recordings
from tests.support.otlp import query, request, request_of, span, spans_of, trace_id

ALL = frozenset(MEASUREMENTS)


def measured(*requests: bytes, watched: frozenset[str] = ALL, **settings: Any) -> dict[str, pl.DataFrame]:
    config = Config.model_validate(settings)
    batch = batch_of(*requests, spec=SPEC, config=config)
    made = SpanMetrics(config, watched).process(batch)
    whole = SpanMetrics(config, watched).process_traces(Batch(made.spans, made.now))
    found: dict[str, pl.DataFrame] = {}
    for name, frame in (*made.measurements, *whole.measurements):
        found[name] = pl.concat([found[name], frame]) if name in found else frame
    return found


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(frame.select(columns).rows())


def test_a_request_that_the_service_answered_is_measured_by_its_route() -> None:
    route = {"http.route": "/orders/{id}", "http.request.method": "GET"}
    served = span("GET", kind="server", ms=25.0, attributes=route)
    called = span("GET", kind="client", ms=99.0, attributes=route)

    found = measured(request(served, called))["http.route.duration"]

    columns = ("service", "http.request.method", "http.route", "value", "count")
    assert rows(found, *columns) == [("shop", "GET", "/orders/{id}", 25.0, 1)]


@pytest.mark.parametrize("failure", [{"status": 2}, {"attributes": {"http.response.status_code": 503}}])
def test_how_long_a_failure_took_is_not_measured(failure: dict[str, Any]) -> None:
    """It may be quick: a service that is down would seem to become faster, and slower when it is back."""
    told = failure.get("attributes", {})
    route = {"http.route": "/", **told}
    tool = {"mcp.method.name": "tools/call", "mcp.server.name": "docs"}
    served = span("GET", kind="server", attributes=route, status=failure.get("status", 0))
    tooled = span("tools/call", kind="server", attributes=tool, status=2)

    found = measured(request(served), request(tooled))

    assert "http.route.duration" not in found
    assert "mcp.call.duration" not in found
    assert found["error.rate"].filter(value=1.0)["count"].sum() == 2


def test_a_request_that_was_refused_did_not_fail() -> None:
    missing = span("GET", kind="server", ms=7.0, attributes={"http.route": "/", "http.response.status_code": 404})
    assert measured(request(missing))["http.route.duration"]["value"].to_list() == [7.0]


def test_time_is_the_end_of_the_span() -> None:
    served = span("GET", kind="server", start_ms=1000.0, ms=500.0, attributes={"http.route": "/"})

    found = measured(request(served))["http.route.duration"]

    assert found["time"].to_list() == [1_790_000_001.5]


def test_a_tool_call_is_measured_where_it_is_sent_and_served_and_not_around_it() -> None:
    call = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "search", "mcp.server.name": "docs"}
    sent = span("tools/call search", kind="client", ms=20.0, attributes=call)
    around = span("execute_tool search", sent, ms=30.0, attributes=call)

    found = measured(request(around))["mcp.call.duration"]

    assert rows(found, "mcp.server.name", "gen_ai.tool.name", "value") == [("docs", "search", 20.0)]


@pytest.mark.parametrize(
    ("fields", "error_type"),
    [
        ({"status": 2, "attributes": {"error.type": "TimeoutError"}}, "TimeoutError"),
        ({"status": 2, "attributes": {"http.response.status_code": 503}}, "503"),
        ({"status": 0, "attributes": {"http.response.status_code": 500}}, "500"),
        ({"status": 2}, "error"),
    ],
)
def test_a_failed_request_counts_by_its_class_of_error(fields: dict[str, Any], error_type: str) -> None:
    failed, fine = span("POST", kind="server", **fields), span("GET", kind="server")

    found = measured(request(failed, fine, fine))["error.rate"]

    assert rows(found, "value", "error.type", "count") == [(0.0, None, 2), (1.0, error_type, 1)]


def test_a_client_error_is_no_failure_of_the_server() -> None:
    refused = span("GET", kind="server", attributes={"http.response.status_code": 404})

    assert measured(request(refused))["error.rate"]["value"].to_list() == [0.0]


def test_internal_steps_and_queries_do_not_thin_out_the_error_rate() -> None:
    served = span("GET", span("render"), query("select 1"), query("select 2"), kind="server", status=2)

    found = measured(request(served))["error.rate"]

    assert rows(found, "value", "count") == [(1.0, 1)]


def test_outcomes_are_counted_by_the_second() -> None:
    spans = [span("GET", kind="server", start_ms=start, ms=1.0) for start in (0.0, 200.0, 998.9, 1000.0)]

    found = measured(request(*spans))["error.rate"]

    assert rows(found, "time", "count") == [(1_790_000_000.0, 3), (1_790_000_001.0, 1)]


def test_a_call_of_another_service_is_told_by_the_whole_trace() -> None:
    served = span("GET /stock", kind="server", status=2)
    sent = span("GET", served, kind="client")
    alone = span("GET", kind="client")
    caller = request(span("GET /", sent, alone, kind="server"))
    one_trace = caller_and_callee(sent, served)

    found = measured(*one_trace)["service.call"]

    assert rows(found, "service", "peer", "value", "count") == [("shop", "stock", 1.0, 1)]
    assert "service.call" not in measured(caller)


def caller_and_callee(sent: Any, served: Any) -> tuple[bytes, bytes]:
    """The client's span from one service, the server's span below it from another one."""
    client, server = spans_of(sent, trace_id(5))
    return (
        request_of([client], {"service.name": "shop"}),
        request_of([server], {"service.name": "stock"}),
    )


def test_databases_and_model_providers_are_called_though_they_send_no_spans() -> None:
    database = query("select 1")
    database.attributes["server.address"] = "db-1"
    model = span("chat", kind="client", status=2, attributes={"gen_ai.provider.name": "openai"})

    found = measured(request(span("GET", database, model, kind="server")))["service.call"]

    assert rows(found, "peer", "value", "count") == [("openai", 1.0, 1), ("postgresql@db-1", 0.0, 1)]


def test_nothing_is_measured_that_nobody_watches() -> None:
    served = span("GET", query("select 1"), kind="server", attributes={"http.route": "/"})

    assert measured(request(served), watched=frozenset()) == {}


def test_an_attribute_of_ones_own_is_measured_with_its_scale_and_keys() -> None:
    custom = {"name": "queue.utilization", "attribute": "queue.percent", "scale": 0.01, "keys": ["service", "op"]}
    spans = [span("work", attributes={"queue.percent": value}) for value in (50, "75", "full", 20.5, None)]

    found = measured(request(*spans), custom=[custom], watched=frozenset({"queue.utilization"}))

    assert found.keys() == {"queue.utilization"}
    assert rows(found["queue.utilization"], "value", "service", "op") == [
        (pytest.approx(0.205), "shop", "default"),
        (0.5, "shop", "default"),
        (0.75, "shop", "default"),
    ]


def test_series_of_a_measurement_of_ones_own_may_be_told_apart_by_numbers() -> None:
    custom = {"name": "queue.depth", "attribute": "queue.depth", "keys": ["http.response.status_code"]}
    spans = [span("GET", attributes={"queue.depth": 3, "http.response.status_code": 200}), span("GET")]

    found = measured(request(*spans), custom=[custom], watched=frozenset({"queue.depth"}))["queue.depth"]

    assert rows(found, "http.response.status_code", "value") == [("200", 3.0)]


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ([{"name": "error.rate", "attribute": "a"}], "there is a measurement of this name already"),
        ([{"name": "a", "attribute": "a"}] * 2, "two measurements are called 'a'"),
        ([{"name": "a", "attribute": "a", "keys": ["trace_id"]}], "not a column that a series can be keyed by"),
        ([{"name": "a", "attribute": "a", "scale": 0}], "greater than 0"),
    ],
)
def test_measurements_that_make_no_sense_are_refused(custom: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Config.model_validate({"custom": custom})


@pytest.mark.parametrize("name", recordings.names())
def test_frames_of_real_telemetry_have_the_columns_that_are_promised(name: str) -> None:
    for measurement, frame in measured(recordings.load(name)).items():
        assert dict(frame.schema) == MEASUREMENTS[measurement].schema()
        assert frame["time"].is_finite().all()
        assert frame["value"].is_finite().all()
