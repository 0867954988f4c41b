"""Started by a test: appends until files may not grow any more, then lets them grow and appends again.

Prints what was acknowledged before, the error, and what a new log in the folder finds.
"""

from __future__ import annotations

import json
import random
import resource
import sys
from pathlib import Path

from otelbridge.core.errors import RetryLater
from otelbridge.log.sqlite import SqliteLog


def main(directory: Path, limit_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    log = SqliteLog(directory, 64 * 2**20)
    errors: list[str] = []
    while len(errors) < 3:
        try:
            log.append([random.Random(log.last_sequence + 1).randbytes(30_000)], 1.0)
        except RetryLater as error:
            errors.append(str(error))
    before = log.last_sequence
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.append([random.Random(before + 1).randbytes(30_000)], 2.0)
    log.close()
    records = SqliteLog(directory, 64 * 2**20).read(0, 64 * 2**20)
    print(
        json.dumps(
            {
                "before": before,
                "errors": errors,
                "sequences": [record.sequence for record in records],
                "intact": [record.payload == random.Random(record.sequence).randbytes(30_000) for record in records],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
