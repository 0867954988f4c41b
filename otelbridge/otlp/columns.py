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
import polars as pl

from otelbridge.core import schema
from otelbridge.core.batch import Origin
from otelbridge.core.schema import Concept, Source
from otelbridge.otlp.attribute_columns import AttributeColumns
from otelbridge.otlp.decode import DecodedSpans
from otelbridge.otlp.resource_columns import ResourceColumns
from otelbridge.otlp.wire_columns import wire_columns

ATTRIBUTE_PREFIX = "attribute:"
RESOURCE_PREFIX = "resource:"


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
        self._attributes = AttributeColumns([concept for concept in concepts if concept.where == "span"])

    def extract(self, decoded: DecodedSpans) -> Extracted:
        """One row a span, in order; a span whose trace or span id is unusable has null there."""
        unusable: Counter[str] = Counter()
        keys = [hash(scope) & 0xFFFF_FFFF_FFFF_FFFF for scope in decoded.scopes]  # Python's keyed hash of the bytes
        of_scope = pl.DataFrame([pl.Series(schema.ORIGIN, keys, pl.UInt64), *self._resources.columns(decoded.scopes)])
        columns = [
            *wire_columns(decoded),
            *_repeat_rows(of_scope, decoded.spans_per_scope),
            *self._attributes.columns(decoded, unusable),
        ]
        return Extracted(pl.DataFrame(columns), dict(zip(keys, decoded.scopes, strict=True)), unusable)

    def with_resource_columns(self, spans: pl.DataFrame, origins: Mapping[int, Origin]) -> pl.DataFrame:
        """The resource concepts' columns, for spans that have an `origin` but not those columns."""
        of_origin = pl.DataFrame(
            [pl.Series(schema.ORIGIN, list(origins), pl.UInt64), *self._resources.columns(list(origins.values()))]
        )
        return spans.join(of_origin, on=schema.ORIGIN, how="left", maintain_order="left")


def _repeat_rows(frame: pl.DataFrame, counts: list[int]) -> list[pl.Series]:
    return frame[pl.Series(np.repeat(np.arange(frame.height, dtype=np.uint32), counts))].get_columns()
