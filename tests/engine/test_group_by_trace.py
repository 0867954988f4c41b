"""When traces leave the buffer, and what the buffer costs while they stay."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from tests.engine.conftest import Bench, pipeline, raise_error
from tests.support.otlp import request, request_of, span, spans_of, trace_id

Make = Callable[..., Bench]


def child(name: str, trace: int = 1) -> bytes:
    """A request with one span whose parent is elsewhere."""
    return request_of(spans_of(span(name), trace_id(trace), parent=b"\x01" * 8))


def test_a_trace_is_decided_two_seconds_after_its_root(bench: Make) -> None:
    run = bench()

    run.feed(child("a"), at=100.0)
    run.feed(request(span("root")), at=103.0)

    assert run.exported(at=104.9) == []
    assert run.exported(at=105.5) == ["a+root"]


def test_a_trace_without_root_is_decided_when_the_wait_is_over(bench: Make) -> None:
    run = bench(decision_wait_seconds=30)

    run.feed(child("a"), at=100.0)

    assert run.exported(at=129.9) == []
    assert run.exported(at=130.5) == ["a"]


def test_a_late_root_does_not_extend_the_wait(bench: Make) -> None:
    run = bench(decision_wait_seconds=10, decision_wait_after_root_seconds=5)

    run.feed(child("a"), at=100.0)
    run.feed(request(span("root")), at=109.0)

    assert run.exported(at=110.5) == ["a+root"]


def test_a_trace_that_reaches_the_span_limit_is_decided_at_the_next_tick(bench: Make) -> None:
    run = bench(max_spans_per_trace=3)

    run.feed(child("a"), child("b"), child("c"), at=100.0)

    assert run.exported(at=100.5) == ["a+b+c"]
    assert run.task.pipeline.grouping.decided == {"spans": 1}


def test_a_late_span_follows_the_decision_in_an_export_of_its_own(bench: Make) -> None:
    run = bench()
    run.feed(request(span("root")), at=100.0)
    assert run.exported(at=103.0) == ["root"]

    run.feed(child("late"), at=110.0)

    assert run.exported(at=111.0) == ["late"]
    exporter = run.task.pipeline.exporters["noting"]
    assert exporter.kept[-1].spans["late"].to_list() == [True]  # type: ignore[attr-defined]
    assert run.task.ledger.late == {"kept": 1, "dropped": 0}


def test_over_its_bound_the_buffer_decides_the_largest_and_oldest_first(bench: Make) -> None:
    run = bench(buffer_mib=1)
    large = {"payload": "x" * 700_000}

    run.feed(request(span("small", attributes={}), trace=1), at=100.0)
    run.feed(request_of(spans_of(span("large", attributes=large), trace_id(2), parent=b"\x01" * 8)), at=100.0)
    run.feed(request_of(spans_of(span("larger", attributes=large), trace_id(3), parent=b"\x01" * 8)), at=100.1)

    assert len(run.exported(at=100.5)) == 1
    assert run.task.pipeline.grouping.decided["memory"] == 1
    assert run.task.pipeline.grouping.held_bytes < 2**20


def test_what_is_held_is_counted_exactly(bench: Make) -> None:
    run = bench()

    run.feed(request(span("root", span("a"), span("b"))), child("other", trace=2), at=100.0)
    assert run.task.pipeline.grouping.held_spans == run.task.ledger.held() == 4
    run.exported(at=103.0)

    assert run.task.pipeline.grouping.held_spans == run.task.ledger.held() == 1
    run.exported(at=200.0)
    assert run.task.pipeline.grouping.held_bytes == run.task.pipeline.grouping.held_spans == 0


def test_one_long_trace_does_not_pin_the_rows_of_the_others(bench: Make) -> None:
    run = bench()
    many = [item for i in range(2, 2000) for item in spans_of(span(f"root {i}"), trace_id(i))]

    run.feed(request_of([*many, *spans_of(span("long"), trace_id(1), parent=b"\x01" * 8)]), at=100.0)
    run.exported(at=103.0)

    assert run.task.pipeline.grouping.rows_in_memory == 1
    assert run.exported(at=200.0) == ["long"]


def test_the_oldest_record_with_an_undecided_span_is_the_low_watermark(bench: Make) -> None:
    run = bench()

    run.feed(request(span("root"), trace=1), at=100.0)
    run.feed(child("waiting", trace=2), at=100.0)
    run.feed(request(span("root"), trace=3), at=100.0)

    assert run.task.pipeline.grouping.low_record(run.task.position) == 1
    run.exported(at=103.0)
    assert run.task.pipeline.grouping.low_record(run.task.position) == 2
    run.exported(at=200.0)
    assert run.task.pipeline.grouping.low_record(run.task.position) == 4


events = st.lists(
    st.tuples(st.integers(1, 5), st.booleans(), st.floats(0, 4)),  # trace, is root, seconds until it comes
    min_size=1,
    max_size=30,
)


def outcome(stream: list[tuple[bytes, float]], cuts: set[int]) -> list[list[str]]:
    """What each checkpoint of a run would hold, when the stream is fed in groups cut at `cuts`."""
    task = TracesTask(pipeline(decision_wait_seconds=6, decision_wait_after_root_seconds=1), raise_error)
    bodies: list[str] = []
    group: list[tuple[int, bytes, float]] = []

    def feed() -> None:
        stamps = [Stamp(sequence, at) for sequence, _, at in group]
        for _boundary in task.feed(decode([body for _, body, _ in group]), stamps):
            pass
        group.clear()

    for sequence, (body, at) in enumerate(stream, start=1):
        group.append((sequence, body, at))
        if sequence in cuts:
            feed()
    if group:
        feed()
    task.advance(stream[-1][1] + 100)
    progress = task.progress()
    for parcels in progress.parcels.values():
        bodies += [f"{parcel.id}:{parcel.body.decode()}" for parcel in parcels]
    return [bodies, [str(task.ledger)]]


@given(events, st.sets(st.integers(1, 30)))
def test_any_split_of_the_input_gives_the_same_output(incoming: list[tuple[int, bool, float]], cuts: set[int]) -> None:
    at = 1000.0
    stream = []
    for i, (trace, is_root, wait) in enumerate(incoming):
        at += wait
        parent = b"" if is_root else b"\x01" * 8
        stream.append((request_of(spans_of(span(f"span {i}"), trace_id(trace), parent=parent)), at))

    assert outcome(stream, cuts) == outcome(stream, set())
