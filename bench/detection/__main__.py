"""`python -m bench.detection`: each detector on streams whose changes are known, beside its rivals, as Markdown."""

from __future__ import annotations

import argparse
import importlib

PARTS = ("degradation", "error_spike", "error_spike_variations", "capacity", "cascade")
"""Modules of this folder with a `report(streams: int, seed: int) -> Iterator[str]`."""


def main() -> None:
    """Print the report of each part that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--streams", type=int, default=40, help="streams a scenario")
    parser.add_argument("--seed", type=int, default=1, help="what every stream is drawn from")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    arguments = parser.parse_args()
    for part in arguments.only or PARTS:
        module = importlib.import_module(f"bench.detection.{part}")
        for line in module.report(arguments.streams, arguments.seed):
            print(line, flush=True)


if __name__ == "__main__":
    main()
