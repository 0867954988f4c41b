"""Times that Sentry takes, from times that clients send.

One span whose end lies before its start makes Sentry refuse the whole transaction, and so does a transaction outside of
the last five days or more than a minute ahead. So times are put right before anything else is done with a span, and
those spans that cannot be saved leave alone.

- A missing start or end becomes the other one; an end before its start becomes the start.
- A client whose clock runs ahead keeps its durations: all its spans of the trace move back together. When they lie
  more than a day apart no clock explains it, and each is cut to the window on its own.
- A start before the window moves to its edge; a span that lies before the window altogether is dropped.

Source of the window: relay-event-normalization/src/validation.rs with the ranges of relay-metrics.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.core import schema

SECOND = 1_000_000_000
MAX_AHEAD_SECONDS = 50  # Sentry: 60; its clock and ours differ a little
EDGE_SECONDS = 3600  # kept clear at the old edge for the time until delivery
MAX_CLOCK_EXTENT_SECONDS = 86_400

REPAIRED_TIMES = "_repaired_times"


def repair_times(spans: pl.DataFrame, now: float, max_age_seconds: float) -> pl.DataFrame:
    """Spans with usable start_ns and end_ns: Int64, and `_repaired_times`: Boolean; without those that are too old."""
    oldest = int((now - max_age_seconds + EDGE_SECONDS) * SECOND)
    newest = int((now + MAX_AHEAD_SECONDS) * SECOND)
    if _are_good(spans["start_ns"], spans["end_ns"], oldest, newest):
        return spans.hstack([pl.Series(REPAIRED_TIMES, np.zeros(spans.height, np.bool_))])
    start, end = pl.col("start_ns"), pl.col("end_ns")
    before = spans.select(pl.col("start_ns").alias("_start"), pl.col("end_ns").alias("_end"))
    spans = _completed(spans)
    if spans.select((end > newest).any()).item():
        spans = _moved_back(spans, int(now * SECOND), newest)
    spans = spans.with_columns(start.clip(upper_bound=newest), end.clip(upper_bound=newest))
    spans = spans.hstack(before).with_columns(start.clip(lower_bound=oldest)).filter(end >= oldest)
    changed = (start != pl.col("_start")) | (end != pl.col("_end"))
    return spans.with_columns(changed.alias(REPAIRED_TIMES)).drop("_start", "_end")


def _are_good(starts: pl.Series, ends: pl.Series, oldest: int, newest: int) -> bool:
    if starts.has_nulls() or ends.has_nulls():
        return False
    start, end = starts.to_numpy(), ends.to_numpy()
    return bool((start >= oldest).all() and (end >= start).all() and (end <= newest).all())


def _completed(spans: pl.DataFrame) -> pl.DataFrame:
    start, end = pl.col("start_ns").fill_null(0), pl.col("end_ns").fill_null(0)
    start = pl.when(start > 0).then(start).otherwise(end)
    return spans.with_columns(start.alias("start_ns"), pl.max_horizontal(start, end).alias("end_ns"))


def _moved_back(spans: pl.DataFrame, now_ns: int, newest_ns: int) -> pl.DataFrame:
    clock = (schema.TRACE_ID, schema.ORIGIN)
    latest = pl.col("end_ns").max().over(clock)
    extent = latest - pl.col("start_ns").min().over(clock)
    is_clock = (latest > newest_ns) & (extent <= MAX_CLOCK_EXTENT_SECONDS * SECOND)
    shift = pl.when(is_clock).then(latest - now_ns).otherwise(0)
    return spans.with_columns(pl.col("start_ns") - shift, pl.col("end_ns") - shift)
