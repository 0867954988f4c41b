"""How much memory a trace buffer of a million spans takes: `python -m bench.trace_buffer`.

A process of its own feeds requests through decoding, columns and span processors into the buffer, as the daemon does,
with settings under which nothing is decided, and says what its memory was at the peak. What belongs to the process and
not to the buffer (libraries, what decoding needs) is told apart by a first group that is held already.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path

from bench import measure
from bench.collectors import load_configuration
from bench.payloads import batches
from bench.stages import DIFFERENT_REQUESTS, START, groups
from otelbridge.engine.pipeline import Pipeline, build
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from otelbridge.service.memory import keep_memory

NOT_DECIDING = (
    "processors.group_by_trace.decision_wait_seconds=3600",
    "processors.group_by_trace.decision_wait_after_root_seconds=3600",
    "processors.group_by_trace.buffer_mib=65536",
)
LIMIT_BYTES = 2**30
SPANS_PER_SECOND = 50_000  # a million in 20 s: what a buffer holds at the default waits


def fill(pipeline: Pipeline, spans: int) -> int:
    """Feed at least that many spans; returns what the process took when it held the first group."""
    task = TracesTask(pipeline, _raise)
    source = groups(batches(DIFFERENT_REQUESTS, now_ns=int(START * 1e9)), random.Random(2))
    sequence = 0
    now = START
    first = 0
    while pipeline.grouping.held_spans < spans:
        bodies, count = next(source)
        now += count / SPANS_PER_SECOND
        stamps = [Stamp(sequence + i, now) for i in range(1, len(bodies) + 1)]
        sequence += len(bodies)
        for _boundary in task.feed(decode(bodies), stamps):
            pass
        first = first or measure.peak_memory_bytes(os.getpid())
    return first


def _raise(_component: str, error: BaseException) -> None:
    raise error


def main() -> None:
    """Print the peak, and what the columns take of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    arguments = parser.parse_args()
    keep_memory()
    with tempfile.TemporaryDirectory() as folder:
        (plan,) = load_configuration("127.0.0.1:9", Path(folder), *NOT_DECIDING).pipelines
        pipeline = build(plan.id, plan.processors, plan.exporters, folder, plan.trackers)
        base = fill(pipeline, arguments.spans)
    held = pipeline.grouping
    peak = measure.peak_memory_bytes(os.getpid())
    verdict = "less than" if peak < LIMIT_BYTES else "MORE than"
    print(f"trace buffer of {held.held_spans} spans in {held.held_traces} undecided traces:")
    print(f"  peak of the process {peak / 2**20:.0f} MiB, {verdict} {LIMIT_BYTES / 2**20:.0f} MiB")
    print(f"  {(peak - base) / held.held_spans:.0f} bytes a span, beside {base / 2**20:.0f} MiB at the first group")
    print(f"  {held.held_bytes / held.held_spans:.0f} bytes a span as counted against the bound of the buffer")


if __name__ == "__main__":
    main()
