"""Decoded metrics -> a frame of columns for each metric that is watched: its points, who sent them, their attributes.

What is watched decides what is extracted, as it does for spans: metrics by name, attributes by key. All attributes of a
point, extracted or not, tell which series of its metric it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from otelbridge.core.arrays import Array, Items, column, is_present, items, nulls
from otelbridge.otlp.attribute_columns import NOWHERE, as_type
from otelbridge.otlp.decode_metrics import DecodedMetrics
from otelbridge.otlp.resource_columns import ResourceColumns

RESOURCE = ("environment", "service", "release", "instance")
POINT_COLUMNS = ("_request", "_identity", "_time", "_start", "_value", "_count", "_kind")
"""Columns of a point itself; no attribute of these names becomes a column."""


def points_of(
    decoded: DecodedMetrics, watched: frozenset[str], keys: frozenset[str], resources: ResourceColumns
) -> dict[str, pl.DataFrame]:
    """The points of each watched metric that occurs, in the order of the requests.

    What a point's columns are does not depend on other points: how requests are put together makes no difference.

    Args:
        decoded: of one or more requests.
        watched: names of metrics.
        keys: attributes that are to be columns.
        resources: extracts RESOURCE.

    Columns:
        _request: UInt32, index of the request among the decoded.
        _identity: UInt64, hash of sender, scope and all attributes, in whichever order: which series of the metric.
        _time, _start: Float64, seconds since the epoch; 0.0 where unknown.
        _value: Float64, of histograms and summaries the sum; null where none was recorded.
        _count: UInt64, number of observations; 1 for numbers.
        _kind: UInt8: LEVEL (gauges, sums that may fall), INCREMENT (deltas), TOTAL (cumulative sums that only grow,
            cumulative histograms, summaries).
        environment, service, release, instance: String, of the resource, as `resources` has them.
        then one for each of `keys`, sorted by name: String, null where it is absent or no scalar. A key that is a
            column already is left out.
    """
    rows = _Rows.of(decoded, watched)
    if not len(rows.point):
        return {}
    attributes = _Attributes(decoded, rows, sorted(keys - {*RESOURCE, *POINT_COLUMNS}))
    sender = _resource_columns(decoded, rows.point, resources)
    identity = attributes.identity + _hashes_of_senders(decoded, rows.point, sender)
    points = pl.DataFrame([*_fields(decoded, rows.point, identity), *sender, *attributes.columns()])
    bounds = zip(rows.names, rows.bounds[:-1].tolist(), rows.bounds[1:].tolist(), strict=True)
    return {name: points[first:end] for name, first, end in bounds}


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
    """The attributes of the watched points.

    Attributes:
        identity: of each row, hash of all its attributes.
    """

    def __init__(self, decoded: DecodedMetrics, rows: _Rows, keys: list[str]) -> None:
        self._keys, self._height = keys, len(rows.point)
        row_of_point = np.full(decoded.points, NOWHERE, np.int64)
        row_of_point[rows.point] = np.arange(self._height)
        row = row_of_point[decoded.attribute_points]
        here = np.flatnonzero(row != NOWHERE)
        row, distinct = row[here], decoded.attributes[here]
        self.identity = _sums_of_hashes(decoded, row, distinct, self._height)

        key_of_distinct = pc.index_in(
            decoded.distinct_attributes.column("key"), value_set=pa.array(keys, pa.string())
        ).fill_null(NOWHERE)
        key = key_of_distinct.to_numpy()[distinct]
        wanted = np.flatnonzero(key != NOWHERE)
        self._row, self._key, distinct = row[wanted], key[wanted], distinct[wanted]
        used = np.unique(distinct)
        texts = as_type(decoded.distinct_attributes.column("value"), used, pl.String)
        self._texts = items(texts)
        self._text = np.searchsorted(used, distinct)
        self._is_text = texts.is_not_null().to_numpy()[self._text]

    def columns(self) -> Iterator[pl.Series]:
        """One a key."""
        for number, name in enumerate(self._keys):
            here = np.flatnonzero((self._key == number) & self._is_text)
            if not len(here):
                yield nulls(name, pl.String, self._height)
                continue
            text, is_present = np.zeros(self._height, np.int64), np.zeros(self._height, np.bool_)
            text[self._row[here]] = self._text[here]  # of a key that is given twice the last one stays
            is_present[self._row[here]] = True
            yield column(name, pl.String, self._texts[text], None if is_present.all() else is_present)


def _sums_of_hashes(decoded: DecodedMetrics, row: Array, distinct: Array, height: int) -> Array:
    """Of each row, the sum of its attributes' hashes: the same in whichever order they are sent."""
    used, place = np.unique(distinct, return_inverse=True)
    hashes = np.array([_hash(raw) for raw in decoded.raw_attributes.take(pa.array(used)).to_pylist()], np.uint64)
    sums = np.zeros(height, np.uint64)
    np.add.at(sums, row, hashes[place])
    return sums


def _hashes_of_senders(decoded: DecodedMetrics, point: Array, sender: list[pl.Series]) -> Array:
    """Of each row: environment, service and instance, and the scope; a new release goes on where the last one was."""
    scope_of_point = np.repeat(np.arange(len(decoded.scopes)), decoded.points_per_scope)
    scopes, first, place = np.unique(scope_of_point[point], return_index=True, return_inverse=True)
    named = [one.gather(pl.Series(first.astype(np.uint32))).to_list() for one in sender if one.name != "release"]
    senders = zip(*named, (decoded.scopes[scope].scope for scope in scopes.tolist()), strict=True)
    hashes: Array = np.array([_hash(repr(one).encode()) for one in senders], np.uint64)
    return hashes[place]


def _hash(data: bytes) -> int:
    """Stable over processes and versions: it is saved."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _fields(decoded: DecodedMetrics, point: Array, identity: Array) -> list[pl.Series]:
    fields = decoded.fields[point]
    requests = np.repeat(np.arange(len(decoded.points_per_request), dtype=np.uint32), decoded.points_per_request)
    is_recorded = fields["is_recorded"]
    value = np.ascontiguousarray(fields["value"])
    return [
        pl.Series("_request", requests[point]),
        pl.Series("_identity", identity),
        pl.Series("_time", fields["time_ns"] / 1e9),
        pl.Series("_start", fields["start_ns"] / 1e9),
        column("_value", pl.Float64, Items(value), None if is_recorded.all() else np.ascontiguousarray(is_recorded)),
        pl.Series("_count", np.ascontiguousarray(fields["count"])),
        pl.Series("_kind", np.ascontiguousarray(fields["kind"])),
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
