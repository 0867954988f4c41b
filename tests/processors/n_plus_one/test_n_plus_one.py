from __future__ import annotations

import random
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.batch import Batch
from otelbridge.processors.n_plus_one import SPEC, Config, NPlusOne
from tests.processors.frames import NOW, batch_of
from tests.processors.n_plus_one.loops import (
    REPEAT,
    handler,
    marks,
    processed,
    processed_requests,
    queries,
    source,
    summary,
)
from tests.support.otlp import SpanTree, query, request, span

USER = "https://api.example.com/v1/users/{}?expand=team"


def get(url: str, at_ms: float, ms: float = 10, method: str = "GET") -> SpanTree:
    attributes = {"http.request.method": method, "url.full": url}
    return span(method, kind="client", start_ms=at_ms, ms=ms, attributes=attributes)


def tool(name: str, at_ms: float, *children: SpanTree, prefix: str = "") -> SpanTree:
    attributes = {"mcp.method.name": "tools/call"}
    return span(f"{prefix}tools/call {name}", *children, kind="client", start_ms=at_ms, ms=15, attributes=attributes)


# what is a loop


def test_repeats_after_a_source_are_a_finding() -> None:
    batch = processed(handler(source(), *queries()))
    assert summary(batch) == [("n_plus_one", "posts", 10)]
    assert marks(batch) == {"source": 1, "repeat": 10}


def test_the_finding_points_to_the_first_repeat() -> None:
    batch = processed(handler(source(), *queries()))
    (finding,) = batch.findings
    first = batch.spans.filter(pl.col("n_plus_one") == "repeat").sort("start_ns").row(0, named=True)
    assert (finding.trace_id, finding.span_id) == (first["trace_id"], first["span_id"])
    assert (finding.kind, finding.level, finding.time, finding.service) == ("n_plus_one", "warning", NOW, "shop")
    assert finding.tags == {"pattern": "n_plus_one", "table": "posts", "route": "GET /users"}


@pytest.mark.parametrize(("count", "ms", "found"), [(5, 10, 1), (4, 30, 0), (5, 9.9, 0), (20, 0.5, 1), (20, 0.4, 0)])
def test_a_loop_is_slow_or_long(count: int, ms: float, found: int) -> None:
    assert len(processed(handler(source(), *queries(count=count, ms=ms))).findings) == found


def test_overlapping_repeats_count_once() -> None:
    at_once = queries(count=8, every_ms=0, ms=40)
    assert processed(handler(source(), *at_once)).findings == ()
    (finding,) = processed(handler(source(), *queries(count=8, every_ms=5, ms=40))).findings
    assert finding.contexts["n_plus_one"]["total_ms"] == 75.0


def test_repeats_with_values_instead_of_placeholders_are_a_loop() -> None:
    repeats = [query(f"SELECT * FROM posts WHERE user_id = {i}", start_ms=20 + i * 12, ms=10) for i in range(8)]
    (finding,) = processed(handler(source(), *repeats)).findings
    assert finding.contexts["n_plus_one"]["example"] == "SELECT * FROM posts WHERE user_id = ?"


def test_other_spans_between_the_repeats_do_not_matter() -> None:
    children = [source()]
    for repeat in queries():
        pool = {"db.system.name": "postgresql"}
        children += [
            span("pg-pool.connect", kind="client", start_ms=repeat.start_ms - 1, ms=1, attributes=pool),
            repeat,
        ]
        children.append(span("render", start_ms=repeat.start_ms + 10, ms=1))
    batch = processed(handler(*children))
    assert summary(batch) == [("n_plus_one", "posts", 10)]
    assert marks(batch) == {"source": 1, "repeat": 10}


def test_repeats_below_siblings_are_one_loop() -> None:
    resolvers = [span("User.posts", repeat, start_ms=repeat.start_ms, ms=11) for repeat in queries()]
    (finding,) = processed(handler(source(), span("graphql", *resolvers))).findings
    assert finding.contexts["n_plus_one"]["parent"] == "graphql > User.posts"
    assert finding.contexts["n_plus_one"]["count"] == 10


def test_siblings_are_recognised_although_their_names_hold_ids() -> None:
    resolvers = [span(f"load user {i}", repeat, start_ms=repeat.start_ms) for i, repeat in enumerate(queries())]
    (finding,) = processed(handler(source(), *resolvers)).findings
    assert finding.key[2] == "GET /users > load user {id}"


