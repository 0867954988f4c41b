from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Example, Finding
from otelbridge.engine.open_findings import OpenFindings
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from otelbridge.semconv.measurements import ERROR_RATE, SERVICE_CALL
from otelbridge.trackers.cascade import Cascade, Config
from otelbridge.trackers.cascade.counts import count
from tests.support.incidents import cascade
from tests.trackers.conftest import (
    START,
    Noting,
    Requests,
    findings_of,
    findings_with_kills,
    pipeline_of,
    raise_error,
)


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
    (resolved,) = later
    assert resolved.state == "resolved"
    told = ("services", "calls", "first_to_fail", "seconds_after_first", "start")
    assert [resolved.contexts["cascade"][name] for name in told] == [raised.contexts["cascade"][name] for name in told]
    assert raised.trace_id in noting.traces


@pytest.fixture(scope="module")
def failing_database() -> Requests:
    """Twenty requests a second of log time: twelve minutes of two services come in 36 s."""
    return [(body, START + number / 20) for number, body in enumerate(cascade(12, range(8, 10)))]


@pytest.fixture(scope="module")
def uninterrupted(failing_database: Requests) -> list[str]:
    cuts = set(range(20, len(failing_database), 20))
    return [str(finding) for finding in findings_of(["cascade"], cuts, requests=failing_database).findings]


@pytest.mark.parametrize("seed", [1, 2])
def test_any_cut_of_the_log_gives_the_same_cascade(
    failing_database: Requests, uninterrupted: list[str], seed: int
) -> None:
    rng = random.Random(seed)
    cuts = {rng.randrange(1, len(failing_database)) for _ in range(40)}

    cut = findings_of(["cascade"], cuts, requests=failing_database)

    assert len(uninterrupted) == 2
    assert [str(finding) for finding in cut.findings] == uninterrupted


@pytest.mark.parametrize("seed", [3, 4])
def test_kills_at_any_point_give_the_same_cascade(
    failing_database: Requests, uninterrupted: list[str], seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    kills = {rng.randrange(1, len(failing_database)) for _ in range(8)}

    killed = findings_with_kills(["cascade"], kills, tmp_path / "state.sqlite", failing_database)

    assert [str(finding) for finding in killed] == uninterrupted


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


MINUTES = 12
FAILING = range(300, 480)
CHAT = {
    "assistant": ("chatbot", FAILING),
    "retriever": ("assistant", FAILING[90:]),  # it is called rarely: that it fails is known late
    "store": ("retriever", FAILING),
}


def chat() -> Iterator[tuple[float, dict[str, pl.DataFrame]]]:
    """A tick every five seconds: a chatbot calls an assistant, that a retriever, both ends of the chain the store."""
    for second in range(0, MINUTES * 60, 5):
        called = [(caller, callee, second in failing) for callee, (caller, failing) in CHAT.items()]
        called.append(("chatbot", "store", second in FAILING))
        outcomes = [
            ("", callee, has_failed) for callee, (_, failing) in CHAT.items() for has_failed in [second in failing]
        ]
        outcomes.append(("", "chatbot", second in FAILING))
        yield (
            START + second,
            {
                SERVICE_CALL.name: rows_of(called, float(second)),
                ERROR_RATE.name: rows_of(outcomes, float(second)).drop("service").rename({"peer": "service"}),
            },
        )


def rows_of(seen: list[tuple[str, str, bool]], second: float) -> pl.DataFrame:
    return calls([("prod", caller, callee, second, float(has_failed), 20) for caller, callee, has_failed in seen])


def told_of_chat() -> list[Finding]:
    tracker, book = Cascade(Config()), OpenFindings()
    return [told for now, seen in chat() for told in book.admit(tracker.observe(seen, now))]


def test_when_another_root_is_found_the_finding_is_resolved_and_raised_at_once_under_the_right_name() -> None:
    wrong, corrected, right, over = told_of_chat()

    assert [(one.state, one.key) for one in (wrong, corrected, right, over)] == [
        ("raised", ("prod", "assistant")),
        ("resolved", ("prod", "assistant")),
        ("raised", ("prod", "store")),
        ("resolved", ("prod", "store")),
    ]
    assert corrected.title == "Failures no longer seem to spread from assistant"
    assert corrected.summary == "but from store"
    assert corrected.contexts["cascade"]["root_now"] == "store"
    assert right.contexts["cascade"]["root_before"] == "assistant"
    assert corrected.time == right.time
    assert corrected.tags["root"] == corrected.contexts["cascade"]["root"] == "assistant"
    assert len({one.contexts["cascade"]["start"] for one in (wrong, corrected, right, over)}) == 1


def test_both_findings_of_a_cascade_whose_root_was_corrected_end_with_all_of_it() -> None:
    _, corrected, _, over = told_of_chat()

    for last in (corrected, over):
        context = last.contexts["cascade"]
        assert context["count"] == 4
        assert context["seconds_after_first"].keys() == {"assistant", "retriever", "store", "chatbot"}
        assert set(context["calls"]) == {
            "chatbot -> assistant", "assistant -> retriever", "retriever -> store", "chatbot -> store",
        }  # fmt: skip


def test_the_state_of_a_version_that_did_not_remember_first_failures_is_refused() -> None:
    cascades = {"prod": ("assistant", 300.0, ["assistant", "chatbot", "store"])}

    with pytest.raises(StateUnreadable, match="cascade"):
        Cascade(Config()).restore({"state": msgspec.msgpack.encode(([], [], cascades, {"prod": 400.0}))})
