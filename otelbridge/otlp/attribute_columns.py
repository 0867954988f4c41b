"""Columns from span attributes: each concept that is asked for, from whichever attribute holds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from otelbridge.core import schema
from otelbridge.core.arrays import Array, Items, column, items, nulls
from otelbridge.core.schema import Concept
from otelbridge.otlp.decode import DecodedSpans

NOWHERE = -1
MAX_KEY_SETS_REMEMBERED = 256  # which keys occur together differs little from batch to batch
LARGEST_EXACT_INTEGER = 2**53  # beyond it a double no longer names one integer

_Conversion = tuple[float, float | None]
"""How values become a concept's beside their type: scale and minimum."""


@dataclass(frozen=True, slots=True)
class _Round:
    """Sources that are read at once: at most one of each concept, and each attribute for one concept."""

    conversion: _Conversion
    slot_of_code: Array  # of the concept that this attribute holds, NOWHERE when it holds none


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the concepts of one type are read when certain attributes are present.

    Attributes:
        slots: concepts that have a source among them, by name.
        rounds: what a later round finds replaces what an earlier one found.
        codes: attributes read, by conversion: one item a code and one more for those that nobody reads.
    """

    dtype: schema.DType
    slots: dict[str, int]
    rounds: list[_Round]
    codes: dict[_Conversion, Array]


class AttributeColumns:
    """Turns attributes, one row each, into columns, one row a span.

    Everything is done on numbers that stand for attributes and their distinct values; a concept's column is then one
    look-up of values. Which keys occur differs little from batch to batch, so that the plan is made once for a set.
    """

    def __init__(self, concepts: list[Concept]) -> None:
        self._concepts = concepts
        keys = sorted({source.key for concept in concepts for source in concept.sources})
        self._codes = {key: code for code, key in enumerate(keys)}
        self._keys = pa.array(keys, pa.string())
        self._plans: dict[bytes, list[_Plan]] = {}

    def columns(self, decoded: DecodedSpans, unusable: Counter[str]) -> list[pl.Series]:
        """One column a concept; what cannot be read is counted by attribute name."""
        found = _Found(decoded, self._keys)
        made: dict[str, pl.Series] = {}
        for plan in self._plans_for(found.is_present):
            made |= found.columns(plan)
        for code, count in enumerate(found.unusable.tolist()):
            if count:
                unusable[self._keys[code].as_py()] += count
        return [
            made[concept.name] if concept.name in made else nulls(concept.name, concept.dtype, decoded.spans)
            for concept in self._concepts
        ]

    def _plans_for(self, is_present: Array) -> list[_Plan]:
        present = is_present.tobytes()
        plans = self._plans.get(present)
        if plans is None:
            if len(self._plans) >= MAX_KEY_SETS_REMEMBERED:
                self._plans.clear()
            by_dtype: dict[schema.DType, list[Concept]] = {}
            for concept in self._concepts:
                if any(is_present[self._codes[source.key]] for source in concept.sources):
                    by_dtype.setdefault(concept.dtype, []).append(concept)
            plans = [self._plan(dtype, concepts, is_present) for dtype, concepts in by_dtype.items()]
            self._plans[present] = plans
        return plans

    def _plan(self, dtype: schema.DType, concepts: list[Concept], is_present: Array) -> _Plan:
        rounds: dict[tuple[int, _Conversion], Array] = {}
        codes: dict[_Conversion, Array] = {}
        for slot, concept in enumerate(concepts):
            rank = 0
            for source in reversed(concept.sources):  # the preferred one last, so that it stays
                code = self._codes[source.key]
                if is_present[code]:
                    conversion = (source.scale, concept.minimum)
                    codes.setdefault(conversion, np.zeros(len(self._codes) + 1, np.bool_))[code] = True
                    while self._round(rounds, rank, conversion)[code] != NOWHERE:
                        rank += 1
                    rounds[rank, conversion][code] = slot
                    rank += 1
        slots = {concept.name: slot for slot, concept in enumerate(concepts)}
        ranked = sorted(rounds.items(), key=lambda item: item[0][0])
        return _Plan(dtype, slots, [_Round(conversion, of_code) for (_, conversion), of_code in ranked], codes)

    def _round(self, rounds: dict[tuple[int, _Conversion], Array], rank: int, conversion: _Conversion) -> Array:
        return rounds.setdefault((rank, conversion), np.full(len(self._codes), NOWHERE, np.int64))


class _Found:
    """The attributes of a group of requests whose keys are read, by number: key code, span, distinct value.

    Attributes:
        is_present: one item a code.
        unusable: attributes whose value cannot be read, by code.
    """

    def __init__(self, decoded: DecodedSpans, keys: pa.Array) -> None:
        code_of_distinct = pc.index_in(decoded.distinct_attributes.column("key"), value_set=keys)
        self._code_of_distinct: Array = code_of_distinct.fill_null(NOWHERE).to_numpy()
        self._values = decoded.distinct_attributes.column("value")
        self._spans = decoded.spans
        distinct = decoded.attributes.to_numpy()
        code = self._code_of_distinct[distinct]
        wanted = np.flatnonzero(code >= 0)
        self._code = code[wanted]
        self._distinct = distinct[wanted]
        self._span = decoded.attribute_spans.to_numpy()[wanted]
        self.is_present: Array = np.bincount(self._code, minlength=len(keys)) > 0
        self.unusable = np.zeros(len(keys), np.int64)

    def columns(self, plan: _Plan) -> dict[str, pl.Series]:
        """The columns of the concepts in the plan."""
        spans = self._spans
        values, places = self._converted(plan)
        place = np.zeros(len(plan.slots) * spans, np.int32)
        is_present = np.zeros(len(place), np.bool_)
        for one in plan.rounds:
            slot = one.slot_of_code[self._code]
            found = places[one.conversion][self._distinct]
            here = np.flatnonzero((slot != NOWHERE) & (found != NOWHERE))
            at = slot[here] * spans + self._span[here]
            place[at] = found[here]
            is_present[at] = True
        rows = {name: slice(slot * spans, (slot + 1) * spans) for name, slot in plan.slots.items()}
        return {
            name: column(name, plan.dtype, values[place[row]], is_present[row])
            if is_present[row].any()
            else nulls(name, plan.dtype, spans)
            for name, row in rows.items()
        }

    def _converted(self, plan: _Plan) -> tuple[Items, dict[_Conversion, Array]]:
        """Distinct values as the concepts want them, and by conversion: the place of each, NOWHERE for the unusable.

        Only distinct values of keys that are read are converted and held on to: the columns of a batch in the trace
        buffer must not pin prompts that nobody reads.
        """
        parts: list[pl.Series] = []
        places: dict[_Conversion, Array] = {}
        start = 0
        for (scale, minimum), is_read in plan.codes.items():
            mine = np.flatnonzero(is_read[self._code_of_distinct])
            values = as_type(self._values, mine, plan.dtype)
            if values.has_nulls():
                self._count_unusable(mine[values.is_null().to_numpy()])
            if scale != 1.0:
                values = values * scale
            if minimum is not None:
                values = values.set(values < minimum, None)
            usable = values.is_not_null().to_numpy()
            place = places[scale, minimum] = np.full(len(self._code_of_distinct), NOWHERE, np.int32)
            place[mine[usable]] = start + np.flatnonzero(usable)
            parts.append(values)
            start += len(values)
        return items(pl.concat(parts)), places

    def _count_unusable(self, distinct: Array) -> None:
        is_unusable = np.zeros(len(self._code_of_distinct), np.bool_)
        is_unusable[distinct] = True
        self.unusable += np.bincount(self._code[is_unusable[self._distinct]], minlength=len(self.unusable))


def as_type(value: pa.StructArray, distinct: Array, dtype: schema.DType) -> pl.Series:
    """Attribute values as one type; null where there is no harmless conversion. "" and NaN count as absent."""
    places = pa.array(distinct)

    def of(kind: str) -> pl.Series:
        return pl.Series(kind, value.field(f"{kind}_value").take(places))

    if dtype == pl.String:
        strings = of("string")
        if not strings.has_nulls() and strings.str.len_bytes().min() != 0:
            return strings  # nearly always: what is asked for as text is text
    if dtype == pl.Int64:
        integers = of("int")
        if not integers.has_nulls():
            return integers
    values = pl.DataFrame([of(kind) for kind in ("string", "bool", "int", "double")])
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
        pl.String: pl.coalesce(text, *(item.cast(pl.String) for item in (pl.col("int"), double, pl.col("bool")))),
        pl.Boolean: pl.coalesce(
            "bool", pl.when(word.is_in(["true", "false"])).then(word == "true"), pl.col("int") != 0
        ),
        pl.Float64: pl.coalesce(double, pl.col("int").cast(pl.Float64), parsed),
        pl.Int64: pl.coalesce("int", whole.cast(pl.Int64)),
    }


_CONVERSIONS = _conversions()
