"""Decoded metrics -> a frame of columns for each metric that is watched: its points, who sent them, their attributes.

What is watched decides what is extracted, as it does for spans. Other than those, data points have no fixed set of
attributes: they are what tells the series of a metric apart, so each key has its column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from otelbridge.core.arrays import Array, Items, column, is_present, items, nulls
from otelbridge.otlp.attribute_columns import NOWHERE, as_type
from otelbridge.otlp.decode_metrics import DecodedMetrics
from otelbridge.otlp.resource_columns import ResourceColumns

KINDS = ("level", "increment", "total")  # in the order of LEVEL, INCREMENT, TOTAL
RESOURCE = ("environment", "service", "release", "instance")
COLUMNS = ("request", "time", "start", "value", "count", "kind", *RESOURCE)

MAX_KEYS = 128  # as many as SDKs let a span have; a million points with a key of their own each must not be a table
MAX_CELLS = 2**24
"""Of one metric's attribute columns, 16 bytes each: 16 MiB of tiny points with all of MAX_KEYS would take 16 GB."""


def points_of(decoded: DecodedMetrics, watched: frozenset[str], resources: ResourceColumns) -> dict[str, pl.DataFrame]:
    """The points of each watched metric that occurs, in the order of the requests.

    Columns:
        request: UInt32, index of the request among the decoded.
        time, start: Float64, seconds since the epoch; 0.0 where unknown.
        value: Float64, of histograms and summaries the sum; null where none was recorded.
        count: UInt64, number of observations; 1 for numbers.
        kind: String: "level" (gauges, sums that may fall), "increment" (deltas), "total" (cumulative sums that only
            grow, cumulative histograms, summaries).
        environment, service, release, instance: String, of the resource, as `resources` has them.
        then one for each attribute key that occurs on these points, sorted by name: String, null where it is absent or
            no scalar. A key of one of the names above is left out, and so are the rarest of more than MAX_KEYS.
    """
    rows = _Rows.of(decoded, watched)
    if not len(rows.point):
        return {}
    fields = pl.DataFrame(_fields(decoded, rows.point) + _resource_columns(decoded, rows.point, resources))
    attributes = _Attributes(decoded, rows)
    frames = {}
    for number, name in enumerate(rows.names):
        first, end = rows.bounds[number : number + 2].tolist()
        frames[name] = fields[first:end].hstack(list(attributes.columns(number, first, end - first)))
    return frames


@dataclass(frozen=True, slots=True)
class _Rows:
    """Which points are watched: those of a metric together, in order.

    Attributes:
        names: of the watched metrics that occur, sorted.
        point: of each row.
        bounds: where the rows of each metric begin, and where the last ones end.
    """

    names: list[str]
    point: Array
    bounds: Array

    @classmethod
    def of(cls, decoded: DecodedMetrics, watched: frozenset[str]) -> _Rows:
        names = pa.array(sorted(watched), pa.string())
        code_of_metric = pc.index_in(decoded.names, value_set=names).fill_null(NOWHERE).to_numpy()
        code = np.repeat(code_of_metric, decoded.points_per_metric)
        point = np.flatnonzero(code != NOWHERE)
        point = point[np.argsort(code[point], kind="stable")]
        present, counts = np.unique(code[point], return_counts=True)
        return cls(names.take(pa.array(present)).to_pylist(), point, np.cumsum([0, *counts]))


