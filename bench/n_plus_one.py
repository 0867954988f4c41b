"""CPU time of n_plus_one for a span.

python -m bench.n_plus_one [--profile]
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as in the daemon

import cProfile
import sys

from bench.whole_traces import SIZES, microseconds_per_span, whole_traces
from otelbridge.processors.n_plus_one import SPEC, Config, NPlusOne


def main() -> None:
    """Print microseconds a span."""
    config = Config()
    for spans in SIZES:
        batch = whole_traces(spans, SPEC.reads(config))
        processor = NPlusOne(config)
        first = processor.process(batch)
        median, best = microseconds_per_span(processor.process, batch)
        marked = first.spans.height - first.spans["n_plus_one"].null_count()
        print(
            f"n_plus_one: {batch.spans.height} spans, {marked} marked, {len(first.findings)} findings: "
            f"{median:.3f} us/span median, {best:.3f} best"
        )
    if "--profile" in sys.argv:
        cProfile.runctx("for _ in range(100): processor.process(batch)", {}, locals(), sort="tottime")


if __name__ == "__main__":
    main()