def test_parents_of_different_names_are_different_work() -> None:
    steps = [span(f"step {chr(97 + i)}", repeat, start_ms=repeat.start_ms) for i, repeat in enumerate(queries())]
    assert processed(handler(source(), *steps)).findings == ()


def test_an_orm_may_put_three_spans_around_a_query() -> None:
    wrapped = [span("client", span("engine", span("query", repeat))) for repeat in queries()]
    assert summary(processed(handler(source(), *wrapped))) == [("n_plus_one", "posts", 10)]
    assert processed(handler(source(), *wrapped), max_levels=3).findings == ()


def test_an_inner_loop_that_is_too_short_is_part_of_the_outer_one() -> None:
    outer = [span("User.posts", *queries(count=5, start_ms=20 + i * 20, every_ms=3, ms=2)) for i in range(6)]
    assert summary(processed(handler(source(), *outer))) == [("n_plus_one", "posts", 30)]


def test_inner_loops_below_siblings_are_one_finding() -> None:
    outer = [span("User.posts", *queries(count=5, start_ms=20 + i * 80)) for i in range(3)]
    assert summary(processed(handler(source(), *outer))) == [("n_plus_one", "posts", 15)]


def test_counting_ends_at_the_border_of_the_process() -> None:
    served = [span("POST /post", repeat, kind="server", flags=0x301, start_ms=repeat.start_ms) for repeat in queries()]
    assert processed(handler(source(), *served)).findings == ()


def test_statements_that_take_turns_are_one_loop() -> None:
    first = queries(count=3, every_ms=24)
    second = queries("SELECT * FROM likes WHERE user_id = $1", count=3, start_ms=32, every_ms=24)
    batch = processed(handler(*first, *second))
    assert summary(batch) == [("interleaved", "posts, likes", 3)]
    assert marks(batch) == {"repeat": 6}


def test_loops_one_after_the_other_are_two() -> None:
    first = queries(count=6)
    second = queries("SELECT * FROM likes WHERE user_id = $1", count=6, start_ms=200)
    batch = processed(handler(source(), *first, *second))
    assert summary(batch) == [("n_plus_one", "posts", 6), ("n_plus_one", "likes", 6)]


def test_an_insert_loop_in_a_transaction_is_reported_as_such() -> None:
    inserts = queries("INSERT INTO posts (id) VALUES ($1)", count=25, every_ms=1, ms=0.7)
    batch = processed(handler(query("BEGIN", start_ms=1), *inserts, query("COMMIT", start_ms=60)))
    assert summary(batch) == [("insert_loop", "posts", 25)]
    assert batch.findings[0].title == "Insert loop: INSERT posts in GET /users"


def test_what_two_instrumentations_saw_is_counted_once() -> None:
    doubled = [query(REPEAT, start_ms=20 + i * 12, ms=10) for i in range(6)]
    for outer in doubled:
        outer.children = (query(REPEAT, start_ms=outer.start_ms + 1, ms=8),)
    assert summary(processed(handler(source(), *doubled))) == [("n_plus_one", "posts", 6)]


def test_a_span_that_came_twice_is_counted_once() -> None:
    body = request(handler(source(), *queries(count=4, ms=20)))
    assert processed_requests(body, body).findings == ()


# http and mcp


def test_requests_of_one_template_are_a_loop() -> None:
    batch = processed(handler(*(get(USER.format(i), 20 + i * 12) for i in range(6))))
    assert summary(batch) == [("http", "api.example.com/v1/users/{id}?expand", 6)]
    assert batch.findings[0].title == "N+1 HTTP request: GET api.example.com/v1/users/{id}?expand in GET /users"


@pytest.mark.parametrize(
    "requests",
    [
        [get(USER.format(1), 20 + i * 12) for i in range(10)],
        [get(f"https://api.example.com/items?page={i}", 20 + i * 12) for i in range(10)],
        [get(USER.format(i), 20 + i * 12, method="POST") for i in range(10)],
        [get(f"https://api.example.com/{chr(97 + i)}", 20 + i * 12) for i in range(10)],
    ],
    ids=["one thing again and again", "page by page", "not GET", "different routes"],
)
def test_other_requests_are_no_loop(requests: list[SpanTree]) -> None:
    assert processed(handler(*requests)).findings == ()


def test_calls_of_one_tool_are_a_loop_each_counted_once() -> None:
    calls = []
    for i in range(6):
        at_ms = 20 + i * 20
        served = span(
            "tools/call get_weather", kind="server", start_ms=at_ms, attributes={"mcp.method.name": "tools/call"}
        )
        calls.append(tool("get_weather", at_ms, tool("get_weather", at_ms, served, prefix="MCP send ")))
    assert summary(processed(span("agent run", *calls))) == [("mcp", "get_weather", 6)]


