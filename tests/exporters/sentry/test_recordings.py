"""Everything that real applications were recorded to send, through the exporter and past Relay."""

from __future__ import annotations

import pytest

from tests.exporters.conftest import Sent, kept, send
from tests.support import recordings


def sent(name: str) -> Sent:
    now = max(span.end_time_unix_nano for span in recordings.spans(name)) / 1e9 + 5
    return send(kept(recordings.load(name), now=now))


@pytest.mark.parametrize("name", recordings.names())
def test_sentry_takes_every_recording_as_it_is(name: str) -> None:
    assert sent(name).dropped == {}


@pytest.mark.parametrize("name", recordings.names())
def test_every_span_of_a_recording_arrives_once(name: str) -> None:
    transactions = sent(name).transactions
    arrived = [t["contexts"]["trace"]["span_id"] for t in transactions]
    arrived += [span["span_id"] for t in transactions for span in t["spans"]]
    assert sorted(arrived) == sorted(span.span_id.hex() for span in recordings.spans(name))


@pytest.mark.parametrize("name", recordings.names())
def test_no_statement_parameter_leaves(name: str) -> None:
    for transaction in sent(name).transactions:
        for data in (transaction["contexts"]["trace"]["data"], *(span["data"] for span in transaction["spans"])):
            assert not data.keys() & {"db.statement", "db.postgresql.values", "db.query.normalized"}


def test_a_service_called_over_http_has_a_transaction_of_its_own() -> None:
    transactions = sent("py-httpx-n1").transactions
    assert {t["tags"]["service.name"] for t in transactions} == {"shop", "users"}
    users = [t for t in transactions if t["tags"]["service.name"] == "users"]
    assert all("parent_span_id" in t["contexts"]["trace"] for t in users)


def test_queries_have_op_db_and_connections_do_not() -> None:
    spans = [span for t in sent("drizzle-pg").transactions for span in t["spans"]]
    assert {span["op"] for span in spans if "db.query.text" in span["data"]} == {"db"}
    assert {span["op"] for span in spans if span["description"] == "pg-pool.connect"} == {"db.connection"}


def test_a_query_that_names_an_author_arrives_although_scrubbing_looks_for_auth() -> None:
    spans = [span for t in sent("py-django-psycopg").transactions for span in t["spans"]]
    assert any('FROM "author"' in span["description"] for span in spans)


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("js-exception", ["ENOENT", "Error", "Error", "PaymentDeclinedError", "PaymentDeclinedError", "SyntaxError"]),
        ("py-sqlalchemy-sqlite", ["OutOfStockError"]),
        ("py-django-psycopg", ["ProgrammingError", "UndefinedTable"]),
        ("drizzle-pg", ["Error"]),
    ],
)
def test_each_error_is_one_event(name: str, types: list[str]) -> None:
    assert sorted(event["exception"]["values"][-1]["type"] for event in sent(name).events) == types


def test_token_counts_of_any_instrumentation_survive_under_sentrys_names() -> None:
    for name in ("ai-sdk-v5", "ai-sdk-v6", "ai-sdk-v7", "py-openai-v2", "py-openinference", "py-traceloop-openai"):
        spans = [span for t in sent(name).transactions for span in t["spans"]]
        counts = [
            span["data"]["gen_ai.usage.input_tokens"] for span in spans if "gen_ai.usage.input_tokens" in span["data"]
        ]
        assert counts, name
        assert all(isinstance(count, int) for count in counts)
