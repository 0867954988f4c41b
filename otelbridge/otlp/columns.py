"""Decoded spans -> one frame of columns: the wire's own fields, and one column for each concept that is asked for.

What a component reads decides what is extracted; attributes that nobody reads stay in the raw span. Everything here
works on whole columns. Values of an unexpected type are converted where that is harmless (numbers in text, integers
where a float is meant); where it is not they are absent, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from otelbridge.core import schema
from otelbridge.core.batch import Origin
from otelbridge.core.schema import Concept, Source
from otelbridge.otlp.decode import DecodedSpans
from otelbridge.otlp.resource_columns import ResourceColumns

_Integers = npt.NDArray[np.integer]

ATTRIBUTE_PREFIX = "attribute:"
RESOURCE_PREFIX = "resource:"
MAX_KEY_SETS_REMEMBERED = 256  # which keys occur together differs little from batch to batch
LARGEST_EXACT_INTEGER = 2**53  # beyond it a double no longer names one integer


@dataclass(frozen=True, slots=True)
class Extracted:
    """A frame with the wire columns and the concepts asked for.

    Attributes:
        spans: wire columns of `core.schema` but `record` and `position`, plus one column per concept.
        origins: key in the `origin` column -> resource and scope.
        unusable: attributes that held a concept in a type it cannot be read from, by attribute name.
    """

    spans: pl.DataFrame
    origins: dict[int, Origin]
    unusable: Counter[str]


def arbitrary_concept(column: str) -> Concept | None:
    """The concept behind `attribute:KEY` or `resource:KEY`, as conditions name attributes that have no column."""
    if column.startswith(ATTRIBUTE_PREFIX):
        key = column.removeprefix(ATTRIBUTE_PREFIX)
        return Concept(column, pl.String, "", f"span attribute {key}", (Source(key),))
    if column.startswith(RESOURCE_PREFIX):
        key = column.removeprefix(RESOURCE_PREFIX)
        return Concept(column, pl.String, "", f"resource attribute {key}", (Source(key),), "resource")
    return None


class ColumnExtractor:
    """Makes frames with a fixed set of concept columns.

    Every concept has its column in every frame, with nulls where no span carries it.
    """

    def __init__(self, concepts: Iterable[Concept]) -> None:
        concepts = tuple(concepts)
        self._resources = ResourceColumns([concept for concept in concepts if concept.where == "resource"])
        self._attributes = _AttributeColumns([concept for concept in concepts if concept.where == "span"])

    def extract(self, decoded: DecodedSpans) -> Extracted:
        """One row a span, in order; a span whose trace or span id is unusable has null there."""
        unusable: Counter[str] = Counter()
        keys = [hash(scope) & 0xFFFF_FFFF_FFFF_FFFF for scope in decoded.scopes]  # Python's keyed hash of the bytes
        of_scope = pl.DataFrame([pl.Series(schema.ORIGIN, keys, pl.UInt64), *self._resources.columns(decoded.scopes)])
        sources, expressions = self._attributes.read(decoded, unusable)
        # Apart: columns that are imported together keep each other in memory, and `raw` stays for long.
        wire = pl.DataFrame(decoded.fields).with_columns(pl.Series(schema.RAW, decoded.raw))
        columns = [*wire.get_columns(), *_repeat_rows(of_scope, decoded.spans_per_scope), *sources]
        spans = pl.DataFrame(columns).select(*_WIRE, *of_scope.columns, *expressions)
        return Extracted(spans, dict(zip(keys, decoded.scopes, strict=True)), unusable)

    def with_resource_columns(self, spans: pl.DataFrame, origins: Mapping[int, Origin]) -> pl.DataFrame:
        """The resource concepts' columns, for spans that have an `origin` but not those columns."""
        of_origin = pl.DataFrame(
            [pl.Series(schema.ORIGIN, list(origins), pl.UInt64), *self._resources.columns(list(origins.values()))]
        )
        return spans.join(of_origin, on=schema.ORIGIN, how="left", maintain_order="left")


def _integer_id(name: str, length: int, dtype: schema.DType) -> pl.Expr:
    as_bytes = pl.when(pl.col(name).bin.size() == length).then(pl.col(name))
    number = as_bytes.bin.reinterpret(dtype=dtype, endianness="big")
    return pl.when(number != 0).then(number).alias(name)


