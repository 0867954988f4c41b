from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from otelbridge.core.findings import Breadcrumb
from otelbridge.core.schema import Column
from tests.exporters.conftest import DSN, NOW, kept, send
from tests.support.otlp import MS, START_NS, query, request, request_of, span, spans_of, trace_id

FULL_RESOURCE = {
    "service.name": "shop",
    "service.version": "1.4.2",
    "deployment.environment.name": "production",
    "host.name": "web-1",
    "telemetry.sdk.language": "nodejs",
}


def transaction(*trees: Any, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return send(kept(request(*trees, resource=resource), **more)).transaction


def server(name: str = "POST /api/chat", **attributes: Any) -> Any:
    return span(name, kind="server", attributes={"http.request.method": "POST", **attributes})


def test_a_trace_of_one_process_is_one_transaction() -> None:
    made = transaction(span("root", span("a", span("b", ms=2), ms=3), span("c", ms=1)))
    assert made["transaction"] == "root"
    assert [child["description"] for child in made["spans"]] == ["a", "b", "c"]


def test_the_resource_says_where_it_happened() -> None:
    made = transaction(span("root"), resource=FULL_RESOURCE)
    assert (made["environment"], made["release"], made["server_name"]) == ("production", "1.4.2", "web-1")
    assert made["platform"] == "node"
    assert made["tags"]["service.name"] == "shop"
    assert made["contexts"]["otel"]["resource"] == FULL_RESOURCE


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("service.version", "feature/x", "release", "feature-x"),
        ("service.version", "latest", "release", None),
        ("service.version", "v" * 300, "release", "v" * 200),
        ("service.version", "v" * 199 + " " + "v" * 9, "release", "v" * 199),
        ("deployment.environment", "qa/2", "environment", "qa-2"),
        ("deployment.environment", "None", "environment", None),
        ("deployment.environment", "e" * 100, "environment", "e" * 64),
        ("host.name", "auth-1", "server_name", None),
        ("host.name", "web-4111111111111111", "server_name", None),
        ("host.name", "123-45-6789", "server_name", None),
        ("host.name", "GB82WEST12345698765432", "server_name", None),
        ("host.name", "https://u:p@web", "server_name", None),
        ("host.name", "ip-10-0-0-1.eu-central-1", "server_name", "ip-10-0-0-1.eu-central-1"),
    ],
)
def test_what_sentry_would_refuse_is_translated(key: str, value: str, field: str, expected: str | None) -> None:
    assert transaction(span("root"), resource={key: value}).get(field) == expected


def test_a_host_that_looks_like_a_secret_is_a_tag() -> None:
    assert transaction(span("root"), resource={"host.name": "auth-1"})["tags"] == {"server_name": "auth-1"}


def test_a_huge_resource_is_cut_to_what_a_context_holds() -> None:
    made = transaction(span("root"), resource={"service.name": "shop", "process.command_args": ["x" * 100] * 500})
    assert made["contexts"]["otel"]["resource"]["process.command_args"].endswith("[cut by otelbridge]")


@pytest.mark.parametrize(
    ("root", "name", "source"),
    [
        (server("POST", **{"http.route": "/api/{id}"}), "POST /api/{id}", "route"),
        (server("POST /api/{id}", **{"http.route": "/api/{id}"}), "POST /api/{id}", "route"),
        (server("handle chat", **{"http.route": "/api/{id}"}), "handle chat", "route"),
        (server("POST"), "POST", "custom"),
        (span("nightly"), "nightly", "custom"),
        (span("orders process", kind="consumer"), "orders process", "task"),
        (span("invoke", attributes={"faas.trigger": "timer"}), "invoke", "task"),
        (span(""), "default", "custom"),
        (span("a\n b"), "a b", "custom"),
        (span("n" * 300), "n" * 199 + "…", "custom"),
        (query("select * from t where a = 'bob'"), "select t", "custom"),
    ],
)
def test_names_and_their_sources(root: Any, name: str, source: str) -> None:
    made = transaction(root)
    assert (made["transaction"], made["transaction_info"]["source"]) == (name, source)


