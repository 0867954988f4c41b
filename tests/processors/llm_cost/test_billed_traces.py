"""What was billed in recent traces, within a bound."""

from __future__ import annotations

import polars as pl

from otelbridge.processors.llm_cost.billed_traces import CHUNKS, OWN, ROWS, BilledTraces


def rows(*trace_ids: int) -> pl.DataFrame:
    return pl.DataFrame([(trace, 7, OWN, "resp", "u", "p", "c") for trace in trace_ids], schema=ROWS, orient="row")


def keys(*trace_ids: int) -> set[int]:
    return set(rows(*trace_ids)["trace_id"].hash().to_list())


def remember(billed: BilledTraces, *trace_ids: int) -> None:
    billed.remember(rows(*trace_ids), keys(*trace_ids))


def known(billed: BilledTraces, *trace_ids: int) -> list[int]:
    return [trace for trace in trace_ids if billed.knows_any(keys(trace))]


def test_a_trace_is_known_with_what_was_remembered_of_it() -> None:
    billed = BilledTraces(100)
    remember(billed, 1, 2)

    assert known(billed, 1, 2, 3) == [1, 2]
    assert billed.of(pl.Series([2, 3], dtype=pl.UInt128)).rows() == rows(2).rows()


def test_nothing_is_known_at_first() -> None:
    billed = BilledTraces(100)

    assert not billed.knows_any(keys(1))
    assert billed.of(pl.Series([1], dtype=pl.UInt128)).schema == pl.Schema(ROWS)


def test_at_least_the_capacity_is_kept_and_little_more() -> None:
    capacity = 16
    billed = BilledTraces(capacity)
    for trace in range(1, 61):
        remember(billed, trace)

        latest = list(range(max(1, trace - capacity + 1), trace + 1))
        assert known(billed, *latest) == latest
    assert len(known(billed, *range(1, 61))) <= capacity + capacity // CHUNKS


def test_what_is_saved_is_what_is_known() -> None:
    billed = BilledTraces(16)
    for trace in range(1, 30):
        remember(billed, trace)
    restarted = BilledTraces(16)
    restarted.load(billed.save())

    everything = range(1, 60)
    assert known(restarted, *everything) == known(billed, *everything)
    for trace in range(30, 60):
        remember(billed, trace)
        remember(restarted, trace)
    assert known(restarted, *everything) == known(billed, *everything)
    assert restarted.save() == billed.save()


def test_saving_again_after_more_was_remembered_saves_that_too() -> None:
    billed = BilledTraces(100)
    remember(billed, 1)
    billed.save()
    remember(billed, 2)
    restarted = BilledTraces(100)
    restarted.load(billed.save())

    assert known(restarted, 1, 2) == [1, 2]
