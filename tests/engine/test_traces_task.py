"""A task that is killed and started again ends as one that never was."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.component import Parcel
from otelbridge.core.errors import RetryLater, StateUnreadable
from otelbridge.engine.checkpoint import PROCESSOR, CheckpointStore
from otelbridge.engine.metrics_task import OWNER
from otelbridge.engine.progress import Progress, Resumption, Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.engine.tracking import OWN
from otelbridge.otlp.decode import decode
from tests.engine.conftest import Bench, pipeline, raise_error
from tests.support.otlp import request, request_of, span, spans_of, trace_id

Stream = list[tuple[bytes, float]]
OUTBOX = "CREATE TABLE IF NOT EXISTS outbox (n INTEGER PRIMARY KEY, id TEXT, body BLOB, exporter TEXT)"


def insert(connection: sqlite3.Connection, parcels: Sequence[Parcel], exporter: str, _now: float) -> None:
    rows = [(parcel.id, parcel.body, exporter) for parcel in parcels]
    connection.executemany("INSERT INTO outbox (id, body, exporter) VALUES (?, ?, ?)", rows)


def store_at(path: Path) -> CheckpointStore:
    return CheckpointStore(path, OUTBOX, insert)


def outbox(path: Path) -> list[tuple[str, bytes]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT id, body FROM outbox ORDER BY n").fetchall()
    connection.close()
    return rows


def start(path: Path, stream: Stream) -> tuple[TracesTask, CheckpointStore]:
    """A task as after a restart: resumed, refilled from the log, restored."""
    store = store_at(path)
    task = TracesTask(pipeline(decision_wait_seconds=6, decision_wait_after_root_seconds=1), raise_error)
    saved = store.load()
    task.resume(saved)
    again = [(number, *stream[number - 1]) for number in range(saved.low_record, saved.position + 1)]
    if again:
        task.refill(decode([body for _, body, _ in again]), [Stamp(number, at) for number, _, at in again])
    task.restore(saved)
    return task, store


def run(path: Path, stream: Stream, checkpoints: set[int], kills: set[int]) -> tuple[list[tuple[str, bytes]], str]:
    """Feed record by record; at `checkpoints` what is closed is saved, after `kills` the task is thrown away."""
    task, store = start(path, stream)
    position = task.position
    while position < len(stream):
        position += 1
        body, at = stream[position - 1]
        for _boundary in task.feed(decode([body]), [Stamp(position, at)]):
            if position in checkpoints:
                store.save(task.progress(), at)
        if position in kills:
            kills.remove(position)
            store.close()
            task, store = start(path, stream)
            position = task.position
    task.advance(stream[-1][1] + 100)
    store.save(task.progress(), 0.0)
    store.close()
    assert task.ledger.held() == task.pipeline.grouping.held_spans == 0
    return outbox(path), str(task.ledger)


events = st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.floats(0, 3)), min_size=1, max_size=25)
numbers = st.sets(st.integers(1, 25))


@given(incoming=events, checkpoints=numbers, kills=numbers)
def test_kills_at_any_point_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    incoming: list[tuple[int, bool, float]],
    checkpoints: set[int],
    kills: set[int],
) -> None:
    at = 1000.0
    stream = []
    for i, (trace, is_root, wait) in enumerate(incoming):
        at += wait
        parent = b"" if is_root else b"\x01" * 8
        stream.append((request_of(spans_of(span(f"span {i}"), trace_id(trace), parent=parent)), at))
    folder = tmp_path_factory.mktemp("state")

    killed = run(folder / "killed.sqlite", stream, checkpoints, set(kills))
    uninterrupted = run(folder / "whole.sqlite", stream, set(), set())

    assert killed == uninterrupted


def test_spans_without_usable_ids_are_dropped_and_counted() -> None:
    bench = Bench(TracesTask(pipeline(), raise_error))
    bad = spans_of(span("bad"), b"\x00" * 16) + spans_of(span("short", span_id=b"\x01"), trace_id(2))

    bench.feed(request_of([*bad, *spans_of(span("good"), trace_id(3))]), at=100.0)

    assert bench.exported(at=103.0) == ["good"]
    assert bench.task.ledger.dropped == {"invalid_id": 2}


def test_a_checkpoint_that_cannot_be_written_saves_nothing(tmp_path: Path) -> None:
    def full(*_arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store = CheckpointStore(tmp_path / "state.sqlite", OUTBOX, full)
    bench = Bench(TracesTask(pipeline(), raise_error))
    bench.feed(request(span("root")), at=100.0)
    bench.task.advance(103.0)

    with pytest.raises(RetryLater, match="disk is full"):
        store.save(bench.task.progress(), 103.0)

    assert store.load().position == 0
    store.close()


def test_a_damaged_state_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = store_at(path)
    store.save(Bench(TracesTask(pipeline(), raise_error)).task.progress(), 0.0)
    store._connection.execute("UPDATE checkpoint SET format = 99")

    with pytest.raises(StateUnreadable, match="format 99"):
        store.load()
    store.close()


def test_the_state_of_components_that_are_configured_no_more_is_deleted(tmp_path: Path) -> None:
    store = store_at(tmp_path / "state.sqlite")
    saved = Resumption()
    progress = Progress(
        position=1,
        tick=1,
        low_record=1,
        states={"ttft": b"1", "llm_cost": b"2"},
        parts={
            "cascade": {"state": b"3"},
            "degradation": {"order": b"4", "series 0": b"5"},
            OWN: {"open": b"6"},
            OWNER: {"totals": b"7"},
            PROCESSOR + "llm_cost": {"journal": b"8"},
            PROCESSOR + "provider_health": {"journal": b"9"},
        },
        ledger=saved.ledger,
        generation=0,
        decisions=b"",
        oldest_generation=0,
        parcels={},
    )
    store.save(progress, 0.0)

    forgotten = store.forget_others({"llm_cost", "cascade"})

    kept = store.load()
    assert forgotten == ["degradation", "provider_health", "ttft"]
    assert kept.states == {"llm_cost": b"2"}
    assert kept.parts == {
        "cascade": {"state": b"3"},
        OWN: {"open": b"6"},
        OWNER: {"totals": b"7"},
        PROCESSOR + "llm_cost": {"journal": b"8"},
    }
    assert store.forget_others({"llm_cost", "cascade"}) == []