def _nanoseconds(name: str, column: str) -> pl.Expr:
    return pl.col(name).clip(upper_bound=2**63 - 1).cast(pl.Int64).alias(column)


_WIRE = (
    _integer_id(schema.TRACE_ID, 16, pl.UInt128),
    _integer_id(schema.SPAN_ID, 8, pl.UInt64),
    _integer_id(schema.PARENT_SPAN_ID, 8, pl.UInt64),
    pl.col("name"),
    pl.col("kind").clip(0, 5).cast(pl.Int8),
    _nanoseconds("start_time_unix_nano", "start_ns"),
    _nanoseconds("end_time_unix_nano", "end_ns"),
    pl.col("status").struct.field("code").fill_null(0).clip(0, 2).cast(pl.Int8).alias("status"),
    pl.col("flags"),
    pl.col("trace_state"),
    pl.col(schema.RAW),
)


def _repeat_rows(frame: pl.DataFrame, counts: list[int]) -> list[pl.Series]:
    return frame[pl.Series(np.repeat(np.arange(frame.height, dtype=np.uint32), counts))].get_columns()


@dataclass(frozen=True, slots=True)
class _Read:
    """One source of one concept: which attribute (as a code), and the column that holds its values as read."""

    code: int
    dtype: schema.DType
    column: str
    key: str


class _AttributeColumns:
    """Turns attributes, one row each, into columns, one row a span.

    All keys go through one scatter, and one gather per type, because a polars call costs some 50 us however little it
    does and there are a hundred keys. Expressions are built once for each set of keys that is met.
    """

    def __init__(self, concepts: list[Concept]) -> None:
        self._concepts = concepts
        keys = sorted({source.key for concept in concepts for source in concept.sources})
        codes = {key: code for code, key in enumerate(keys)}
        self._keys = pa.array(keys, pa.string())
        self._reads = [
            _Read(codes[source.key], concept.dtype, _source_column(concept, source), source.key)
            for concept in concepts
            for source in concept.sources
        ]
        self._absent = {concept.name: pl.lit(None, dtype=concept.dtype).alias(concept.name) for concept in concepts}
        self._expressions: dict[frozenset[int], list[pl.Expr]] = {}

    def read(self, decoded: DecodedSpans, unusable: Counter[str]) -> tuple[list[pl.Series], list[pl.Expr]]:
        """One column a source that is present, and the expressions that make concepts of them."""
        found = _Found(decoded, self._keys)
        by_dtype: dict[schema.DType, list[_Read]] = {}
        for read in self._reads:
            if found.counts[read.code]:
                by_dtype.setdefault(read.dtype, []).append(read)
        sources = []
        for dtype, reads in by_dtype.items():
            for read, column in zip(reads, found.columns(reads, dtype), strict=True):
                sources.append(column)
                lost = found.counts[read.code] - (decoded.spans - column.null_count())
                if lost > 0:
                    unusable[read.key] += lost
        present = frozenset(code for code, count in enumerate(found.counts) if count)
        return sources, self._expressions_for(present)

    def _expressions_for(self, present: frozenset[int]) -> list[pl.Expr]:
        expressions = self._expressions.get(present)
        if expressions is None:
            if len(self._expressions) >= MAX_KEY_SETS_REMEMBERED:
                self._expressions.clear()
            columns = {read.column for read in self._reads if read.code in present}
            expressions = [self._expression(concept, columns) for concept in self._concepts]
            self._expressions[present] = expressions
        return expressions

    def _expression(self, concept: Concept, present: set[str]) -> pl.Expr:
        candidates = []
        for source in concept.sources:
            name = _source_column(concept, source)
            if name in present:
                value = pl.col(name) if source.scale == 1.0 else pl.col(name) * source.scale
                if concept.minimum is not None:
                    value = pl.when(value >= concept.minimum).then(value)
                candidates.append(value)
        if not candidates:
            return self._absent[concept.name]
        return (pl.coalesce(candidates) if len(candidates) > 1 else candidates[0]).alias(concept.name)