def test_the_user_is_that_of_the_root_else_of_the_first_span_that_has_one() -> None:
    made = transaction(span("root", span("a", attributes={"user.id": "u1"}), attributes={"enduser.id": "u0"}))
    assert made["user"] == {"id": "u0"}
    made = transaction(span("root", span("a", attributes={"ai.telemetry.metadata.userId": 7})))
    assert made["user"] == {"id": "7"}
    assert "user" not in transaction(span("root"))


def test_a_user_can_have_a_name_and_an_address() -> None:
    attributes = {"user.id": "u" * 500, "user.email": "bob@example.com", "user.name": "bob"}
    made = transaction(span("root", attributes=attributes))
    assert made["user"] == {"id": "u" * 127 + "…", "email": "bob@example.com", "username": "bob"}


def test_the_sampling_rate_and_rule_are_told() -> None:
    columns = {"sampling.rate": [0.1, 0.1], "sampling.rule": ["ten percent", "ten percent"]}
    sent = send(kept(request(span("root", span("a"))), columns=columns))
    trace = sent.transaction["contexts"]["trace"]
    assert trace["data"]["sentry.client_sample_rate"] == trace["data"]["sentry.sample_rate"] == 0.1
    assert sent.transaction["tags"]["sampling.rule"] == "ten percent"
    assert '"sample_rate":"0.1"' in sent.encoded.parcels[0].body.split(b"\n")[0].decode()


def test_a_rate_of_the_client_holds_where_it_is_the_stricter_one() -> None:
    root = span("root", trace_state="vendor=1,ot=rv:1234;th:c")
    columns = {"sampling.rate": [0.5], "sampling.rule": ["half"]}
    made = send(kept(request(root), columns=columns)).transaction
    assert made["contexts"]["trace"]["data"]["sentry.sample_rate"] == 0.25


def test_no_rate_is_made_up() -> None:
    sent = send(kept(request(span("root"))))
    assert "sentry.sample_rate" not in sent.transaction["contexts"]["trace"]["data"]
    assert b"sample_rate" not in sent.encoded.parcels[0].body


def test_the_trace_header_is_that_of_the_head_for_all_segments_of_a_trace() -> None:
    head = span("head", span("call", kind="client"))
    remote = span("serve", kind="server", flags=0x301)
    spans = spans_of(head, trace_id(1))
    theirs = spans_of(remote, trace_id(1), parent=head.children[0].span_id)
    bodies = [request_of(spans, FULL_RESOURCE), request_of(theirs, {"service.name": "users"})]
    sent = send(kept(*bodies))
    headers = {parcel.body.split(b"\n")[0].split(b'"trace":')[1] for parcel in sent.encoded.parcels}
    (header,) = headers
    assert b'"transaction":"head"' in header
    assert b'"environment":"production"' in header
    assert b'"public_key":"0123456789abcdef0123456789abcdef"' in header


def test_breadcrumbs_are_in_the_transaction_of_their_span_in_order() -> None:
    root = span("root", query("select * from author"))
    child = int.from_bytes(root.children[0].span_id, "big")
    trace = int.from_bytes(trace_id(1), "big")
    crumbs = [
        Breadcrumb(
            trace, child, START_NS / 1e9 + 2, "db.performance", "Slow query: author (600ms)", "warning", {"t": 1}
        ),
        Breadcrumb(
            trace, 99, START_NS / 1e9 + 1, "llm", "First token: 900 ms", data={"none": None, "nan": float("nan")}
        ),
    ]
    made = transaction(root, breadcrumbs=crumbs)
    values = made["breadcrumbs"]["values"]
    assert [value["message"].replace("\u2060", "") for value in values] == [
        "First token: 900 ms",
        "Slow query: author (600ms)",
    ]
    assert values[0]["data"] == {"nan": "NaN"}
    assert values[1]["level"] == "warning"


