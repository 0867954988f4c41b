"""What trackers cost a measurement at many series: `python -m bench.trackers [--series 10000]`.

Half a second of log time at 100,000 spans a second, of which seven in ten are measured; what is saved at a checkpoint
each second is counted too. The columns of a frame are made beforehand; making them is part of `python -m bench.stages`.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from bench.stopwatch import Stopwatch
from otelbridge.catalogue import BUILT_IN
from otelbridge.core.component import BuildContext, Kind
from otelbridge.core.measurements import COUNT, RELEASE, TIME, VALUE
from otelbridge.core.schema import SPAN_ID, TRACE_ID
from otelbridge.core.tracker import Tracker
from otelbridge.semconv.measurements import DB_QUERY_DURATION, ERROR_RATE

MEASUREMENTS_PER_TICK = 35_000
START = 1_790_000_000.0
SERVICES = 50


def main() -> int:
    """Print the cost of each tracker."""
    parser = argparse.ArgumentParser(prog="python -m bench.trackers", description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=60)
    arguments = parser.parse_args()
    for name, ticks in (
        ("degradation", durations(arguments.series, arguments.ticks)),
        ("error_spike", outcomes(arguments.ticks)),
    ):
        measure(name, list(ticks))
    return 0


def measure(name: str, ticks: list[dict[str, pl.DataFrame]]) -> None:
    """Observe every tick, and save every second one."""
    (spec,) = [spec for spec in BUILT_IN if spec.kind is Kind.TRACKER and spec.name == name]
    tracker: Tracker = spec.build(spec.config(), BuildContext(name))
    watch = Stopwatch()
    warm_up = len(ticks) // 2
    saved_bytes = 0
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "state.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = normal")
        connection.execute("CREATE TABLE state (part TEXT PRIMARY KEY, state BLOB)")
        for number, tick in enumerate(ticks):
            if number == warm_up:
                watch, saved_bytes = Stopwatch(), 0
            with watch.stage("observe"):
                tracker.observe(tick, START + number / 2)
            if number % 2:
                with watch.stage("changes"):
                    parts = tracker.changes()
                with watch.stage("save"):
                    connection.execute("BEGIN")
                    changed = [(part, state) for part, state in parts.items() if state is not None]
                    connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", changed)
                    connection.execute("COMMIT")
                saved_bytes += sum(len(state) for _, state in changed)
        connection.close()
    spans = (len(ticks) - warm_up) * MEASUREMENTS_PER_TICK / 0.7
    costs = ", ".join(f"{stage} {seconds / spans * 1e6:.3f}" for stage, seconds in watch.seconds.items() if stage)
    megabytes = saved_bytes / ((len(ticks) - warm_up) / 2) / 1e6
    print(f"{name}: us a span: {costs}; {megabytes:.1f} MB a checkpoint; {tracker.series} series")


def durations(series: int, ticks: int) -> Iterator[dict[str, pl.DataFrame]]:
    """Lognormal query durations, series by a skewed choice."""
    random = np.random.default_rng(1)
    services = pl.Series([f"service-{number % SERVICES}" for number in range(series)])
    tables = pl.Series([f"table_{number}" for number in range(series)])
    for tick in range(ticks):
        chosen = pl.Series((series * random.random(MEASUREMENTS_PER_TICK) ** 1.5).astype(np.uint32))
        frame = _frame(tick, random.lognormal(3, 0.5, MEASUREMENTS_PER_TICK)).with_columns(
            pl.lit("production").alias("environment"),
            services[chosen].alias("service"),
            pl.lit("postgresql").alias("db.system.name"),
            pl.lit("SELECT").alias("db.operation.name"),
            tables[chosen].alias("db.collection.name"),
        )
        yield {DB_QUERY_DURATION.name: frame}


def outcomes(ticks: int) -> Iterator[dict[str, pl.DataFrame]]:
    """Each service's operations of a second, with a few failures of some classes."""
    random = np.random.default_rng(2)
    for tick in range(ticks):
        rows = SERVICES * 4
        frame = _frame(tick, np.tile([0.0, 1.0, 1.0, 1.0], SERVICES)).with_columns(
            pl.Series(COUNT, np.where(np.arange(rows) % 4, random.poisson(1, rows), 500), pl.UInt32),
            pl.lit("production").alias("environment"),
            pl.Series("service", [f"service-{row // 4}" for row in range(rows)]),
            pl.Series("error.type", [f"E{row % 4}" if row % 4 else None for row in range(rows)]),
        )
        yield {ERROR_RATE.name: frame.filter(pl.col(COUNT) > 0)}


def _frame(tick: int, values: np.ndarray) -> pl.DataFrame:  # type: ignore[type-arg]
    count = len(values)
    return pl.DataFrame(
        {
            TIME: START + tick / 2 + np.arange(count) / count / 2,
            VALUE: values,
            COUNT: pl.Series(np.ones(count), dtype=pl.UInt32),
            TRACE_ID: pl.Series(np.arange(count), dtype=pl.UInt128),
            SPAN_ID: pl.Series(np.arange(count), dtype=pl.UInt64),
            RELEASE: pl.Series([None] * count, dtype=pl.String),
        }
    )


if __name__ == "__main__":
    raise SystemExit(main())
