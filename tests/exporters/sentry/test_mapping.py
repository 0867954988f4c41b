from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from otelbridge.core.schema import Column
from tests.exporters.conftest import kept, send, with_raw
from tests.support.otlp import query, request, request_of, span, spans_of, trace_id


def mapped(name: str = "work", **fields: Any) -> dict[str, Any]:
    """The Sentry span of one child span."""
    sent = send(kept(request(span("root", span(name, **fields)))))
    (only,) = sent.transaction["spans"]
    assert isinstance(only, dict)
    return only


def data_of(attributes: dict[str, Any], **config: Any) -> dict[str, Any]:
    sent = send(kept(request(span("root", span("work", attributes=attributes)))), **config)
    data = sent.transaction["spans"][0]["data"]
    assert isinstance(data, dict)
    return {key: value for key, value in data.items() if not key.startswith("instrumentation.")}


def test_ids_and_times_are_those_of_the_span() -> None:
    root = span("root", span("work", start_ms=5, ms=20))
    sent = send(kept(request(root)))
    (child,) = sent.transaction["spans"]
    assert child["trace_id"] == trace_id(1).hex()
    assert child["span_id"] == root.children[0].span_id.hex()
    assert child["parent_span_id"] == root.span_id.hex()
    assert child["timestamp"] - child["start_timestamp"] == pytest.approx(0.02)


def test_a_statement_is_described_and_stored_without_its_values() -> None:
    sent = send(kept(request(span("root", query("select * from users where email = 'bob@example.com'")))))
    (child,) = sent.transaction["spans"]
    assert child["op"] == "db"
    assert child["description"] == child["data"]["db.query.text"] == "select * from users where email = ?"
    assert b"bob@example.com" not in sent.encoded.parcels[0].body


@pytest.mark.parametrize("name", ["db.statement", "db.query.text"])
def test_a_statement_is_without_values_even_when_db_queries_did_not_see_it(name: str) -> None:
    attributes = {"db.system": "postgresql", name: "select 1 from t where a = 'secret'"}
    sent = send(kept(request(span("root", span("q", attributes=attributes))), describe_queries=False))
    assert sent.transaction["spans"][0]["description"] == "select ? from t where a = ?"
    assert b"'secret'" not in sent.encoded.parcels[0].body


def test_a_statement_of_an_unknown_product_stays_here() -> None:
    attributes = {"db.system.name": "some.graph", "db.query.text": "MATCH (n {name: 'bob'})"}
    sent = send(kept(request(span("root", span("query", attributes=attributes)))))
    assert b"bob" not in sent.encoded.parcels[0].body


@pytest.mark.parametrize(
    "name",
    ["db.query.parameter.0", "db.postgresql.values", "db.sql.bindings", "db.params", "db.redis.parameters"],
)
def test_parameters_of_statements_never_leave(name: str) -> None:
    assert data_of({name: "bob", "other": 1}) == {"other": 1}
    assert data_of({name: ["bob"], "other": 1}) == {"other": 1}


def test_a_statement_that_scrubbing_would_destroy_is_in_the_description_alone() -> None:
    sent = send(kept(request(span("root", query("select * from auth_user")))))
    (child,) = sent.transaction["spans"]
    assert child["description"] == "select * from auth_user"
    assert "db.query.text" not in child["data"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (True, True),
        (17, 17),
        (1.5, 1.5),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [1, 2]),
        ([[1], [2]], "[[1],[2]]"),
        ({"a": 1, "b": {"c": [True]}}, '{"a":1,"b":{"c":[true]}}'),
        (b"bytes", "bytes"),
        (b"\xff\xfe", "//4="),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (2**53 + 1, "9007199254740993"),
        ([float("nan"), 2**60], ["NaN", "1152921504606846976"]),
        ("", ""),
        ("a\x00b", "a\x00b"),
    ],
)
def test_values_of_every_type_arrive_as_json(value: Any, expected: Any) -> None:
    assert data_of({"key": value}) == {"key": expected}


def test_an_attribute_without_value_is_left_out() -> None:
    assert data_of({"key": None, "other": 1}) == {"other": 1}


