"""What a tick's measurements say about services and their peers, in sums.

Frames hold some hundred rows, of which a query engine would spend most of its time on planning: dictionaries it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from otelbridge.analysis.frames import rows_of
from otelbridge.core.findings import Example
from otelbridge.core.measurements import COUNT, ENVIRONMENT, RELEASE, TIME, VALUE
from otelbridge.core.schema import SPAN_ID, TRACE_ID

Node = tuple[str, str]
"""Environment, and service or peer."""


@dataclass(slots=True)
class Counted:
    """Of one measurement.

    Attributes:
        counts: how many and how many failed, by environment, the other keys and second, in the order of the rows.
        examples: the last that failed of each node (the last of the other keys), in the order of the rows.
    """

    counts: dict[tuple[Any, ...], list[int]] = field(default_factory=dict)
    examples: dict[Node, Example] = field(default_factory=dict)


def count(measured: pl.DataFrame, keys: Sequence[str]) -> Counted:
    """Count rows of `error.rate` or `service.call`; null is a key like any other, as a name it is ""."""
    counted = Counted()
    counts = counted.counts
    failures: dict[Node, tuple[int, int, str | None]] = {}
    of_rows = zip(rows_of(measured, (ENVIRONMENT, *keys, TIME)), rows_of(measured, _NUMBERS), strict=True)
    for key, (value, number, trace_id, span_id, release) in of_rows:
        sums = counts.get(key)
        if sums is None:
            sums = counts[key] = [0, 0]
        sums[0] += number
        if value > 0:
            sums[1] += number
            node = (key[0] or "", key[-2] or "")
            failures.pop(node, None)  # what failed last stands last
            failures[node] = (trace_id, span_id, release)
    counted.examples = {node: Example.of(*failed) for node, failed in failures.items()}
    return counted


_NUMBERS = (VALUE, COUNT, TRACE_ID, SPAN_ID, RELEASE)
