"""What query spans are said to be, whatever their instrumentation said of them."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.batch import Batch
from otelbridge.core.component import BuildContext
from otelbridge.processors.db_queries import SPEC, DbQueriesConfig
from otelbridge.semconv.sql import analyse
from tests.processors.frames import batch_of
from tests.support.otlp import query, request

COLUMNS: dict[str, Any] = {
    "op": pl.String,
    "duration_ms": pl.Float64,
    "db.system.name": pl.String,
    "db.query.text": pl.String,
    "db.query.summary": pl.String,
    "db.operation.name": pl.String,
    "db.collection.name": pl.String,
}
TEXT = "SELECT * FROM orders WHERE id = 7"
SPANS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["db", "db.redis", "http.server", "default"]),
        "duration_ms": st.sampled_from([1.0, 500.0, 501.0]),
        "db.system.name": st.sampled_from([None, "", "mssql", "postgresql", "redis", "mongodb", "unheard_of"]),
        "db.query.text": st.sampled_from([None, "", TEXT, "select 1", "GET k", '{"find": "a"}']),
        "db.query.summary": st.sampled_from([None, "", "SELECT elsewhere"]),
        "db.operation.name": st.sampled_from([None, "", "select"]),
        "db.collection.name": st.sampled_from([None, "", "table"]),
    }
)


def process(*spans: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [{"op": "db", "duration_ms": 1.0} | span for span in spans]
    batch = Batch(pl.DataFrame(rows, schema=COLUMNS), 0.0)
    return SPEC.build(DbQueriesConfig(), BuildContext("db_queries")).process(batch).spans.to_dicts()


def test_a_statement_says_operation_table_and_summary() -> None:
    (query,) = process({"db.system.name": "postgresql", "db.query.text": TEXT})
    assert query["db.query.normalized"] == "SELECT * FROM orders WHERE id = ?"
    assert query["db.query.fingerprint"] == analyse(TEXT, "postgresql").fingerprint
    assert (query["db.operation.name"], query["db.collection.name"]) == ("SELECT", "orders")
    assert query["db.query.summary"] == "SELECT orders"


def test_what_a_span_says_itself_comes_first() -> None:
    said = {"db.query.summary": "look up", "db.operation.name": "find", "db.collection.name": "things"}
    (query,) = process({"db.query.text": TEXT, **said})
    assert query.items() >= said.items()


def test_without_a_statement_the_summary_is_operation_and_table() -> None:
    both, one, none = process(
        {"db.operation.name": "find", "db.collection.name": "things"},
        {"db.operation.name": "ping"},
        {"db.collection.name": "things"},
    )
    assert [query["db.query.summary"] for query in (both, one, none)] == ["find things", "ping", None]


def test_a_statement_on_a_span_that_is_no_query_loses_its_values_and_says_no_more() -> None:
    (span,) = process({"op": "http.server", "db.query.text": TEXT, "db.operation.name": "SELECT"})
    assert span["db.query.normalized"] == "SELECT * FROM orders WHERE id = ?"
    added = ("db.query.summary", "db.operation.name", "db.collection.name", "db.duration_ms", "db.slow_query")
    assert [span[name] for name in added] == [None] * 5


def test_a_query_is_slow_above_the_limit() -> None:
    spans = process({"duration_ms": 500.0}, {"duration_ms": 500.1}, {"duration_ms": 501.0, "op": "http.server"})
    assert [span["db.slow_query"] for span in spans] == [None, True, None]
    assert [span["db.duration_ms"] for span in spans] == [500.0, 500.1, None]


def test_how_long_a_query_took_is_measured_if_it_did_not_fail() -> None:
    """A failure may be quick: a database that is down would seem to become faster, and slower when it is back."""
    requests = request(query(TEXT, ms=3.0)), request(query(TEXT, ms=0.1, status=2))
    spans = batch_of(*requests, spec=SPEC, config=DbQueriesConfig())
    watching = BuildContext("db_queries", measurements=frozenset({"db.query.duration"}))
    ((name, frame),) = SPEC.build(DbQueriesConfig(), watching).process(spans).measurements
    assert name == "db.query.duration"
    assert frame["value"].to_list() == [3.0]


def test_products_have_their_current_names_on_every_span() -> None:
    spans = process({"db.system.name": "mssql"}, {"db.system.name": "oracle", "op": "default"}, {"db.system.name": ""})
    assert [span["db.system.name"] for span in spans] == ["microsoft.sql_server", "oracle.db", ""]


def test_the_statement_of_an_unknown_product_is_left_out() -> None:
    (query,) = process({"db.system.name": "unheard_of", "db.query.text": "secret"})
    assert (query["db.query.normalized"], query["db.query.fingerprint"], query["db.query.summary"]) == (None,) * 3


@given(st.lists(SPANS, max_size=12))
def test_what_is_said_of_a_span_does_not_depend_on_those_beside_it(spans: list[dict[str, Any]]) -> None:
    assert process(*spans) == [process(span)[0] for span in spans]
