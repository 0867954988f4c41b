"""What is done for all spans at once is what is done for one span alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from otelbridge.core.component import Kept
from otelbridge.core.schema import Column
from otelbridge.exporters.sentry.attributes import AttributeReader
from otelbridge.exporters.sentry.data import SpanData
from otelbridge.exporters.sentry.forest import Forest
from otelbridge.exporters.sentry.fragments import Mask
from otelbridge.exporters.sentry.resources import Emitters
from otelbridge.exporters.sentry.segments import TraceTree
from otelbridge.exporters.sentry.survivors import Survivors, survivors
from tests.exporters.conftest import kept, send
from tests.support import recordings
from tests.support.otlp import request, request_of, span, spans_of, trace_id


def recording(name: str) -> Kept:
    now = max(one.end_time_unix_nano for one in recordings.spans(name)) / 1e9 + 5
    return kept(recordings.load(name), now=now)


def every_span(data: SpanData) -> Mask:
    return np.ones(data._spans.height, np.bool_)


def rows_of(traces: Kept) -> Survivors:
    reader = AttributeReader()
    return survivors(traces, Emitters(lambda _resource: "here", reader), reader, 5 * 86_400)[0]


def segments(found: Sequence[Any]) -> list[tuple[list[int], int]]:
    return [(list(segment.rows), segment.repeats) for segment in found]


@pytest.mark.parametrize("name", recordings.names())
def test_spans_in_columns_are_spans_read_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = send(recording(name)).transactions
    monkeypatch.setattr(SpanData, "irregular", property(every_span))
    assert send(recording(name)).transactions == together


@pytest.mark.parametrize("name", recordings.names())
def test_segments_found_together_are_those_of_each_trace(name: str) -> None:
    spans = rows_of(recording(name))
    for trace in Forest(spans):
        assert segments(trace.segments) == segments(TraceTree(spans, trace.rows).segments())


def test_segments_that_are_mixed_in_time_are_told_apart() -> None:
    caller = span("a", *(span(f"a{i}", start_ms=2 * i + 1, ms=1) for i in range(3)), ms=20)
    called = span("b", *(span(f"b{i}", start_ms=2 * i + 2, ms=1) for i in range(3)), ms=19, start_ms=0.5)
    theirs = spans_of(called, trace_id(1), parent=caller.children[0].span_id)
    traces = kept(request_of(spans_of(caller, trace_id(1))), request_of(theirs, {"service.name": "users"}))
    transactions = send(traces).transactions
    assert [[child["description"] for child in one["spans"]] for one in transactions] == [
        ["a0", "a1", "a2"],
        ["b0", "b1", "b2"],
    ]


def test_an_added_value_stands_for_the_attribute_of_its_name_on_its_span_alone() -> None:
    user = Column("user.id", pl.String, "", "")
    trees = span("root", span("a", attributes={"user.id": "theirs"}), span("b", attributes={"user.id": "theirs"}))
    sent = send(kept(request(trees), added={user: [None, "ours", None]}))
    assert (sent.spans["a"]["data"]["user.id"], sent.spans["b"]["data"]["user.id"]) == ("ours", "theirs")
    assert sent.encoded.parcels[0].body.count(b'"user.id"') == 2


def test_a_span_too_large_keeps_what_was_added_to_it() -> None:
    cost = Column("otelbridge.cost.usd", pl.Float64, "USD", "")
    trees = span("root", span("large", attributes={"ai.prompt": "p" * 200_000}))
    sent = send(kept(request(trees), added={cost: [None, 0.5]}))
    assert sent.spans["large"]["data"]["otelbridge.cost.usd"] == 0.5


COUNTS = {
    "a canonical attribute beside a renamed one": {"gen_ai.usage.input_tokens": 3, "ai.usage.promptTokens": 4},
    "a renamed one first": {"ai.usage.promptTokens": 4, "gen_ai.usage.input_tokens": 3},
    "two that are renamed alike": {"ai.usage.promptTokens": 4, "ai.usage.inputTokens": 5},
    "a renamed one alone": {"ai.usage.completionTokens": 6},
    "a count with two names under today's": {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.cache_read.input_tokens": 1},
    "under yesterday's": {"gen_ai.usage.output_tokens": 3, "gen_ai.usage.output_tokens.reasoning": 2},
    "under both": {
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 1,
        "gen_ai.usage.input_tokens.cached": 2,
    },
    "of nothing that was counted": {"gen_ai.usage.cache_read.input_tokens": 1},
    "a renamed one with two names": {"ai.usage.promptTokens": 4, "ai.usage.cachedInputTokens": 2},
}


@pytest.mark.parametrize("attributes", COUNTS.values(), ids=list(COUNTS))
def test_counts_in_columns_are_counts_read_one_by_one(
    attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    added = {Column("gen_ai.usage.total_tokens", pl.Int64, "", ""): [None, None, 9]}
    trees = span("root", span("a", attributes=attributes), span("b", attributes={**attributes, "other": "x"}))
    together = send(kept(request(trees), added=added)).transactions
    monkeypatch.setattr(SpanData, "irregular", property(every_span))
    assert send(kept(request(trees), added=added)).transactions == together


def test_spans_of_one_trace_that_start_together_are_sorted_by_their_length() -> None:
    trees = span("root", span("short", ms=1), span("long", ms=5), ms=9)
    (transaction,) = send(kept(request(trees))).transactions
    assert [child["description"] for child in transaction["spans"]] == ["long", "short"]
