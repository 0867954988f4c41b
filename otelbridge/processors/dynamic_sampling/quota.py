"""The budget's part of a decision: from traces to keys, amounts and rates."""

from __future__ import annotations

import math
from hashlib import blake2b

import numpy as np
import polars as pl

from otelbridge.analysis.budget import ONE, EmaBudget
from otelbridge.analysis.grouping import Groups, Hashes, Integers, as_index, flags, integers, mix, number
from otelbridge.analysis.intervals import Floats
from otelbridge.core import schema
from otelbridge.processors.dynamic_sampling.settings import Budget

_RANK_SHIFT = np.uint64(62)
MAX_KEY_CHARS = 200  # of one column: what differs only behind them is hostile or an accident


class Quota:
    """Counts the traces that share the budget, by key, and says at which rate to keep them."""

    def __init__(self, config: Budget) -> None:
        self._config = config
        self.budget = EmaBudget(config.per_interval, config.initial_keep / 100, config.max_keys)

    def enter(self, now: float) -> None:
        """Rates are those of the interval that `now` lies in."""
        self.budget.enter(math.floor(now / self._config.interval_seconds))

    def rates(self, spans: pl.DataFrame, traces: Groups, sharing: Integers, expected: Floats) -> Floats:
        """The rate that the budget leaves to each trace that shares it.

        Args:
            spans: the batch.
            traces: its traces.
            sharing: numbers of the traces that share the budget.
            expected: with which probability each of these would be kept without a budget.
        """
        weights = np.bincount(traces.of_row)[sharing] if self._config.counts_spans else np.ones(len(sharing))
        amounts = np.rint(weights * expected * ONE).astype(np.int64)
        texts = self._key_columns(spans, _heads(spans, traces)[sharing])
        keys = number(_hash(texts, len(sharing)))
        per_key = np.zeros(len(keys), np.int64)
        np.add.at(per_key, keys.of_row, amounts)
        firsts = [column[as_index(keys.first)].to_list() for column in texts]
        rates = [
            self.budget.count(_digest(values), amount)
            for values, amount in zip(zip(*firsts, strict=True), per_key.tolist(), strict=True)
        ]
        return np.array(rates, np.float64)[keys.of_row]

    def _key_columns(self, spans: pl.DataFrame, rows: Integers) -> list[pl.Series]:
        index = as_index(rows)
        values = [spans[name][index] for name in self._config.key if name in spans.columns]
        return [column if column.dtype == pl.String else column.cast(pl.String) for column in values]


def _heads(spans: pl.DataFrame, traces: Groups) -> Integers:
    """The row that stands for each trace: its root, else a local root, else any; of several the one that began first.

    Starts are compared to 2 ns: two of the 64 bits hold the rank.
    """
    parents = integers(spans[schema.PARENT_SPAN_ID])
    roots = np.flatnonzero(parents == 0)
    heads = np.zeros(len(traces), np.int64)
    heads[traces.of_row[roots]] = roots
    is_unclear = np.bincount(traces.of_row[roots], minlength=len(traces)) != 1
    rows = np.flatnonzero(is_unclear[traces.of_row])
    if not len(rows):
        return heads
    rank = np.where(parents[rows] == 0, 0, np.where(flags(spans["is_segment"])[rows], 1, 2)).astype(np.uint64)
    place = (rank << _RANK_SHIFT) | (spans["start_ns"].to_numpy()[rows].astype(np.uint64) >> np.uint64(1))
    first = np.full(len(traces), np.iinfo(np.uint64).max)
    np.minimum.at(first, traces.of_row[rows], place)
    chosen = rows[place == first[traces.of_row[rows]]][::-1]
    heads[traces.of_row[chosen]] = chosen  # of equal ones the last that is written, which is the first row
    return heads


def _hash(columns: list[pl.Series], height: int) -> Hashes:
    if not columns:
        return np.zeros(height, np.uint64)
    return mix(*(column.hash().to_numpy() for column in columns))


def _digest(values: tuple[str | None, ...]) -> bytes:
    """A key's 16 bytes: the same in every process and version."""
    text = "\0".join("\1" if value is None else value[:MAX_KEY_CHARS] for value in values)
    return blake2b(text.encode(errors="replace"), digest_size=16).digest()
