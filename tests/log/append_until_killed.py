"""Started by a test: appends to a log and prints what is acknowledged, until it is killed."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from otelbridge.log.sqlite import SqliteLog


def payload_of(sequence: int) -> bytes:
    """Different for each record, and known to the test."""
    rng = random.Random(sequence)
    return rng.randbytes(rng.choice((10, 3_000, 60_000)))


def main(directory: Path) -> None:
    log = SqliteLog(directory, 64 * 2**20, segment_bytes=2**18)
    while True:
        start = log.last_sequence + 1
        records = log.append([payload_of(sequence) for sequence in range(start, start + start % 3 + 1)], 1000.0 + start)
        print(records[-1].sequence, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
