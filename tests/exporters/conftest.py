"""Kept traces for exporters, made as the daemon makes them: decoded, extracted, derived, described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import pytest

from otelbridge.core.batch import Batch
from otelbridge.core.component import Encoded, Kept
from otelbridge.core.findings import Breadcrumb, Finding
from otelbridge.core.schema import RECORD, Column
from otelbridge.exporters.sentry.exporter import SentryConfig, SentryExporter
from otelbridge.otlp.columns import ColumnExtractor
from otelbridge.otlp.decode import decode
from otelbridge.processors import db_queries
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.derived import OP_READS, with_derived
from tests.support import relay
from tests.support.otlp import START_NS

NOW = START_NS / 1e9 + 30
DSN = "https://0123456789abcdef0123456789abcdef@o1.ingest.example.com/42"


def kept(
    *bodies: bytes,
    now: float = NOW,
    findings: Iterable[Finding] = (),
    breadcrumbs: Iterable[Breadcrumb] = (),
    added: Mapping[Column, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    describe_queries: bool = True,
) -> Kept:
    """Every span of these requests.

    `added` are values that a processor added for the reader, `columns` others: lists with a value a span.
    """
    if not bodies:
        return Kept(pl.DataFrame(), {}, (), tuple(findings), tuple(breadcrumbs), now)
    names = OP_READS | db_queries.READS
    extracted = ColumnExtractor(CONCEPTS[name] for name in sorted(names) if name in CONCEPTS).extract(decode(bodies))
    spans = with_derived(extracted.spans)
    shown: tuple[Column, ...] = ()
    if describe_queries:
        component = db_queries.DbQueries(db_queries.DbQueriesConfig())
        spans = component.process(Batch(spans, now, extracted.origins)).spans
        shown = db_queries.ADDED
    spans = spans.with_columns(
        pl.lit(1, pl.UInt64).alias(RECORD), pl.int_range(pl.len(), dtype=pl.UInt32).alias("position")
    )
    for column, values in (added or {}).items():
        spans = spans.with_columns(pl.Series(column.name, values, column.dtype))
        shown = (*shown, column)
    for name, values in (columns or {}).items():
        spans = spans.with_columns(pl.Series(name, values))
    return Kept(spans, extracted.origins, shown, tuple(findings), tuple(breadcrumbs), now)


def with_raw(original: Kept, raw: Sequence[bytes]) -> Kept:
    """The same with other bytes in place of the spans, as they are when fields that are kept opaque are malformed."""
    spans = original.spans.with_columns(pl.Series("raw", raw, pl.Binary))
    return Kept(spans, original.origins, original.added, original.findings, original.breadcrumbs, original.now)


class Sent:
    """What an export became: payloads that Sentry takes, checked."""

    def __init__(self, encoded: Encoded, now: float) -> None:
        self.encoded = encoded
        self.dropped = encoded.dropped
        payloads = [(parcel, relay.checked(parcel.body, now)) for parcel in encoded.parcels]
        self.transactions = [payload for parcel, payload in payloads if parcel.category == "transaction"]
        self.events = [payload for parcel, payload in payloads if parcel.category == "error"]
        assert all(parcel.id == payload["event_id"] for parcel, payload in payloads)
        assert len({parcel.id for parcel in encoded.parcels}) == len(encoded.parcels)

    @property
    def transaction(self) -> dict[str, Any]:
        """The only one."""
        (transaction,) = self.transactions
        return transaction

    @property
    def event(self) -> dict[str, Any]:
        """The only one."""
        (event,) = self.events
        return event

    @property
    def spans(self) -> dict[str, dict[str, Any]]:
        """The spans of all transactions by description, without the local roots."""
        return {span["description"]: span for transaction in self.transactions for span in transaction["spans"]}


def send(kept_traces: Kept, **config: Any) -> Sent:
    """Encode, let Relay judge, and see that no span was lost."""
    exporter = SentryExporter(SentryConfig(dsn=config.pop("dsn", DSN), **config))
    encoded = exporter.encode(kept_traces)
    exporter.close()
    assert sum(parcel.spans for parcel in encoded.parcels) + sum(encoded.dropped.values()) == kept_traces.spans.height
    return Sent(encoded, kept_traces.now)


@pytest.fixture
def dsn() -> str:
    return DSN