def _source_column(concept: Concept, source: Source) -> str:
    return f"{concept.name} <- {source.key}"


class _Found:
    """The attributes of a group of requests whose keys are read, by number: key code, span, distinct value."""

    def __init__(self, decoded: DecodedSpans, keys: pa.Array) -> None:
        code_of_distinct = pc.index_in(decoded.distinct_attributes.column("key"), value_set=keys)
        self._code_of_distinct: _Integers = code_of_distinct.fill_null(-1).to_numpy()
        self._values = decoded.distinct_attributes.column("value")
        self._spans = decoded.spans
        distinct = decoded.attributes.to_numpy()
        code = self._code_of_distinct[distinct]
        wanted = np.flatnonzero(code >= 0)
        self._code = code[wanted]
        self._distinct = distinct[wanted]
        self._span = decoded.attribute_spans.to_numpy()[wanted]
        self._codes = len(keys)
        self.counts: list[int] = np.bincount(self._code, minlength=self._codes).tolist()

    def columns(self, reads: list[_Read], dtype: schema.DType) -> list[pl.Series]:
        """One column a read: its attribute's value on each span, null on spans that lack the attribute.

        Only distinct values of these keys are converted and held on to: the columns of a batch in the trace buffer must
        not pin prompts that nobody reads.
        """
        spans = self._spans
        first_slot = np.full(self._codes, -1, np.int64)
        for slot, read in enumerate(reads):
            first_slot[read.code] = slot * spans
        mine = np.flatnonzero((first_slot[self._code_of_distinct] >= 0) & (self._code_of_distinct >= 0))
        values = _typed(self._values.take(pa.array(mine)), dtype)
        absent = len(values)
        place = np.full(len(self._code_of_distinct), absent, np.int32)
        place[mine] = np.arange(absent, dtype=np.int32)

        start = first_slot[self._code]
        here = np.flatnonzero(start >= 0)
        index = np.full(len(reads) * spans, absent, np.int32)
        index[start[here] + self._span[here]] = place[self._distinct[here]]
        spread = pl.DataFrame([values.extend_constant(None, 1)])[pl.Series(index)].to_series()
        return [spread.slice(int(first_slot[read.code]), spans).alias(read.column) for read in reads]


def _typed(value: pa.StructArray, dtype: schema.DType) -> pl.Series:
    """Attribute values as one type; null where there is no harmless conversion. "" and NaN count as absent."""
    strings = pl.Series("string", value.field("string_value"))
    integers = pl.Series("integer", value.field("int_value"))
    if dtype == pl.String and not strings.has_nulls() and strings.str.len_bytes().min() != 0:
        return strings  # nearly always: what is asked for as text is text
    if dtype == pl.Int64 and not integers.has_nulls():
        return integers
    booleans = pl.Series("boolean", value.field("bool_value"))
    values = pl.DataFrame([strings, booleans, integers, pl.Series("double", value.field("double_value"))])
    return values.select(_CONVERSIONS[type(dtype) if isinstance(dtype, pl.DataType) else dtype]).to_series()


def _conversions() -> dict[object, pl.Expr]:
    double = pl.when(pl.col("double").is_finite()).then(pl.col("double"))
    parsed = pl.col("string").str.strip_chars().cast(pl.Float64, strict=False)
    parsed = pl.when(parsed.is_finite()).then(parsed)
    text = pl.when(pl.col("string") != "").then(pl.col("string"))
    word = pl.col("string").str.to_lowercase()
    whole = pl.coalesce(double, parsed)
    whole = pl.when(whole.abs() <= LARGEST_EXACT_INTEGER).then(whole)
    return {
        pl.String: pl.coalesce(
            text, *(item.cast(pl.String) for item in (pl.col("integer"), double, pl.col("boolean")))
        ),
        pl.Boolean: pl.coalesce(
            "boolean", pl.when(word.is_in(["true", "false"])).then(word == "true"), pl.col("integer") != 0
        ),
        pl.Float64: pl.coalesce(double, pl.col("integer").cast(pl.Float64), parsed),
        pl.Int64: pl.coalesce("integer", whole.cast(pl.Int64)),
    }


_CONVERSIONS = _conversions()