def test_deep_values_end_in_an_ellipsis() -> None:
    deep: Any = 1
    for _ in range(20):
        deep = {"a": deep}
    assert data_of({"key": deep})["key"].count('"a"') == 8


def test_names_are_never_empty_and_never_too_long() -> None:
    assert set(data_of({"": 1, "k" * 1000: 2})) == {"(unnamed)", "k" * 199 + "…"}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("ai.usage.inputTokens", "gen_ai.usage.input_tokens"),
        ("llm.token_count.prompt", "gen_ai.usage.input_tokens"),
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens"),
        ("ai.usage.outputTokens", "gen_ai.usage.output_tokens"),
        ("ai.response.avgOutputTokensPerSecond", "gen_ai.response.tokens_per_second"),
        ("ai.usage.inputTokenDetails.noCacheTokens", "otelbridge.usage.input.uncached"),
    ],
)
def test_counts_move_to_a_name_that_survives(name: str, canonical: str) -> None:
    assert data_of({name: 12}) == {canonical: 12}


def test_a_canonical_count_wins_over_a_renamed_one() -> None:
    assert data_of({"ai.usage.inputTokens": 12, "gen_ai.usage.input_tokens": 13}) == {"gen_ai.usage.input_tokens": 13}
    assert data_of({"gen_ai.usage.input_tokens": 13, "ai.usage.inputTokens": 12}) == {"gen_ai.usage.input_tokens": 13}


def test_cached_tokens_have_both_spellings() -> None:
    data = data_of({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 4})
    assert data["gen_ai.usage.input_tokens.cached"] == 4
    data = data_of({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.input_tokens.cached": 4})
    assert data["gen_ai.usage.cache_read.input_tokens"] == 4


def test_another_number_of_tokens_survives_as_a_tag() -> None:
    child = mapped(attributes={"my.tokenCount": 12, "my.token budget": 3})
    assert child["tags"] == {"my.tokenCount": "12"}
    assert not child["data"].keys() & {"my.tokenCount", "my.token budget"}


@pytest.mark.parametrize("name", ["password", "http.request.header.authorization", "my.apikey", "session.token", "otp"])
def test_values_under_names_of_secrets_stay_here(name: str) -> None:
    assert data_of({name: "hunter2"}) == {name: "[Filtered]"}


def test_withholding_can_be_left_to_sentry() -> None:
    assert data_of({"author.name": "Tolkien"}, withhold_secrets=False) == {"author.name": "Tolkien"}


def test_added_columns_are_data_of_their_span_only() -> None:
    cost = Column("otelbridge.cost.usd", pl.Float64, "USD", "")
    mark = Column("n_plus_one", pl.Boolean, "", "")
    traces = kept(
        request(span("root", span("a"), span("b"))), added={cost: [None, 0.25, None], mark: [None, None, True]}
    )
    spans = send(traces).spans
    assert spans["a"]["data"]["otelbridge.cost.usd"] == 0.25
    assert "n_plus_one" not in spans["a"]["data"]
    assert spans["b"]["data"]["n_plus_one"] is True


def test_added_text_survives_scrubbing_and_reads_the_same() -> None:
    pattern = Column("otelbridge.pattern", pl.String, "", "")
    sent = send(kept(request(span("root")), added={pattern: ["SELECT author"]}))
    text = sent.transaction["contexts"]["trace"]["data"]["otelbridge.pattern"]
    assert text.replace("\u2060", "") == "SELECT author"


def test_added_numbers_without_a_value_in_json_are_words() -> None:
    number = Column("otelbridge.number", pl.Float64, "", "")
    sent = send(kept(request(span("root")), added={number: [float("nan")]}))
    assert sent.transaction["contexts"]["trace"]["data"]["otelbridge.number"] == "NaN"


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({}, "internal_error"),
        ({"http.request.method": "GET", "http.response.status_code": 404}, "not_found"),
        ({"http.method": "GET", "http.status_code": 503}, "unavailable"),
        ({"http.response.status_code": 418}, "invalid_argument"),
        ({"http.response.status_code": 599}, "internal_error"),
        ({"rpc.grpc.status_code": 5}, "not_found"),
        ({"rpc.grpc.status_code": 99}, "internal_error"),
    ],
)
def test_a_failure_has_the_status_that_its_protocol_tells(attributes: dict[str, Any], status: str) -> None:
    assert mapped(status=2, attributes=attributes)["status"] == status


