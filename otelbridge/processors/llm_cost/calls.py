"""What one span alone says of a model call: its role, its counts and what it would cost.

Nothing here knows other spans: whether the call is billed is decided when its trace is whole (`billing`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.analysis.frames import with_series
from otelbridge.analysis.grouping import as_index
from otelbridge.analysis.prices import TIME_SLOT_SECONDS, PriceBook
from otelbridge.core.arrays import nulls
from otelbridge.processors.llm_cost import provider_metadata
from otelbridge.processors.llm_cost.arrays import Booleans, Floats, present_columns
from otelbridge.processors.llm_cost.identities import Identified, Identities
from otelbridge.processors.llm_cost.provider_metadata import Said
from otelbridge.processors.llm_cost.records import RECORD, Status, no_records, spread
from otelbridge.processors.llm_cost.usage import (
    Costs,
    Counts,
    Hints,
    costs,
    first_known,
    made_inclusive,
    without_impossible,
)
from otelbridge.semconv.classify import COST_REPORT_NAME, Role

RESPONSE_ID = "gen_ai.response.id"

_COUNTS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.total_tokens",
    "ai.usage.inputTokenDetails.noCacheTokens",
)
_UNCACHED = len(_COUNTS) - 1
_REPORTED_USD = "gen_ai.cost.total_tokens"
_WORDS = {
    "operation_id": "ai.operationId",
    "operation_name": "gen_ai.operation.name",
    "openinference_kind": "openinference.span.kind",
    "request_type": "llm.request.type",
    "provider": "gen_ai.provider.name",
    "response_model": "gen_ai.response.model",
    "request_model": "gen_ai.request.model",
    "host": "server.address",
    "user_agent": "ai.request.headers.user-agent",
    "tier": "gen_ai.openai.request.service_tier",
}
"""Field of `identities.Words` -> the concept's column."""

_KINDS = ("ai.operationId", "gen_ai.operation.name", "openinference.span.kind", "llm.request.type")
_METADATA = "ai.response.providerMetadata"
_SIGNALS = (*_KINDS, *_COUNTS, _REPORTED_USD)
"""A span without any of these has nothing to do with a model."""

_OTHER_READS = (RESPONSE_ID, _METADATA, *(name for name in _WORDS.values() if name not in _SIGNALS))
_OF_EVERY_SPAN = ("name", "end_ns")
READS = frozenset((*_SIGNALS, *_OTHER_READS, *_OF_EVERY_SPAN))
"""Columns that `describe` needs."""

LARGEST_REPORTED_USD = 1e6  # for one call; more is no amount


class CallReader:
    """Describes calls in batches of spans."""

    def __init__(self, prices: PriceBook, *, prefer_reported: bool) -> None:
        self._identities = Identities(prices)
        self._prefer_reported = prefer_reported

    def describe(self, spans: pl.DataFrame) -> pl.DataFrame:
        """The spans with `llm.role`: UInt8 (see `Role`) and `llm.call`: CALL_DTYPE."""
        signals = present_columns(spans, _SIGNALS)
        if not signals:
            return with_series(spans, no_records(spans.height))
        is_candidate = pl.any_horizontal(pl.col([column.name for column in signals]).is_not_null())
        rows = np.flatnonzero(spans.select(is_candidate).to_series().to_numpy())
        others = [*present_columns(spans, _OTHER_READS), *(spans[name] for name in _OF_EVERY_SPAN)]
        index = as_index(rows)
        candidates = pl.DataFrame([column[index] for column in (*signals, *others)])
        role, records = self._calls(candidates)
        is_part = role != Role.NONE
        if not is_part.all():
            rows, role, records = rows[is_part], role[is_part], records.filter(pa.array(is_part))
        return with_series(spans, spread(rows, role, records, spans.height))

    def _calls(self, candidates: pl.DataFrame) -> tuple[npt.NDArray[np.uint8], pa.StructArray]:
        """The role of each candidate, and a struct with the fields of RECORD."""
        numbers = _numbers(candidates)
        said, tiers = _metadata(candidates, numbers[:, _UNCACHED])
        identified = self._identities.identify(_words(candidates, tiers, numbers))
        counts = made_inclusive(_counts(numbers, said), _hints(numbers, said, identified))
        own = costs(counts, self._identities.rates(identified, counts.input))
        reported = first_known(numbers[:, len(_COUNTS)], said[:, Said._fields.index("cost")])
        # Zero beside tokens is how instrumentations say that they know no price.
        has_reported = (reported > 0) & (reported <= LARGEST_REPORTED_USD)
        takes_reported = has_reported & (self._prefer_reported | np.isnan(own.total))
        fields = {
            **identified.names,
            "operation_type": identified.operation_type,
            "response_id": _response_ids(candidates).to_arrow(),  # not as a view, which pyarrow cannot filter
            "input": counts.input,
            "output": counts.output,
            "cache_read": counts.cache_read,
            "cache_write": counts.cache_write,
            "reasoning": counts.reasoning,
            "total": counts.total,
            "cost_input": np.where(takes_reported, np.nan, own.input),
            "cost_output": np.where(takes_reported, np.nan, own.output),
            "cost": np.where(takes_reported, reported, own.total),
            "status": _status(counts, own, takes_reported),
        }
        return identified.role, pa.StructArray.from_arrays([pa.array(fields[name]) for name in RECORD], list(RECORD))