class _Attributes:
    """The attributes of the watched points, by metric and key."""

    def __init__(self, decoded: DecodedMetrics, rows: _Rows) -> None:
        row_of_point = np.full(decoded.points, NOWHERE, np.int64)
        row_of_point[rows.point] = np.arange(len(rows.point))
        row = row_of_point[decoded.attribute_points]
        here = np.flatnonzero(row != NOWHERE)
        self._row, distinct = row[here], decoded.attributes[here]

        keys = decoded.distinct_attributes.column("key").dictionary_encode()
        self._keys: list[str] = keys.dictionary.to_pylist()
        key = keys.indices.to_numpy()[distinct]
        used = np.unique(distinct)
        texts = as_type(decoded.distinct_attributes.column("value"), used, pl.String)
        self._texts = items(texts)
        self._text = np.searchsorted(used, distinct)
        self._is_text = is_present(texts)[self._text]

        metric = np.searchsorted(rows.bounds, self._row, side="right") - 1
        pair = metric * len(self._keys) + key
        self._sorted = np.argsort(pair, kind="stable")
        pairs, starts = np.unique(pair[self._sorted], return_index=True)
        self._metric_of_run, self._key_of_run = np.divmod(pairs, max(len(self._keys), 1))
        self._runs = np.append(starts, len(pair))

    def columns(self, metric: int, first: int, height: int) -> Iterator[pl.Series]:
        """Of one metric, whose rows are `height` from `first`."""
        low, high = np.searchsorted(self._metric_of_run, [metric, metric + 1]).tolist()
        names = {self._keys[self._key_of_run[run]]: run for run in range(low, high)}
        for name in _kept({name: int(self._runs[run + 1] - self._runs[run]) for name, run in names.items()}, height):
            yield self._column(name, self._sorted[self._runs[names[name]] : self._runs[names[name] + 1]], first, height)

    def _column(self, name: str, here: Array, first: int, height: int) -> pl.Series:
        here = here[self._is_text[here]]
        if not len(here):
            return nulls(name, pl.String, height)
        at = self._row[here] - first
        text, present = np.zeros(height, np.int64), np.zeros(height, np.bool_)
        text[at] = self._text[here]  # of a key that is given twice the last one stays
        present[at] = True
        return column(name, pl.String, self._texts[text], None if present.all() else present)


def _kept(counts: dict[str, int], height: int) -> list[str]:
    """Which keys become columns, in their order; `counts` says how often each occurs."""
    wanted = [name for name in counts if name and name not in COLUMNS]
    most = min(MAX_KEYS, max(MAX_CELLS // height, 1))
    if len(wanted) > most:
        wanted = sorted(wanted, key=lambda name: (-counts[name], name))[:most]
    return sorted(wanted)


def _fields(decoded: DecodedMetrics, point: Array) -> list[pl.Series]:
    fields = decoded.fields[point]
    requests = np.repeat(np.arange(len(decoded.points_per_request), dtype=np.uint32), decoded.points_per_request)
    is_recorded = fields["is_recorded"]
    value = np.ascontiguousarray(fields["value"])
    return [
        pl.Series("request", requests[point]),
        pl.Series("time", fields["time_ns"] / 1e9),
        pl.Series("start", fields["start_ns"] / 1e9),
        column("value", pl.Float64, Items(value), None if is_recorded.all() else np.ascontiguousarray(is_recorded)),
        pl.Series("count", np.ascontiguousarray(fields["count"])),
        column("kind", pl.String, _KIND_TEXTS[fields["kind"]]),
    ]


def _resource_columns(decoded: DecodedMetrics, point: Array, resources: ResourceColumns) -> list[pl.Series]:
    scope_of_point = np.repeat(np.arange(len(decoded.scopes)), decoded.points_per_scope)
    scopes, scope_of_row = np.unique(scope_of_point[point], return_inverse=True)
    found = {series.name: series for series in resources.columns([decoded.scopes[scope] for scope in scopes.tolist()])}
    return [_repeated(found[name], scope_of_row) for name in RESOURCE]


def _repeated(texts: pl.Series, rows: Array) -> pl.Series:
    present = is_present(texts)[rows]
    if not present.any():
        return nulls(texts.name, pl.String, len(rows))
    return column(texts.name, pl.String, items(texts)[rows], None if present.all() else present)


_KIND_TEXTS = items(pl.Series(KINDS))