def test_what_did_not_fail_is_ok() -> None:
    assert mapped(status=0, attributes={"http.response.status_code": 404})["status"] == "ok"
    assert mapped(status=1)["status"] == "ok"


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        (
            {
                "kind": "client",
                "attributes": {"http.request.method": "GET", "url.full": "https://u:p@h.example/a/1?t=x#f"},
            },
            "GET https://h.example/a/1",
        ),
        ({"kind": "client", "attributes": {"http.request.method": "GET", "url.full": "http://[bad"}}, "work"),
        ({"kind": "server", "attributes": {"http.request.method": "GET", "http.route": "/a/{id}"}}, "GET /a/{id}"),
        ({"attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5"}}, "chat gpt-5"),
        (
            {"attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}},
            "execute_tool weather",
        ),
        ({"attributes": {"gen_ai.operation.name": "chat"}}, "work"),
        ({}, "work"),
    ],
)
def test_descriptions(fields: dict[str, Any], description: str) -> None:
    assert mapped(**fields)["description"] == description


def test_a_span_without_name_is_described_by_its_op() -> None:
    assert mapped("")["description"] == "default"


def test_an_operation_that_a_processor_found_is_the_op() -> None:
    operation = Column("gen_ai.operation.name", pl.String, "", "")
    sent = send(kept(request(span("root", span("ai.streamText.doStream"))), added={operation: [None, "chat"]}))
    assert sent.transaction["spans"][0]["op"] == "gen_ai.chat"


def test_links_lead_to_other_traces() -> None:
    (own,) = spans_of(span("root"), trace_id(1))
    link = own.links.add(trace_id=trace_id(2), span_id=b"12345678", flags=1)
    link.attributes.add(key="why").value.string_value = "batch"
    own.links.add(trace_id=b"short", span_id=b"12345678")
    sent = send(kept(request_of([own])))
    trace = sent.transaction["contexts"]["trace"]
    assert trace["links"] == [
        {"trace_id": trace_id(2).hex(), "span_id": b"12345678".hex(), "sampled": True, "attributes": {"why": "batch"}}
    ]
    assert trace["data"]["otelbridge.repaired"] == "links"


def test_the_status_message_is_told_without_values_of_statements() -> None:
    own, child = spans_of(span("root", span("work", status=2)), trace_id(1))
    child.status.message = "boom\n[parameters: ('bob',)]"
    sent = send(kept(request_of([own, child])))
    assert sent.transaction["spans"][0]["data"]["sentry.status.message"] == "boom\n[parameters: ?]"


def test_a_status_message_of_wrong_utf8_is_told_as_far_as_it_can_be_read() -> None:
    own, child = spans_of(span("root", span("work", status=2)), trace_id(1))
    traces = kept(request_of([own, child]))
    raw = child.SerializeToString() + b"\x7a\x05\x12\x03a\xffb"
    sent = send(with_raw(traces, [own.SerializeToString(), raw]))
    assert sent.transaction["spans"][0]["data"]["sentry.status.message"] == "a\ufffdb"


def test_the_instrumentation_is_named() -> None:
    sent = send(kept(request_of(spans_of(span("root"), trace_id(1)), scope="my.library")))
    assert sent.transaction["contexts"]["trace"]["data"]["instrumentation.name"] == "my.library"


def test_kinds_are_told() -> None:
    kinds = ["internal", "server", "client", "producer", "consumer"]
    assert [mapped(kind=kind)["kind"] for kind in kinds] == kinds
    (own,) = spans_of(span("root"), trace_id(1))
    own.kind = trace_pb2.Span.SPAN_KIND_UNSPECIFIED
    assert "kind" not in send(kept(request_of([own]))).transaction["contexts"]["trace"]
