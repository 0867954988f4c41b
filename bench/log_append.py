"""What appending to the log costs: CPU and wall microseconds a record, and bytes of disk for a byte of payload.

    python -m bench.log_append [FOLDER]

The segments are trimmed as they would be in the daemon, so the numbers hold for as long as one likes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench import payloads
from otelbridge.log.contract import Log
from otelbridge.log.memory import MemoryLog
from otelbridge.log.sqlite import SqliteLog

GIB = 2**30
NOW = 1_800_000_000.0
NOW_NS = int(NOW * 1e9)


def measure(label: str, log: Log, bodies: list[bytes], group: int, records: int) -> None:
    """Append `records` records in groups, taking the bodies in turn, and print a line."""
    wall, cpu = time.perf_counter(), time.process_time()
    largest_bytes = 0
    for start in range(0, records, group):
        log.append([bodies[i % len(bodies)] for i in range(start, start + group)], NOW)
        largest_bytes = max(largest_bytes, log.used_bytes)
        log.trim(log.last_sequence - 1000)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    size = sum(map(len, bodies)) // len(bodies)
    print(
        f"{label:7} {size:7} B, {group:3} a commit: {cpu / records * 1e6:7.1f} us CPU, {wall / records * 1e6:7.1f} us,"
        f" at most {largest_bytes / 2**20:6.1f} MiB held",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    large = [payload.body for payload in payloads.batches(100, now_ns=NOW_NS)]
    small = [payload.body for payload in payloads.batches(100, spans=1, now_ns=NOW_NS)]
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for kind in ("normal", "memory"):
            log: Log = MemoryLog(GIB) if kind == "memory" else SqliteLog(Path(folder, kind), GIB, synchronous=kind)  # type: ignore[arg-type] # the literals of the tuple
            measure(kind, log, large, 1, 3000)
            measure(kind, log, large, 8, 3000)
            measure(kind, log, small, 1, 10000)
            measure(kind, log, small, 100, 100000)
            log.close()


if __name__ == "__main__":
    main()
