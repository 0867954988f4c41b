from __future__ import annotations

from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.findings import Example
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from otelbridge.semconv.measurements import SERVICE_CALL
from otelbridge.trackers.cascade import Cascade, Config
from otelbridge.trackers.cascade.counts import count
from tests.support.incidents import cascade
from tests.trackers.conftest import START, Noting, pipeline_of, raise_error


@pytest.mark.parametrize("requests_a_second", [20, 400])
def test_a_database_that_fails_is_named_as_the_root_of_what_follows(requests_a_second: int) -> None:
    task = TracesTask(pipeline_of(["cascade"]), raise_error)
    bodies = list(cascade(27, range(20, 23)))  # who calls whom is known once the first traces are decided
    for number in range(0, len(bodies), 20):
        group = bodies[number : number + 20]
        stamps = [Stamp(number + place + 1, START + number / requests_a_second) for place in range(len(group))]
        for _boundary in task.feed(decode(group), stamps):
            pass
    task.advance(START + 1000)

    noting = task.pipeline.exporters["noting"]
    assert isinstance(noting, Noting)
    raised, *later = noting.findings
    assert (raised.kind, raised.state, raised.level) == ("cascade", "raised", "error")
    assert raised.title == "Failures spread from postgresql@db-1"
    assert raised.key == ("production", "postgresql@db-1")
    assert raised.contexts["cascade"]["services"] == ["postgresql@db-1", "stock", "front"]
    assert raised.contexts["cascade"]["calls"] == ["stock -> postgresql@db-1", "front -> stock"]
    assert [finding.state for finding in later] == ["resolved"]
    assert raised.trace_id in noting.traces


NAMES = st.sampled_from([None, "", "shop", "stock"])
CALLS = st.lists(
    st.tuples(NAMES, NAMES, NAMES, st.sampled_from([0.0, 1.0, 60.0]), st.sampled_from([0.0, 1.0]), st.integers(1, 9)),
    max_size=30,
)


def calls(rows: list[tuple[str | None, str | None, str | None, float, float, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "environment": environment,
                "service": caller,
                "peer": peer,
                "time": time,
                "value": value,
                "count": number,
                "trace_id": place + 1,
                "span_id": place + 1,
                "release": None,
            }
            for place, (environment, caller, peer, time, value, number) in enumerate(rows)
        ],
        schema=SERVICE_CALL.schema(),
    )


@given(CALLS)
def test_calls_are_counted_by_pair_and_second_and_by_whether_they_failed(
    rows: list[tuple[str | None, str | None, str | None, float, float, int]],
) -> None:
    expected: defaultdict[object, list[int]] = defaultdict(lambda: [0, 0])
    for *key, value, number in rows:
        expected[tuple(key)][0] += number
        expected[tuple(key)][1] += number if value else 0

    counted = count(calls(rows), ("service", "peer"))

    assert list(counted.counts.items()) == list(expected.items())


@given(CALLS)
def test_the_last_failed_call_of_each_peer_is_its_example_and_the_last_of_all_stands_last(
    rows: list[tuple[str | None, str | None, str | None, float, float, int]],
) -> None:
    last = {(row[0] or "", row[2] or ""): place + 1 for place, row in enumerate(rows) if row[4]}
    expected = [(node, Example.of(place, place, None)) for node, place in sorted(last.items(), key=lambda one: one[1])]

    counted = count(calls(rows), ("service", "peer"))

    assert list(counted.examples.items()) == expected


def test_a_tick_in_which_nothing_failed_has_no_examples_to_save() -> None:
    tracker = Cascade(Config())

    tracker.observe({"service.call": calls([("prod", "shop", "stock", 1.0, 0.0, 1)])}, START)

    assert set(tracker.changes()) == {"state"}
