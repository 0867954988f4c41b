"""What the words on a span say: its role, who was called, and at what rates.

There are few distinct sets of words (a model, an operation, a price tier, a quarter of an hour) and many spans, so
each set is understood once, in plain Python, and remembered as a row of tables that spans point to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otelbridge.analysis.prices import MAX_THRESHOLDS, TIME_SLOT_SECONDS, PriceBook, PriceList
from otelbridge.processors.llm_cost.arrays import Booleans, Floats
from otelbridge.semconv.classify import OPERATION_TYPES, Role, classify, operation_type
from otelbridge.semconv.providers import MAX_NAME_CHARACTERS, model_names, providers

MAX_SETS = 4096  # about 1 kB each; when they are more, all are forgotten, which costs a moment and changes no result
_AI_SDK = re.compile(r"ai/(\d{1,3})\.")


@dataclass(frozen=True, slots=True)
class Words:
    """The words on a span that its identity follows from; `time_slot` counts TIME_SLOT_SECONDS since the epoch."""

    operation_id: str | None = None
    operation_name: str | None = None
    openinference_kind: str | None = None
    request_type: str | None = None
    provider: str | None = None
    response_model: str | None = None
    request_model: str | None = None
    host: str | None = None
    user_agent: str | None = None
    tier: str | None = None
    metadata_tier: str | None = None
    has_usage: bool = False
    is_cost_report: bool = False
    time_slot: int = 0


@dataclass(frozen=True, slots=True)
class Identified:
    """What spans are, one element a span.

    Attributes:
        names: operation, provider, response_model, request_model (else the one that answered) -> string.
        role: UInt8, see `Role`.
        operation_type: UInt8, place in OPERATION_TYPES.
        is_claude: a Claude model, seen by an AI SDK.
        takes_input_only: embeddings and the like.
        ai_sdk: major version, NaN when unknown.
        rate_row: row of the table of rates for the smallest input.
        thresholds: input tokens above which the next row of rates holds; infinity where there is none.
    """

    names: dict[str, pa.Array]
    role: npt.NDArray[np.uint8]
    operation_type: npt.NDArray[np.uint8]
    is_claude: Booleans
    takes_input_only: Booleans
    ai_sdk: Floats
    rate_row: npt.NDArray[np.int64]
    thresholds: Floats


_NAMES = ("operation", "provider", "response_model", "request_model")
_NO_RATES = (np.nan,) * 7


class _Row(NamedTuple):
    names: tuple[str | None, ...]
    role: int
    operation_type: int
    is_claude: bool
    takes_input_only: bool
    ai_sdk: float
    rate_row: int
    thresholds: tuple[float, ...]


class Identities:
    """The table of what sets of words say, and the table of rates that it points to."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._forget()

    def identify(self, words: Mapping[str, Iterable[object]]) -> Identified:
        """What spans are, from their words: fields of `Words` that any of them has -> one element a span."""
        fields = tuple(words)
        spans = list(zip(*words.values(), strict=True))  # plain tuples of what is there: there are many
        row_of = self._row_of.setdefault(fields, {})
        found = list(map(row_of.get, spans))
        if None in found:
            row_of = self._learn(fields, spans)
            found = list(map(row_of.get, spans))
        rows = np.array(found, np.int64)
        taken = pa.array(rows)
        table = self._table
        return Identified(
            names={name: words.take(taken) for name, words in table.names.items()},
            role=table.role[rows],
            operation_type=table.operation_type[rows],
            is_claude=table.is_claude[rows],
            takes_input_only=table.takes_input_only[rows],
            ai_sdk=table.ai_sdk[rows],
            rate_row=table.rate_row[rows],
            thresholds=table.thresholds[rows],
        )

    def rates(self, identified: Identified, input_tokens: Floats) -> Floats:
        """One row a span with the fields of `prices.Rates`, for calls with that much input; NaN without a price."""
        exceeded = (input_tokens[:, None] > identified.thresholds).sum(axis=1)
        result: Floats = self._rate_table[identified.rate_row + exceeded]
        return result

    def _forget(self) -> None:
        self._row_of: dict[tuple[str, ...], dict[tuple[object, ...], int]] = {}
        self._rows: list[_Row] = []
        self._rates: list[tuple[float, ...]] = [_NO_RATES]

    def _learn(self, fields: tuple[str, ...], spans: list[tuple[object, ...]]) -> dict[tuple[object, ...], int]:
        if len(self._rows) >= MAX_SETS:
            self._forget()
        row_of = self._row_of.setdefault(fields, {})
        for values in dict.fromkeys(spans):
            if values not in row_of:
                row_of[values] = len(self._rows)
                self._rows.append(self._understand(Words(**dict(zip(fields, values, strict=True)))))  # type: ignore[arg-type] # the columns have the fields' types
        self._tabulate()
        return row_of

    def _tabulate(self) -> None:
        rows = self._rows
        self._table = Identified(
            names={name: pa.array([row.names[i] for row in rows], pa.string()) for i, name in enumerate(_NAMES)},
            role=np.array([row.role for row in rows], np.uint8),
            operation_type=np.array([row.operation_type for row in rows], np.uint8),
            is_claude=np.array([row.is_claude for row in rows]),
            takes_input_only=np.array([row.takes_input_only for row in rows]),
            ai_sdk=np.array([row.ai_sdk for row in rows]),
            rate_row=np.array([row.rate_row for row in rows]),
            thresholds=np.array([row.thresholds for row in rows]),
        )
        self._rate_table = np.array(self._rates)

    def _understand(self, words: Words) -> _Row:
        found = classify(
            words.operation_id,
            words.operation_name,
            words.openinference_kind,
            words.request_type,
            has_usage=words.has_usage,
            is_cost_report=words.is_cost_report,
        )
        models = tuple(
            model[:MAX_NAME_CHARACTERS] if model else None for model in (words.response_model, words.request_model)
        )
        said = tuple(model for model in models if model)
        opinions = providers(words.provider, words.host, said)
        priced_by, prices = None, None
        if found.role in (Role.CALL, Role.REPORT):
            tier = (words.tier or words.metadata_tier or "").lower()
            priced_by, prices = self._price(opinions, said, tier, words.time_slot * TIME_SLOT_SECONDS)
        provider = priced_by or (opinions[0] if opinions else None)
        is_claude = provider in ("anthropic", "aws.bedrock") or any("claude" in model.lower() for model in said)
        version = _AI_SDK.match(words.user_agent or "")
        return _Row(
            names=(found.operation or None, provider, models[0], models[1] or models[0]),
            role=found.role,
            operation_type=OPERATION_TYPES.index(operation_type(found)),
            is_claude=is_claude and words.operation_id is not None,
            takes_input_only=found.operation in ("embeddings", "rerank"),
            ai_sdk=float(version[1]) if version else np.nan,
            rate_row=self._add_rates(prices),
            thresholds=_thresholds(prices),
        )

    def _price(
        self, opinions: tuple[str, ...], models: tuple[str, ...], tier: str, at: float
    ) -> tuple[str | None, PriceList | None]:
        """Who has a price for it, and the price: the model that answered before the one asked for."""
        for provider, name in _candidates(opinions, models):
            prices = self._prices.find(provider, name, tier, at)
            if prices is not None:
                return provider, prices
        return None, None

    def _add_rates(self, prices: PriceList | None) -> int:
        if prices is None:
            return 0
        first = len(self._rates)
        self._rates.extend(astuple(rates) for rates in prices.rates)
        return first


def _candidates(opinions: tuple[str, ...], models: tuple[str, ...]) -> Iterator[tuple[str | None, str]]:
    for provider in opinions or (None,):
        for model in models:
            for name in model_names(model):
                yield provider, name


def _thresholds(prices: PriceList | None) -> tuple[float, ...]:
    given = prices.thresholds if prices else ()
    return (*map(float, given), *(np.inf,) * (MAX_THRESHOLDS - len(given)))