def test_at_most_a_hundred_breadcrumbs_and_ours_before_those_of_the_client() -> None:
    root = span("root", events=[trace_pb2.Span.Event(name=f"e{i}", time_unix_nano=START_NS + MS) for i in range(200)])
    trace, own = int.from_bytes(trace_id(1), "big"), int.from_bytes(root.span_id, "big")
    crumbs = [Breadcrumb(trace, own, START_NS / 1e9, "db.performance", f"slow {i}") for i in range(30)]
    values = transaction(root, breadcrumbs=crumbs)["breadcrumbs"]["values"]
    assert len(values) == 100
    assert sum(value["category"] == "db.performance" for value in values) == 30


def test_huge_breadcrumbs_do_not_push_out_spans() -> None:
    root = span("root", span("a"))
    trace, own = int.from_bytes(trace_id(1), "big"), int.from_bytes(root.span_id, "big")
    data = {f"key{i}": "x" * 3000 for i in range(20)}
    crumbs = [Breadcrumb(trace, own, START_NS / 1e9, "c" * 500, "m" * 50_000, data=data) for _ in range(100)]
    sent = send(kept(request(root), breadcrumbs=crumbs))
    assert len(sent.encoded.parcels[0].body) < 200_000


def test_events_of_spans_become_breadcrumbs() -> None:
    event = trace_pb2.Span.Event(name="cache miss", time_unix_nano=START_NS + MS)
    event.attributes.add(key="key").value.string_value = "k1"
    values = transaction(span("root", events=[event]))["breadcrumbs"]["values"]
    assert values == [
        {
            "timestamp": (START_NS + MS) / 1e9,
            "category": "span.event",
            "message": "cache miss",
            "level": "info",
            "data": {"key": "k1"},
        }
    ]


def test_our_money_is_summed_and_our_durations_of_the_root_are_measured() -> None:
    cost = Column("otelbridge.cost.usd", pl.Float64, "USD", "")
    wait = Column("otelbridge.wait_ms", pl.Float64, "ms", "")
    theirs = Column("gen_ai.cost.total_tokens", pl.Float64, "USD", "")
    added = {cost: [None, 0.25, 0.5], wait: [3.5, 1.0, None], theirs: [None, 0.25, 0.5]}
    made = send(kept(request(span("root", span("a"), span("b"))), added=added)).transaction
    assert made["measurements"] == {
        "otelbridge.cost.usd": {"value": 0.75, "unit": "none"},
        "otelbridge.wait_ms": {"value": 3.5, "unit": "millisecond"},
    }


def test_a_late_span_is_a_transaction_of_the_same_trace_below_its_parent() -> None:
    late = span("late", flags=0x101)
    body = request_of(spans_of(late, trace_id(1), parent=b"parentid"))
    made = send(kept(body, columns={"late": [True]})).transaction
    trace = made["contexts"]["trace"]
    assert (trace["trace_id"], trace["parent_span_id"]) == (trace_id(1).hex(), b"parentid".hex())
    assert made["tags"]["otelbridge.late"] == "true"


def test_a_trace_encoded_again_gives_the_same_bytes_whatever_the_order_of_its_spans() -> None:
    from otelbridge.exporters.sentry.exporter import SentryConfig, SentryExporter

    traces = kept(request(span("root", query("select 1"), span("a"), span("b"))), request(span("other"), trace=2))
    shuffled = type(traces)(
        traces.spans.sample(fraction=1, shuffle=True, seed=1),
        traces.origins,
        traces.added,
        traces.findings,
        traces.breadcrumbs,
        traces.now,
    )
    exporter = SentryExporter(SentryConfig(dsn=DSN))
    assert exporter.encode(traces) == exporter.encode(shuffled)


def test_nothing_kept_is_nothing_sent() -> None:
    assert send(kept()).encoded.parcels == []
    empty = kept(request(span("root")))
    empty = type(empty)(empty.spans.clear(), empty.origins, empty.added, (), (), NOW)
    assert send(empty).encoded.parcels == []
