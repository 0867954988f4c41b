"""`python -m bench`: what otelbridge costs beside a compiled collector, in one run and on the same payloads.

Printed are, for otelbridge with its full pipeline (log on SQLite, log in memory, and with all trackers on) and for
Rotel, which only receives: CPU seconds per million spans and peak memory; then the ratios; then the cost of each stage,
and of measurements and trackers at 10,000 series as one number; then the memory of a large trace buffer. CPU seconds of
one run can be compared with each other, not with those of another machine or another hour.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench import measure, payloads
from bench.collectors import Collector, Otelbridge, Rotel
from bench.peers import LoadGenerator, Sink
from otelbridge import __version__

PARTS = ("throughput", "single", "stages", "buffer")
PACKAGES = ("rotel", "polars", "pyarrow", "ptars", "grpcio")
PACE_LOOPS = 2_000_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    repetitions: int
    spans: int
    warm_up_spans: int
    single_spans: int
    stage_spans: int


FULL = Effort(repetitions=3, spans=400_000, warm_up_spans=150_000, single_spans=15_000, stage_spans=400_000)
QUICK = Effort(repetitions=1, spans=150_000, warm_up_spans=50_000, single_spans=5_000, stage_spans=150_000)


@dataclass(slots=True)
class Result:
    """What was measured of one collector, one element a repetition."""

    collector: Collector
    cpu_us: list[float] = field(default_factory=list)
    spans_per_second: list[float] = field(default_factory=list)
    retries: int = 0
    peak_bytes: int = 0


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once and with fewer spans")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--prompt-bytes", type=int, default=0, help="length of prompts and answers of model calls")
    parser.add_argument("--spans-per-second", type=float, default=0, help="send at this rate, not as fast as possible")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes it started end too
    effort = QUICK if arguments.quick else FULL
    parts = arguments.only or PARTS
    for line in circumstances():
        print(line)
    if "throughput" in parts:
        title = f"requests of {payloads.SPANS_PER_REQUEST} spans"
        with (
            collectors() as (sink, measured),
            LoadGenerator(payloads.SPANS_PER_REQUEST, arguments.prompt_bytes) as load,
        ):
            compare(measured, load, effort, arguments.spans_per_second)
            report(title, measured, sink)
    if "single" in parts:
        single = Effort(min(2, effort.repetitions), effort.single_spans, effort.single_spans // 3, 0, 0)
        with collectors() as (sink, measured), LoadGenerator(1) as load:
            compare(measured, load, single, 0)
            report("requests of one span", measured, sink)
    if "stages" in parts:
        run_module("stages", f"--spans={effort.stage_spans}")
        run_module("stages", f"--spans={effort.stage_spans}", "--everything")
        run_module("layer", f"--spans={effort.stage_spans}")
        run_module("trackers")
    if "buffer" in parts:
        run_module("trace_buffer")
    return 0


def circumstances() -> Iterator[str]:
    """Versions, machine, load, and what a span of the payloads is."""
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    versions = [f"{name} {version(name)}" for name in PACKAGES]
    yield ", ".join((now, f"otelbridge {__version__}", *versions, f"Python {platform.python_version()}"))
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    yield f"{os.cpu_count()} cores of {_processor()}, Linux {platform.release()}, load {load}"
    yield f"pace: {pace_ns():.0f} ns a turn of an empty loop in Python"
    sample = payloads.batches(32, now_ns=time.time_ns())
    yield f"payloads:   {payloads.profile(sample).line()}"
    yield f"recordings: {payloads.recorded_profile().line()}"


def pace_ns() -> float:
    """CPU nanoseconds of one turn of a loop that does nothing: how fast this machine is just now."""
    start = time.process_time()
    for _ in range(PACE_LOOPS):
        pass
    return (time.process_time() - start) / PACE_LOOPS * 1e9


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


@contextmanager
def collectors() -> Iterator[tuple[Sink, list[Result]]]:
    """All of them, started, and the sink."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otelbridge-bench-"))) for _ in range(4)]
        sink = Sink()
        stack.enter_context(sink)
        started: Sequence[Collector] = (
            Otelbridge(folders[0], "sqlite", sink.address),
            Otelbridge(folders[1], "memory", sink.address),
            Otelbridge(folders[2], "sqlite", sink.address, everything=True),
            Rotel(folders[3]),
        )
        for collector in started:
            stack.enter_context(collector)
        for collector in started:
            collector.wait_until_ready()
        yield sink, [Result(collector) for collector in started]


def compare(measured: list[Result], load: LoadGenerator, effort: Effort, spans_per_second: float) -> None:
    """Warm up, then measure one after the other, several times."""
    for result in measured:
        _send(result.collector, load, effort.warm_up_spans, 0)
    for _ in range(effort.repetitions):
        for result in measured:
            before = measure.cpu_seconds(result.collector.pid)
            spans, seconds, retries = _send(result.collector, load, effort.spans, spans_per_second)
            result.cpu_us.append((measure.cpu_seconds(result.collector.pid) - before) / spans * 1e6)
            result.spans_per_second.append(spans / seconds)
            result.retries += retries
            result.peak_bytes = measure.peak_memory_bytes(result.collector.pid)


def _send(collector: Collector, load: LoadGenerator, spans: int, spans_per_second: float) -> tuple[int, float, int]:
    """Send, and wait until everything has been dealt with: spans, seconds until the last acknowledgement, retries."""
    sent = load.send(collector.target, spans, spans_per_second)
    collector.sent_spans += sent.spans
    collector.settle()
    return sent.spans, sent.seconds, sent.retries


def report(title: str, measured: list[Result], sink: Sink) -> None:
    """The table, the ratios, and what became of the spans."""
    print(f"\n{title}, medians of {len(measured[0].cpu_us)}:")
    print(f"  {'':24} {'CPU s per million spans':>24} {'all':>22} {'peak MiB':>9} {'spans/s taken':>14} {'retries':>8}")
    for result in measured:
        everything = " ".join(f"{value:.2f}" for value in result.cpu_us)
        rate = statistics.median(result.spans_per_second)
        print(
            f"  {result.collector.name:24} {statistics.median(result.cpu_us):24.2f} {everything:>22} "
            f"{result.peak_bytes / 2**20:9.0f} {rate:14,.0f} {result.retries:8}"
        )
    *ours, rotel = measured
    for result in ours:
        ratios = [mine / its for mine, its in zip(result.cpu_us, rotel.cpu_us, strict=True)]
        print(f"  ratio {result.collector.name} / Rotel: {statistics.median(ratios):.2f}")
    for result in measured:
        print(f"  {result.collector.name}: {result.collector.does}; {result.collector.account()}")
    stats = sink.stats()
    print(
        f"  the sink got {stats['envelopes']} envelopes, {stats['bytes']} bytes, {stats['spans']} spans in transactions"
    )


def run_module(name: str, *arguments: str) -> None:
    """A measurement in a process of its own."""
    print(flush=True)
    subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
