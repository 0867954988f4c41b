"""The columns of a batch of spans, one row a span.

A batch is one `polars.DataFrame`. Ids are integers rather than bytes or hex text, because grouping, joining and sorting
by them is two to three times cheaper; an exporter takes the ids it writes from the raw span. Columns that hold
attributes carry the OpenTelemetry name of the concept (`db.query.text`) and exist only where a component reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl
from polars.datatypes import DataTypeClass

DType = pl.DataType | DataTypeClass


@dataclass(frozen=True, slots=True)
class Column:
    """One documented column: its name, type, unit ("" when it has none) and what it says."""

    name: str
    dtype: DType
    unit: str
    meaning: str


Where = Literal["span", "resource"]


@dataclass(frozen=True, slots=True)
class Source:
    """One attribute that may hold a concept; `scale` turns its unit into the concept's."""

    key: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Concept:
    """One meaning that instrumentations spell differently, and the column that carries it.

    Attributes:
        name: the column's name: the current OpenTelemetry (else Sentry) name of the attribute.
        dtype: String, Int64, Float64 or Boolean.
        unit: "" when it has none.
        meaning: for the documentation.
        sources: attribute names in order of preference.
        where: whether they are attributes of the span or of its resource.
        minimum: numbers below it are absent, not wrong: token counts of -1 mean "unknown".
    """

    name: str
    dtype: DType
    unit: str
    meaning: str
    sources: tuple[Source, ...]
    where: Where = "span"
    minimum: float | None = None


TRACE_ID = "trace_id"
SPAN_ID = "span_id"
PARENT_SPAN_ID = "parent_span_id"
RAW = "raw"
ORIGIN = "origin"
RECORD = "record"
POSITION = "position"

WIRE_COLUMNS: tuple[Column, ...] = (
    Column(RECORD, pl.UInt64, "", "sequence number of the log record that holds the span"),
    Column(
        POSITION,
        pl.UInt32,
        "",
        "place of the span within its record: (record, position) names a span once and for all",
    ),
    Column(TRACE_ID, pl.UInt128, "", "trace id, big-endian; never 0"),
    Column(SPAN_ID, pl.UInt64, "", "span id, big-endian; never 0"),
    Column(PARENT_SPAN_ID, pl.UInt64, "", "parent span id; null for a root"),
    Column("name", pl.String, "", "span name"),
    Column("kind", pl.Int8, "", "0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer"),
    Column("start_ns", pl.Int64, "ns", "start, nanoseconds since the epoch"),
    Column("end_ns", pl.Int64, "ns", "end, nanoseconds since the epoch"),
    Column("status", pl.Int8, "", "0 unset, 1 ok, 2 error"),
    Column(
        "flags",
        pl.UInt32,
        "",
        "W3C trace flags in bits 0-7; bit 8: bit 9 is known; bit 9: the parent is remote",
    ),
    Column("trace_state", pl.String, "", "W3C tracestate; empty when there is none"),
    Column(ORIGIN, pl.UInt64, "", "key of the resource and scope in `Batch.origins`"),
    Column(RAW, pl.Binary, "", "the protobuf bytes of the span as received: what an exporter reads"),
)

STATUS_ERROR = 2  # of the column `status`

DERIVED_COLUMNS: tuple[Column, ...] = (
    Column("duration_ms", pl.Float64, "ms", "end - start; 0 where the end lies before the start"),
    Column("is_segment", pl.Boolean, "", "local root: no parent, or a parent in another process"),
    Column("op", pl.String, "", "operation category as Sentry names it: http.server, db, gen_ai.chat ..."),
    Column("service", pl.String, "", "resource service.name"),
    Column("environment", pl.String, "", "resource deployment.environment.name"),
    Column("release", pl.String, "", "resource service.version"),
)