def test_only_what_is_asked_for_is_detected() -> None:
    trace = handler(source(), *queries(), *(get(USER.format(i), 220 + i * 12) for i in range(6)))
    assert summary(processed(trace, detect=["http"])) == [("http", "api.example.com/v1/users/{id}?expand", 6)]
    assert summary(processed(trace, detect=["db"])) == [("n_plus_one", "posts", 10)]


# what is none


@pytest.mark.parametrize(
    "repeats",
    [
        [query(text, start_ms=20 + i * 12, ms=10) for i in range(6) for text in ("BEGIN", "COMMIT", "SAVEPOINT a")],
        queries("SELECT 1", count=30),
        queries("SET LOCAL role = 'x'", count=30),
        queries("INSERT INTO posts (id, a) VALUES ($1, $2), ($3, $4)", count=30),
        queries(every_ms=1100, count=8),
        queries(every_ms=300, count=8),
        queries(every_ms=1, count=100, ms=0.05),
        [query("GET user:1", "redis", start_ms=20 + i * 12, ms=10) for i in range(20)],
    ],
    ids=[
        "transactions",
        "pings",
        "settings",
        "inserts of many rows",
        "polling",
        "polling by the clock",
        "fast",
        "redis",
    ],
)
def test_these_repeats_are_no_loop(repeats: list[SpanTree]) -> None:
    batch = processed(handler(source(), *repeats))
    assert batch.findings == ()
    assert marks(batch) == {}


def test_slow_queries_far_apart_are_no_polling() -> None:
    assert len(processed(handler(source(), *queries(every_ms=1100, ms=1000, count=5))).findings) == 1


def test_irregular_work_between_the_queries_is_no_polling() -> None:
    waits = [80, 300, 120, 60, 240, 90, 400, 70]
    repeats = [query(REPEAT, start_ms=20 + sum(waits[:i]), ms=10) for i in range(8)]
    assert len(processed(handler(source(), *repeats)).findings) == 1


@pytest.mark.parametrize("first", [(), (query("BEGIN", start_ms=1),), (source(start_ms=500),), (source(start_ms=18),)])
def test_reading_repeats_without_an_earlier_source_are_no_loop(first: tuple[SpanTree, ...]) -> None:
    repeats = queries(count=10)
    assert processed(handler(*first, *repeats)).findings == ()
    assert len(processed(handler(*first, *repeats), require_source=False).findings) == 1


# counting


def test_count_takes_queries_of_one_table_wherever_they_stand() -> None:
    scattered = [span(f"part {chr(97 + i)}", query(f"SELECT c{i} FROM posts", ms=0.1)) for i in range(6)]
    assert summary(processed(handler(*scattered), mode="count")) == [("repeated_query", "posts", 6)]
    assert processed(handler(*scattered[:5]), mode="count").findings == ()
    assert processed(handler(*scattered)).findings == ()


def test_both_reports_a_repeat_once() -> None:
    batch = processed(handler(source(), *queries()), mode="both")
    assert summary(batch) == [("n_plus_one", "posts", 10)]


# stability


def test_the_key_is_the_same_in_every_trace_of_the_problem() -> None:
    keys = {
        processed(handler(source(), *queries(f"select * from posts where user_id = {n}", count=n))).findings[0].key
        for n in (5, 9, 40)
    }
    assert len(keys) == 1


def test_the_same_loop_on_another_route_is_another_problem() -> None:
    one, other = (processed(handler(source(), *queries(), route=route)).findings[0].key for route in ("/a", "/b"))
    assert one != other


def trace_bodies(numbers: range) -> list[bytes]:
    return [request(handler(source(), *queries()), trace=number) for number in numbers]


def test_a_loop_is_reported_once_a_minute_with_the_number_of_traces() -> None:
    processor = NPlusOne(Config())
    told = [
        [finding.contexts["n_plus_one"]["count_since_last"] for finding in batch.findings]
        for batch in (
            processed_requests(*trace_bodies(range(n, n + 3)), now=NOW + seconds, processor=processor)
            for n, seconds in ((1, 0.0), (4, 59.9), (7, 60.0), (10, 60.0))
        )
    ]
    assert told == [[1], [], [6], []]


def test_every_trace_is_marked_although_only_one_is_reported() -> None:
    assert marks(processed_requests(*trace_bodies(range(1, 4)))) == {"source": 3, "repeat": 30}


