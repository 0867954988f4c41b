"""The spans of one export as lists, one entry a span, sorted by trace and start: what the loops of the encoder walk.

Whatever can be done for all spans at once is done here, on columns: ids, times, attributes, dropping what nobody can
use.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from otelbridge.core import schema
from otelbridge.core.batch import Origin
from otelbridge.core.component import Kept
from otelbridge.core.outcomes import DropReason
from otelbridge.core.schema import Column
from otelbridge.exporters.sentry.attributes import Attribute, AttributeReader, scalar
from otelbridge.exporters.sentry.repair import REPAIRED_TIMES, repair_times
from otelbridge.exporters.sentry.resources import Emitter, Emitters
from otelbridge.exporters.sentry.scrubbing import shield
from otelbridge.exporters.sentry.wire import Details, decode_details, readable
from otelbridge.semconv.derived import PARENT_IS_KNOWN_REMOTE

NORMALIZED_STATEMENT = "db.query.normalized"
SAMPLING_RATE = "sampling.rate"
SAMPLING_RULE = "sampling.rule"
LATE = "late"

_ELSEWHERE = frozenset({NORMALIZED_STATEMENT, SAMPLING_RATE, SAMPLING_RULE, LATE})  # said in a place of their own
_KNOWN_TO_SENTRY = ("db.", "gen_ai.", "mcp.", "http.")  # conventions of these families are not scrubbed by value
_NO_ORIGIN = Origin(b"", b"")

_OPTIONAL: dict[str, pl.Expr] = {
    "op": pl.lit(None, dtype=pl.String),
    NORMALIZED_STATEMENT: pl.lit(None, dtype=pl.String),
    SAMPLING_RATE: pl.lit(None, dtype=pl.Float64),
    SAMPLING_RULE: pl.lit(None, dtype=pl.String),
    LATE: pl.lit(value=False),
    "is_segment": (pl.col("flags") & PARENT_IS_KNOWN_REMOTE) == PARENT_IS_KNOWN_REMOTE,
}
"""Columns that are there when the component that makes them is configured, and what stands for them otherwise."""

_WIRE = (schema.TRACE_ID, schema.SPAN_ID, schema.PARENT_SPAN_ID, "name", "kind", "start_ns", "end_ns", "status")
_OTHERS = ("trace_state", schema.ORIGIN, schema.RAW, *_OPTIONAL)
_FILLED = (
    pl.col("name", "trace_state").fill_null(""),
    pl.col("kind", "status").fill_null(0),
    pl.col("op").fill_null("default"),
    pl.col("is_segment", LATE).fill_null(value=False),
)
_RAW_BYTES = "_raw_bytes"
_PLACE = (schema.RECORD, schema.POSITION)


@dataclass(frozen=True, slots=True)
class Survivors:
    """One entry a span in every list.

    Attributes:
        attributes: what the indices in `details.attributes` stand for.
        added: values of added columns, by row and name.
        raw: the spans' bytes.
        raw_bytes: how many they are.
        Others are named like their columns.
    """

    trace_id: list[int]
    span_id: list[int]
    parent_id: list[int | None]
    name: list[str]
    kind: list[int]
    start_ns: list[int]
    end_ns: list[int]
    status: list[int]
    trace_state: list[str]
    op: list[str]
    is_segment: list[bool]
    is_late: list[bool]
    rate: list[float | None]
    rule: list[str | None]
    statement: list[str | None]
    has_repaired_times: list[bool]
    emitter: list[Emitter]
    details: Details
    attributes: list[Attribute]
    added: dict[int, dict[str, Any]]
    raw: pl.Series
    raw_bytes: list[int]

    def traces(self) -> list[range]:
        """The rows of each trace."""
        ids = self.trace_id
        starts = [row for row in range(len(ids)) if row == 0 or ids[row] != ids[row - 1]]
        return [range(first, last) for first, last in itertools.pairwise([*starts, len(ids)])]


def survivors(
    kept: Kept, emitters: Emitters, reader: AttributeReader, max_age_seconds: float
) -> tuple[Survivors, dict[str, int]]:
    """The spans of `kept` that can be sent, and how many cannot, by reason."""
    dropped: dict[str, int] = {}
    spans = _without(kept.spans, pl.all_horizontal(pl.col(schema.TRACE_ID, schema.SPAN_ID).is_not_null()))
    _count(dropped, DropReason.INVALID_ID, kept.spans.height - spans.height)
    in_time = repair_times(spans, kept.now, max_age_seconds)
    _count(dropped, DropReason.TIMESTAMP, spans.height - in_time.height)
    spans = _selected(in_time, kept.added)
    try:
        details = decode_details(spans[schema.RAW])
    except ValueError:
        decodable = spans.filter(pl.Series(readable(spans[schema.RAW]), dtype=pl.Boolean))
        _count(dropped, DropReason.UNREADABLE, spans.height - decodable.height)
        spans, details = decodable, decode_details(decodable[schema.RAW])
    return _as_lists(spans, details, kept, emitters, reader), dropped


def _selected(spans: pl.DataFrame, added: tuple[Column, ...]) -> pl.DataFrame:
    missing = [value.alias(name) for name, value in _OPTIONAL.items() if name not in spans.columns]
    place = [name for name in _PLACE if name in spans.columns]
    shown = [name for name in dict.fromkeys(column.name for column in added) if name in spans.columns]
    wanted = list(dict.fromkeys((*_WIRE, *_OTHERS, *place, *shown, REPAIRED_TIMES)))
    if missing:
        spans = spans.with_columns(missing)
    # One eager step after the other: planning them together costs a millisecond, and most exports are small.
    # Of spans that start together the longer one comes first: it is the parent.
    keys = [schema.TRACE_ID, "start_ns", "end_ns", schema.SPAN_ID, *place]
    spans = spans.select(wanted).sort(keys, descending=[key == "end_ns" for key in keys])
    return spans.with_columns(*_FILLED, pl.col(schema.RAW).bin.size().alias(_RAW_BYTES))


def _count(dropped: dict[str, int], reason: DropReason, spans: int) -> None:
    if spans:
        dropped[reason] = spans


def _without(spans: pl.DataFrame, usable: pl.Expr) -> pl.DataFrame:
    return spans if spans.select(usable.all()).item() else spans.filter(usable)


def _as_lists(
    spans: pl.DataFrame, details: Details, kept: Kept, emitters: Emitters, reader: AttributeReader
) -> Survivors:
    origin = spans[schema.ORIGIN].to_list()
    of_origin = {key: emitters.of(kept.origins.get(key, _NO_ORIGIN)) for key in set(origin)}
    return Survivors(
        trace_id=spans[schema.TRACE_ID].to_list(),
        span_id=spans[schema.SPAN_ID].to_list(),
        parent_id=spans[schema.PARENT_SPAN_ID].to_list(),
        name=spans["name"].to_list(),
        kind=spans["kind"].to_list(),
        start_ns=spans["start_ns"].to_list(),
        end_ns=spans["end_ns"].to_list(),
        status=spans["status"].to_list(),
        trace_state=spans["trace_state"].to_list(),
        op=spans["op"].to_list(),
        is_segment=spans["is_segment"].to_list(),
        is_late=spans[LATE].to_list(),
        rate=spans[SAMPLING_RATE].to_list(),
        rule=spans[SAMPLING_RULE].to_list(),
        statement=spans[NORMALIZED_STATEMENT].to_list(),
        has_repaired_times=spans[REPAIRED_TIMES].to_list(),
        emitter=list(map(of_origin.__getitem__, origin)),
        details=details,
        attributes=reader.read_all(details.distinct_attributes),
        added=_added_values(spans, kept.added),
        raw=spans[schema.RAW],
        raw_bytes=spans[_RAW_BYTES].to_list(),
    )


def _added_values(spans: pl.DataFrame, added: tuple[Column, ...]) -> dict[int, dict[str, Any]]:
    """Row -> added values; most spans have none, and most columns hold few."""
    values: dict[int, dict[str, Any]] = {}
    for name in dict.fromkeys(column.name for column in added):
        if name in _ELSEWHERE or name not in spans.columns:
            continue
        column = spans[name]
        if column.null_count() == len(column):
            continue
        present = _presentation(name, column.dtype)
        for row, value in enumerate(column.to_list()):
            if value is None:
                continue
            if row in values:
                values[row][name] = present(value)
            else:
                values[row] = {name: present(value)}
    return values


def _presentation(name: str, dtype: pl.DataType) -> Callable[[Any], Any]:
    """How a value of an added column is shown."""
    if dtype == pl.Boolean:
        return bool
    if dtype == pl.String:
        return str if name.startswith(_KNOWN_TO_SENTRY) else shield
    return scalar


def units(added: tuple[Column, ...]) -> Mapping[str, str]:
    """Added column -> its unit."""
    return {column.name: column.unit for column in added}
