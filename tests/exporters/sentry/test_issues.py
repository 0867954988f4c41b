from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.exporters.conftest import kept, send
from tests.support import recordings
from tests.support.otlp import MS, START_NS, key_value, request, span, trace_id


def exception(type_: str = "ValueError", message: str = "boom", **others: Any) -> Span.Event:
    attributes = {"exception.type": type_, "exception.message": message, **others}
    found = {key: value for key, value in attributes.items() if value is not None}
    return Span.Event(
        name="exception", time_unix_nano=START_NS + MS, attributes=[key_value(k, v) for k, v in found.items()]
    )


def events(*trees: Any, **config: Any) -> list[dict[str, Any]]:
    return send(kept(request(*trees)), **config).events


def test_an_exception_is_an_event_linked_to_its_span() -> None:
    failing = span("work", status=2, events=[exception()])
    (event,) = events(span("POST /pay", failing, attributes={"user.id": "u1"}))
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["exception"]["values"][0]["value"] == "boom"
    assert event["contexts"]["trace"]["trace_id"] == trace_id(1).hex()
    assert event["contexts"]["trace"]["span_id"] == failing.span_id.hex()
    assert (event["transaction"], event["level"], event["user"]) == ("POST /pay", "error", {"id": "u1"})
    assert event["timestamp"] == pytest.approx((START_NS + MS) / 1e9)
    assert event["tags"]["service.name"] == "shop"


def test_the_same_error_along_a_chain_is_one_event_of_the_innermost_span() -> None:
    inner = span("c", status=2, events=[exception()])
    tree = span("a", span("b", inner, status=2, events=[exception()]), status=2, events=[exception()])
    (event,) = events(tree)
    assert event["contexts"]["trace"]["span_id"] == inner.span_id.hex()


def test_siblings_that_fail_alike_are_two_events() -> None:
    assert len(events(span("a", span("b", events=[exception()]), span("c", events=[exception()])))) == 2


def test_another_message_is_another_error() -> None:
    tree = span("a", span("b", events=[exception(message="one")]), events=[exception(message="two")])
    assert sorted(event["exception"]["values"][0]["value"] for event in events(tree)) == ["one", "two"]


def test_an_error_recorded_twice_on_one_span_is_one_event_with_the_stack_of_either() -> None:
    stack = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: boom'
    (event,) = events(span("a", events=[exception(), exception(**{"exception.stacktrace": stack})]))
    assert event["exception"]["values"][0]["stacktrace"]["frames"][0]["function"] == "f"


@pytest.mark.parametrize(
    ("tree", "handled"),
    [
        (span("a", span("b", status=2, events=[exception()])), True),
        (span("a", span("b", status=2, events=[exception()]), status=2, events=[exception()]), False),
        (span("a", status=2, events=[exception()]), False),
        (span("a", span("b", events=[exception(**{"exception.escaped": True})])), False),
        (span("a", span("b", events=[exception(**{"exception.escaped": "True"})])), False),
    ],
)
def test_an_error_that_got_to_the_root_was_not_handled(tree: Any, handled: bool) -> None:
    (event,) = events(tree)
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is handled


def test_a_handled_error_of_a_span_that_went_well_is_a_warning() -> None:
    (event,) = events(span("a", span("b", events=[exception()])))
    assert event["level"] == "warning"


def test_causes_come_first_and_are_linked() -> None:
    java = recordings.stacktraces()["java"]
    (event,) = events(
        span("a", events=[exception("java.util.concurrent.ExecutionException", **{"exception.stacktrace": java})])
    )
    values = event["exception"]["values"]
    assert [value["type"] for value in values] == [
        "IllegalStateException",
        "IOException",
        "Checkout$PaymentDeclinedException",
        "ExecutionException",
    ]
    assert [value["mechanism"].get("parent_id") for value in values] == [2, 1, 0, None]
    assert values[-1]["module"] == "java.util.concurrent"
    assert event["platform"] == "java"


def test_a_stack_that_nobody_can_parse_is_kept_as_text() -> None:
    (event,) = events(span("a", events=[exception(**{"exception.stacktrace": "auth failed somewhere, trust me"})]))
    assert event["extra"]["stacktrace"].replace("\u2060", "") == "auth failed somewhere, trust me"


def test_an_exception_without_anything_is_an_error() -> None:
    (event,) = events(span("a", events=[Span.Event(name="exception", time_unix_nano=START_NS)]))
    assert event["exception"]["values"][0]["type"] == "Error"


def test_further_attributes_of_the_event_are_kept() -> None:
    (event,) = events(span("a", events=[exception(code=17)]))
    assert event["extra"] == {"code": 17}


def test_a_huge_message_is_cut() -> None:
    (event,) = events(span("a", events=[exception("T" * 1000, "m" * 100_000)]))
    value = event["exception"]["values"][0]
    assert (len(value["type"]), len(value["value"])) == (256, 8192)


def test_a_time_outside_of_the_span_is_moved_into_it() -> None:
    late = exception()
    late.time_unix_nano = 2**64 - 1
    (event,) = events(span("a", events=[late]))
    assert event["timestamp"] == pytest.approx((START_NS + 10 * MS) / 1e9)


def test_one_trace_cannot_flood() -> None:
    tree = span("a", *(span(f"b{i}", events=[exception(message=f"m{i}")]) for i in range(30)))
    assert len(events(tree, max_errors_per_trace=10)) == 10


def test_error_events_can_be_switched_off() -> None:
    assert events(span("a", events=[exception()]), error_events=False) == []


def test_an_event_has_the_same_id_when_it_is_encoded_again() -> None:
    tree = span("a", events=[exception()])
    assert events(tree)[0]["event_id"] == events(tree)[0]["event_id"]


def test_breadcrumbs_of_the_transaction_are_in_the_event_too() -> None:
    (event,) = events(span("a", events=[Span.Event(name="retry", time_unix_nano=START_NS), exception()]))
    assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == ["retry"]


def test_a_database_error_is_told_without_the_values_of_its_statement() -> None:
    message = "(x) duplicate\n[SQL: insert into t values ('bob')]\n[parameters: ('bob',)]"
    sent = send(kept(request(span("a", events=[exception(message=message)]))))
    assert (
        sent.event["exception"]["values"][0]["value"]
        == "(x) duplicate\n[SQL: insert into t values (?)]\n[parameters: ?]"
    )
    assert all(b"bob" not in parcel.body for parcel in sent.encoded.parcels)


def test_an_event_of_a_part_after_the_first_is_linked_to_its_span() -> None:
    failing = span("late one", start_ms=50, status=2, events=[exception()])
    tree = span("a", *(span(f"b{i}", start_ms=i) for i in range(5)), failing)
    (event,) = events(tree, max_spans_per_transaction=2)
    assert event["contexts"]["trace"]["span_id"] == failing.span_id.hex()