def _status(counts: Counts, own: Costs, takes_reported: Booleans) -> npt.NDArray[np.uint8]:
    has_counts = ~np.isnan(counts.input) | ~np.isnan(counts.output)
    status = np.where(has_counts, Status.UNKNOWN_MODEL, Status.NO_USAGE).astype(np.uint8)
    status[~np.isnan(own.total)] = Status.PRICED
    status[takes_reported] = Status.REPORTED
    return status


def _metadata(candidates: pl.DataFrame, uncached: Floats) -> tuple[Floats, list[str | None]]:
    """The numbers of `Said` as columns, and the tiers.

    Read are answers of a provider (they have an id) of which the counts do not tell everything: those with a count of
    uncached tokens tell of the cache.
    """
    said = np.tile(np.array(provider_metadata.NOTHING[:-1]), (candidates.height, 1))
    tiers: list[str | None] = [None] * candidates.height
    if _METADATA in candidates.columns and RESPONSE_ID in candidates.columns:
        is_answer = pl.col(RESPONSE_ID).is_not_null() & pl.col(_METADATA).is_not_null()
        says_more = provider_metadata.adds_to_counts(_METADATA) | pl.lit(pl.Series(np.isnan(uncached)))
        rows = np.flatnonzero(candidates.select(is_answer & says_more).to_series().to_numpy())
        for row, text in zip(rows.tolist(), candidates[_METADATA][rows].to_list(), strict=True):
            *said[row], tiers[row] = provider_metadata.read(text)
    return said, tiers


def _numbers(candidates: pl.DataFrame) -> Floats:
    """Columns _COUNTS and _REPORTED_USD; NaN is absent."""
    numbers = np.full((candidates.height, len(_COUNTS) + 1), np.nan, order="F")
    for i, name in enumerate((*_COUNTS, _REPORTED_USD)):
        if name in candidates.columns:
            numbers[:, i] = candidates[name].cast(pl.Float64).to_numpy()
    return numbers


def _words(candidates: pl.DataFrame, tiers: list[str | None], numbers: Floats) -> dict[str, list[Any]]:
    """Fields of `identities.Words` that may differ from their default, one element a candidate."""
    slots = candidates["end_ns"].to_numpy().clip(0) // (TIME_SLOT_SECONDS * 1_000_000_000)
    present = [(field, name) for field, name in _WORDS.items() if name in candidates.columns]
    words: dict[str, list[Any]] = {field: candidates[name].to_list() for field, name in present}
    words["time_slot"] = slots.tolist()
    words["has_usage"] = np.any(~np.isnan(numbers), axis=1).tolist()
    if _METADATA in candidates.columns:
        words["metadata_tier"] = tiers
    if _REPORTED_USD in candidates.columns:  # without one there is no report of a cost
        words["is_cost_report"] = [name == COST_REPORT_NAME for name in candidates["name"].to_list()]
    return words


def _counts(numbers: Floats, said: Floats) -> Counts:
    input_tokens, output, read, write, reasoning, total, _ = without_impossible(numbers[:, : len(_COUNTS)]).T
    also_read, also_write, write_1h, also_reasoning = without_impossible(said[:, :4]).T
    return Counts(
        input=input_tokens,
        output=output,
        cache_read=first_known(read, also_read),
        cache_write=first_known(write, also_write),
        cache_write_1h=write_1h,
        reasoning=first_known(reasoning, also_reasoning),
        total=total,
    )


def _hints(numbers: Floats, said: Floats, identified: Identified) -> Hints:
    return Hints(
        uncached=without_impossible(numbers[:, _UNCACHED]),
        anthropic_input=said[:, Said._fields.index("anthropic_input")],
        ai_sdk=identified.ai_sdk,
        is_claude=identified.is_claude,
        has_separate_cache=said[:, Said._fields.index("has_separate_cache")] > 0,
        takes_input_only=identified.takes_input_only,
    )


def _response_ids(candidates: pl.DataFrame) -> pl.Series:
    if RESPONSE_ID in candidates.columns:
        return candidates[RESPONSE_ID]
    return nulls(RESPONSE_ID, pl.String, candidates.height)
