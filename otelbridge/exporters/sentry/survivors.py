"""The spans of one export, one row a span, sorted by trace and start: what the rest of the encoder works on.

Whatever can be done for all spans at once is done on columns; lists are for those who look at single spans.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.analysis.grouping import as_index
from otelbridge.core import schema
from otelbridge.core.batch import Origin
from otelbridge.core.component import Kept
from otelbridge.core.outcomes import DropReason
from otelbridge.core.schema import Column
from otelbridge.exporters.sentry.added import AddedColumn, added_columns
from otelbridge.exporters.sentry.attributes import AttributeReader, Attributes
from otelbridge.exporters.sentry.fragments import Rows, arrow
from otelbridge.exporters.sentry.repair import REPAIRED_TIMES, repair_times
from otelbridge.exporters.sentry.resources import Emitter, Emitters
from otelbridge.exporters.sentry.wire import Details, decode_details, readable
from otelbridge.semconv.derived import PARENT_IS_KNOWN_REMOTE

NORMALIZED_STATEMENT = "db.query.normalized"
SAMPLING_RATE = "sampling.rate"
SAMPLING_RULE = "sampling.rule"
LATE = "late"

_ELSEWHERE = frozenset({NORMALIZED_STATEMENT, SAMPLING_RATE, SAMPLING_RULE, LATE})  # said in a place of their own
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
_FILLED: dict[str, str | int | bool] = {
    "name": "",
    "trace_state": "",
    "kind": 0,
    "status": 0,
    schema.PARENT_SPAN_ID: 0,
    "op": "default",
    "is_segment": False,
    LATE: False,
}
_PLACE = (schema.RECORD, schema.POSITION)


@dataclass(frozen=True)
class Survivors:
    """The spans of one export.

    Attributes:
        frame: wire columns, `_OPTIONAL` ones and `_repaired_times`, without nulls but in statement, rate and rule; a
            parent_span_id of 0 is none.
        details: what else their bytes say.
        attributes: what the indices in `details.attributes` stand for.
        added: columns for the reader of the trace.
        emitters: the distinct ones.
        emitter_index: which of them a row has.
    """

    frame: pl.DataFrame
    details: Details
    attributes: Attributes
    added: list[AddedColumn]
    emitters: list[Emitter]
    emitter_index: Rows

    @property
    def height(self) -> int:
        """How many there are."""
        return self.frame.height

    # for those who look at single spans

    @cached_property
    def emitter(self) -> list[Emitter]:
        """Who emitted it, by row; so are all that follow."""
        return list(map(self.emitters.__getitem__, self.emitter_index.tolist()))

    @cached_property
    def trace_id(self) -> list[int]:
        """Never 0."""
        return self.frame[schema.TRACE_ID].to_list()

    @cached_property
    def span_id(self) -> list[int]:
        """Never 0."""
        return self.frame[schema.SPAN_ID].to_list()

    @cached_property
    def parent_id(self) -> list[int]:
        """0 where there is none."""
        return self.frame[schema.PARENT_SPAN_ID].to_list()

    @cached_property
    def name(self) -> list[str]:
        """Span names."""
        return self.frame["name"].to_list()

    @cached_property
    def kind(self) -> list[int]:
        """Span kinds."""
        return self.frame["kind"].to_list()

    @cached_property
    def start_ns(self) -> list[int]:
        """Starts, put right."""
        return self.frame["start_ns"].to_list()

    @cached_property
    def end_ns(self) -> list[int]:
        """Ends, put right."""
        return self.frame["end_ns"].to_list()

    @cached_property
    def status(self) -> list[int]:
        """0, 1 or 2."""
        return self.frame["status"].to_list()

    @cached_property
    def op(self) -> list[str]:
        """As it was derived; see `SpanMapper` for the one that is sent."""
        return self.frame["op"].to_list()

    @cached_property
    def is_segment(self) -> list[bool]:
        """Whether it is known to be a local root."""
        return self.frame["is_segment"].to_list()

    @cached_property
    def has_repaired_times(self) -> npt.NDArray[np.bool_]:
        """Whether times were put right."""
        return self.frame[REPAIRED_TIMES].to_numpy()

    @cached_property
    def traces(self) -> list[range]:
        """The rows of each trace."""
        return [range(first, last) for first, last in itertools.pairwise([*self._starts.tolist(), self.height])]

    @cached_property
    def _starts(self) -> Rows:
        """The first row of each trace."""
        return np.flatnonzero(_begins(self.frame[schema.TRACE_ID]))

    @cached_property
    def trace_hex(self) -> list[str]:
        """Ids of the traces, in hexadecimal."""
        return [f"{trace_id:032x}" for trace_id in self.frame[schema.TRACE_ID][as_index(self._starts)].to_list()]

    @cached_property
    def trace_index(self) -> Rows:
        """By row, its trace's place in `traces`."""
        return np.repeat(np.arange(len(self._starts)), np.diff(self._starts, append=self.height))