def test_every_trace_is_reported_when_asked_for() -> None:
    assert len(processed_requests(*trace_bodies(range(1, 4)), min_interval_seconds=0).findings) == 3


def test_what_was_reported_survives_a_restart() -> None:
    before = NPlusOne(Config())
    processed_requests(*trace_bodies(range(1, 4)), processor=before)
    after = NPlusOne(Config())
    after.restore(before.snapshot())
    assert processed_requests(*trace_bodies(range(4, 5)), now=NOW + 1, processor=after).findings == ()
    (finding,) = processed_requests(*trace_bodies(range(5, 6)), now=NOW + 60, processor=after).findings
    assert finding.contexts["n_plus_one"]["count_since_last"] == 4


def mixed_bodies() -> list[bytes]:
    shapes = [
        handler(source(), *queries()),
        handler(source(), *queries(count=2)),
        handler(*(get(USER.format(i), 20 + i * 12) for i in range(6))),
        handler(source(), *queries(count=6), *queries("SELECT * FROM likes WHERE a = 1", count=6, start_ms=26)),
        span("alone"),
    ]
    return [request(shape, trace=number) for number, shape in enumerate(shapes * 2, start=1)]


@given(st.lists(st.integers(1, 9), max_size=4))
def test_how_traces_are_cut_into_batches_does_not_matter(cuts: list[int]) -> None:
    bodies = mixed_bodies()
    whole = processed_requests(*bodies)
    processor = NPlusOne(Config())
    borders = [0, *sorted(set(cuts)), len(bodies)]
    parts = [processed_requests(*bodies[begin:end], processor=processor) for begin, end in pairwise(borders)]
    assert [f for part in parts for f in part.findings] == list(whole.findings)
    assert pl.concat([part.spans["n_plus_one"] for part in parts]).to_list() == whole.spans["n_plus_one"].to_list()


def test_the_order_of_rows_does_not_matter() -> None:
    config = Config(min_interval_seconds=0)
    batch = batch_of(*mixed_bodies(), spec=SPEC, config=config)
    order = list(range(batch.spans.height))
    random.Random(7).shuffle(order)
    shuffled = NPlusOne(config).process(batch.with_spans(batch.spans[order]))
    plain = NPlusOne(config).process(batch)
    assert sorted(map(str, shuffled.findings)) == sorted(map(str, plain.findings))
    marks_of = [dict(out.spans.select("span_id", "n_plus_one").iter_rows()) for out in (plain, shuffled)]
    assert marks_of[0] == marks_of[1]


def test_a_trace_has_a_bounded_number_of_findings() -> None:
    loops = [queries(f"SELECT * FROM t{n} WHERE a = 1", count=5, start_ms=20 + n * 70) for n in range(30)]
    batch = processed(handler(source(), *(item for loop in loops for item in loop)))
    assert len(batch.findings) == 20
    assert marks(batch)["repeat"] == 150


# odd input


def test_an_empty_batch_gets_its_column() -> None:
    batch = batch_of(request(span("a")), spec=SPEC, config=Config())
    out = NPlusOne(Config()).process(batch.with_spans(batch.spans.clear()))
    assert out.spans.schema["n_plus_one"] == pl.String


def test_absurd_spans_do_no_harm() -> None:
    body = request(handler(source(), *queries()))
    batch = batch_of(body, spec=SPEC, config=Config())
    spans = batch.spans.with_columns(
        pl.lit(7, pl.UInt64).alias("span_id"),
        pl.lit(7, pl.UInt64).alias("parent_span_id"),
        pl.lit(False).alias("is_segment"),
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(2**63 - 1).otherwise(0).alias("start_ns"),
    )
    assert isinstance(NPlusOne(Config(max_levels=16)).process(batch.with_spans(spans)), Batch)


def test_queries_without_a_parent_are_counted_by_trace_alone() -> None:
    roots = [source(), *queries()]
    assert processed(*roots).findings == ()
    assert summary(processed(*roots, mode="count")) == [("repeated_query", "posts", 10)]


def test_a_parent_that_never_came_is_enough() -> None:
    tree = handler(source(), *queries())
    batch = batch_of(request(tree), spec=SPEC, config=Config())
    orphans = batch.spans.filter(pl.col("kind") != 2)
    (finding,) = NPlusOne(Config()).process(batch.with_spans(orphans)).findings
    assert finding.key[1] == ""
    assert finding.title == "N+1 query: SELECT posts"
