"""CPU time of llm_cost for a span: alone (`process`) and in whole traces (`process_traces`).

python -m bench.llm_cost [--profile]
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as in the daemon

import cProfile
import gc
import sys
from collections.abc import Callable

import polars as pl

from bench.whole_traces import SIZES, microseconds_per_span, whole_traces
from otelbridge.core.batch import Batch
from otelbridge.core.schema import DERIVED_COLUMNS, WIRE_COLUMNS
from otelbridge.processors.llm_cost import SPEC, Config, LlmCost
from otelbridge.processors.llm_cost.billed_traces import BilledTraces
from otelbridge.processors.llm_cost.shown import COST
from otelbridge.service.memory import keep_memory

CONFIG = Config()


def without_calls(batch: Batch) -> Batch:
    """The traces of the batch that have nothing to do with a model."""
    with_calls = batch.spans.filter(pl.col("ai.operationId").is_not_null())["trace_id"].unique()
    return batch.with_spans(batch.spans.filter(~pl.col("trace_id").is_in(with_calls.implode())))


def carried(batch: Batch) -> Batch:
    """With the columns that the trace buffer carries."""
    wanted = SPEC.carries(CONFIG) | {column.name for column in (*WIRE_COLUMNS, *DERIVED_COLUMNS)}
    return batch.with_spans(batch.spans.select(name for name in batch.spans.columns if name in wanted))


def second_look(component: LlmCost) -> Callable[[Batch], Batch]:
    """`process_traces` as if no trace had been seen before: in a daemon none comes twice."""

    def look(batch: Batch) -> Batch:
        component._biller.billed_traces = BilledTraces(CONFIG.remembered_traces)
        return component.process_traces(batch)

    return look


def main() -> None:
    """Print microseconds a span."""
    keep_memory()
    component = LlmCost(CONFIG)
    gc.collect()
    gc.freeze()  # the price lists are some 100,000 objects
    for spans in SIZES:
        mixed = whole_traces(spans, SPEC.reads(CONFIG))
        for name, batch in (("chatbot", mixed), ("without models", without_calls(mixed))):
            described = carried(component.process(batch))
            look = second_look(component)
            billed = look(described).spans
            calls = billed.height - billed[COST].null_count()
            print(f"{name}: {batch.spans.height} spans, {calls} billed calls, us/span (median, best):", end=" ")
            for step, argument in ((component.process, batch), (look, described)):
                median, best = microseconds_per_span(step, argument)
                print(f"{median:.3f} {best:.3f}", end="  ")
            print()
    if "--profile" in sys.argv:
        cProfile.runctx("for _ in range(100): component.process(mixed)", {}, locals(), sort="tottime")
        cProfile.runctx(
            "for _ in range(100): look(described)",
            {},
            {**locals(), "described": carried(component.process(mixed))},
            sort="tottime",
        )


if __name__ == "__main__":
    main()