def survivors(
    kept: Kept, emitters: Emitters, reader: AttributeReader, max_age_seconds: float
) -> tuple[Survivors, dict[str, int]]:
    """The spans of `kept` that can be sent, and how many cannot, by reason."""
    dropped: dict[str, int] = {}
    spans = kept.spans
    if spans[schema.TRACE_ID].null_count() or spans[schema.SPAN_ID].null_count():
        spans = spans.drop_nulls((schema.TRACE_ID, schema.SPAN_ID))
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
    origins = arrow(spans[schema.ORIGIN]).dictionary_encode()
    made = Survivors(
        frame=spans,
        details=details,
        attributes=reader.read_all(details.distinct_attributes),
        added=added_columns(spans, kept.added, _ELSEWHERE),
        emitters=[emitters.of(kept.origins.get(key, _NO_ORIGIN)) for key in origins.dictionary.to_pylist()],
        emitter_index=origins.indices.to_numpy().astype(np.int64),
    )
    return made, dropped


def _selected(spans: pl.DataFrame, added: tuple[Column, ...]) -> pl.DataFrame:
    """What is needed of the spans, sorted. Without queries: planning one costs a tenth of what a small export does."""
    there = set(spans.columns)
    missing = [value.alias(name) for name, value in _OPTIONAL.items() if name not in there]
    shown = [column.name for column in added if column.name in there]
    shown = [name for name in shown if spans[name].null_count() < spans.height]
    if missing:
        spans = spans.with_columns(missing)
    wanted = list(dict.fromkeys((*_WIRE, *_OTHERS, *shown, REPAIRED_TIMES)))
    place = [name for name in _PLACE if name in there]
    selected = spans[wanted][as_index(_order(spans, place))]
    for name, value in _FILLED.items():
        if (column := selected[name]).has_nulls():
            selected.replace_column(wanted.index(name), column.fill_null(value))
    return selected


def _order(spans: pl.DataFrame, place: Sequence[str]) -> Rows:
    """Rows by trace and start; of spans that start together the longer one comes first: it is the parent."""
    ids = spans[schema.TRACE_ID]
    by_id = ids.arg_sort()
    begins = _begins(ids[by_id])
    trace = np.empty(len(ids), np.int64)
    trace[by_id.to_numpy()] = np.cumsum(begins)
    start = spans["start_ns"].to_numpy()
    order = np.lexsort((start, trace))
    start_of, trace_of = start[order], trace[order]
    if ((start_of[1:] == start_of[:-1]) & (trace_of[1:] == trace_of[:-1])).any():
        further = [spans[name].to_numpy() for name in (schema.SPAN_ID, *place)]
        order = np.lexsort((*reversed(further), -spans["end_ns"].to_numpy(), start, trace))
    return order


def _begins(ids: pl.Series) -> npt.NDArray[np.bool_]:
    """Which of the ids differ from the one before them."""
    begins = np.ones(len(ids), np.bool_)
    if len(ids) > 1:
        begins[1:] = (ids[1:] != ids[:-1]).to_numpy()
    return begins


def _count(dropped: dict[str, int], reason: DropReason, spans: int) -> None:
    if spans:
        dropped[reason] = spans
