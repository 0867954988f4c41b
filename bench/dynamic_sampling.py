"""CPU time of dynamic_sampling for a span: with the default rules, and with a budget besides.

Usage: python -m bench.dynamic_sampling [--profile]
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as in the daemon

import cProfile
import sys

from bench.whole_traces import SIZES, microseconds_per_span, whole_traces
from otelbridge.processors.dynamic_sampling import SPEC, Config, DynamicSampling

SETTINGS = {
    "10 % of everything": Config(rules=()),
    "default rules": Config(),
    "rules and budget": Config.model_validate({"budget": {"spans_per_minute": 10_000}}),
}


def main() -> None:
    """Print microseconds a span."""
    for name, config in SETTINGS.items():
        for spans in SIZES:
            batch = whole_traces(spans, SPEC.reads(config))
            sampler = DynamicSampling(config)
            kept = sampler.process(batch).spans.height
            median, best = microseconds_per_span(sampler.process, batch)
            print(
                f"dynamic_sampling, {name}: {batch.spans.height} spans, {kept} kept: "
                f"{median:.3f} us/span median, {best:.3f} best"
            )
    if "--profile" in sys.argv:
        cProfile.runctx("for _ in range(100): sampler.process(batch)", {}, locals(), sort="tottime")


if __name__ == "__main__":
    main()
