"""The time to the first token: where it is told, how good it is, and that each call counts once."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from otelbridge.core.findings import Breadcrumb
from otelbridge.processors.ttft import COST_STATUS, FIRST_CHUNK_EVENTS, QUALITY, TTFT, TtftConfig
from otelbridge.semconv.providers import model_family
from tests.processors.running import Running
from tests.support import recordings
from tests.support.otlp import MS, START_NS, SpanTree, request, request_of, span, spans_of, trace_id

WITH_TIMES = {"ai-sdk-v5": 3, "ai-sdk-v6": 3, "ai-sdk-v7": 4, "ai-sdk-v7-legacy": 3, "py-openinference": 4,
              "py-traceloop-openai": 4}  # fmt: skip
"""Streamed calls that tell when the first token came."""

SOURCES = {
    "gen_ai.response.time_to_first_chunk": 1e3,
    "gen_ai.client.operation.time_to_first_chunk": 1e3,
    "gen_ai.response.time_to_first_token": 1e3,
    "gen_ai.server.time_to_first_token": 1e3,
    "ai.response.msToFirstChunk": 1.0,
    "ai.stream.msToFirstChunk": 1.0,
    "ai.ttft_ms": 1.0,
}

PIPELINES: list[dict[str, dict[str, Any]]] = [{"llm_cost": {}, "ttft": {}}, {"ttft": {}}, {"ttft": {}, "llm_cost": {}}]


def running(**settings: Any) -> Running:
    return Running(llm_cost={}, ttft=settings)


def stream(ttft_ms: float | None = 300.0, *children: SpanTree, **attributes: Any) -> SpanTree:
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "ai.response.msToFirstChunk": ttft_ms,
        **{key.replace("__", "."): value for key, value in attributes.items()},
    }
    return span("chat", *children, attributes={key: value for key, value in given.items() if value is not None})


def told(run: Running) -> list[tuple[float, str]]:
    return [row for row in run.spans.select(TTFT, QUALITY).iter_rows() if row != (None, None)]


def outcome(*trees: SpanTree, **settings: Any) -> list[tuple[float, str]]:
    run = running(**settings)
    run.feed(request(*trees))
    return told(run)


# what was recorded


def recorded_times(name: str) -> dict[int, float]:
    """By span id: what the spans of a recording tell in attributes, else in the event of the first chunk, in ms."""
    times = {}
    for one in recordings.spans(name):
        attributes, span_id = recordings.attributes(one), int.from_bytes(one.span_id, "big")
        chunks = [event.time_unix_nano for event in one.events if event.name in FIRST_CHUNK_EVENTS]
        if chunks:
            times[span_id] = (min(chunks) - one.start_time_unix_nano) / MS
        for key, scale in SOURCES.items():
            if key in attributes:
                times[span_id] = float(str(attributes[key])) * scale
    return times


@pytest.mark.parametrize("processors", PIPELINES, ids=["after llm_cost", "alone", "before llm_cost"])
@pytest.mark.parametrize("name", WITH_TIMES)
def test_each_recorded_time_is_counted_once_as_it_was_told(name: str, processors: dict[str, dict[str, Any]]) -> None:
    run = Running(**processors)
    run.feed(recordings.load(name))

    expected = recorded_times(name)
    assert len(expected) == WITH_TIMES[name]
    measured = run.measured("llm.ttft")
    assert dict(measured.select("span_id", "value").iter_rows()) == pytest.approx(expected)
    assert dict(run.spans.filter(pl.col(QUALITY).is_not_null()).select("span_id", TTFT).iter_rows()) == pytest.approx(
        expected
    )
    assert set(measured["gen_ai.provider.name"]) <= {"openai", "anthropic"}
    assert set(map(model_family, measured["gen_ai.request.model"])) <= {
        "gpt-4o-mini",
        "gpt-5-mini",
        "claude-sonnet-4-5",
    }


@pytest.mark.parametrize("name", [name for name in recordings.names() if name not in WITH_TIMES])
def test_what_tells_no_time_has_none(name: str) -> None:
    run = running()
    run.feed(recordings.load(name))

    assert told(run) == []
    assert run.measured("llm.ttft").is_empty()
    assert run.breadcrumbs == [] or {crumb.category for crumb in run.breadcrumbs} == {"ai.cost"}


def test_a_recorded_stream_has_a_breadcrumb_at_its_first_token() -> None:
    run = running()
    run.feed(recordings.load("ai-sdk-v6"))

    first = {crumb.span_id: crumb for crumb in run.breadcrumbs if crumb.category == "ai.streaming"}
    events = {
        int.from_bytes(one.span_id, "big"): event.time_unix_nano / 1e9
        for one in recordings.spans("ai-sdk-v6")
        for event in one.events
        if event.name == "ai.stream.firstChunk"
    }
    assert {span_id: crumb.time for span_id, crumb in first.items()} == pytest.approx(events, abs=0.02)
    assert {crumb.message for crumb in first.values()} == {
        "First token: 55ms (excellent)",
        "First token: 60ms (excellent)",
    }


# where it is told


@pytest.mark.parametrize(("name", "scale"), SOURCES.items())
def test_every_name_and_unit_is_understood(name: str, scale: float) -> None:
    assert outcome(stream(None, **{name: 700.0 / scale})) == [(pytest.approx(700.0), "good")]


def test_numbers_in_text_are_numbers() -> None:
    assert outcome(stream(None, **{"ai.ttft_ms": "700"})) == [(700.0, "good")]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "soon", 1e308])
def test_what_cannot_be_a_time_is_absent(value: Any) -> None:
    assert outcome(stream(None, **{"gen_ai.response.time_to_first_chunk": value})) == []


@pytest.mark.parametrize(
    "flag", ["gen_ai.request.stream", "gen_ai.response.streaming", "gen_ai.is_streaming", "llm.is_streaming"]
)
def test_a_call_that_says_it_is_not_streamed_has_no_first_token(flag: str) -> None:
    assert outcome(stream(300.0, **{flag: False})) == []
    assert outcome(stream(300.0, **{flag: True})) == [(300.0, "excellent")]


def event(name: str, after_ms: float) -> Span.Event:
    return Span.Event(name=name, time_unix_nano=START_NS + int(after_ms * MS))


@pytest.mark.parametrize("name", sorted(FIRST_CHUNK_EVENTS))
def test_the_first_chunk_of_a_streamed_call_tells_the_time(name: str) -> None:
    tree = stream(None, **{"llm.is_streaming": True})
    tree.events = [event("other", 100), event(name, 900), event(name, 700)]

    assert outcome(tree) == [(700.0, "good")]


def test_openinference_has_no_mark_of_streams_but_the_event() -> None:
    tree = span("ChatCompletion", attributes={"openinference.span.kind": "LLM"})
    tree.events = [event("First Token Stream Event", 700)]

    assert outcome(tree) == [(700.0, "good")]


def test_an_attribute_is_preferred_to_an_event() -> None:
    tree = stream(300.0, **{"llm.is_streaming": True})
    tree.events = [event("ai.stream.firstChunk", 700)]

    assert outcome(tree) == [(300.0, "excellent")]


def test_a_first_chunk_before_the_call_is_none() -> None:
    tree = stream(None, **{"llm.is_streaming": True})
    tree.events = [event("ai.stream.firstChunk", -1)]

    assert outcome(tree) == []


# how good it is


@pytest.mark.parametrize(
    ("ttft_ms", "quality"),
    [
        (0.0, "excellent"),
        (499.9, "excellent"),
        (500.0, "good"),
        (999.9, "good"),
        (1000.0, "acceptable"),
        (1999.9, "acceptable"),
        (2000.0, "poor"),
        (60_000.0, "poor"),
    ],
)
def test_quality_changes_at_500_1000_and_2000_ms(ttft_ms: float, quality: str) -> None:
    assert outcome(stream(ttft_ms)) == [(ttft_ms, quality)]


def test_thresholds_are_settings() -> None:
    assert outcome(stream(30.0), excellent_below_ms=10, good_below_ms=20, acceptable_below_ms=30) == [(30.0, "poor")]


def test_thresholds_must_ascend() -> None:
    with pytest.raises(ValidationError, match="must ascend"):
        TtftConfig(good_below_ms=100)


# each call once


@pytest.mark.parametrize("processors", PIPELINES, ids=["after llm_cost", "alone", "before llm_cost"])
def test_of_nested_spans_of_one_call_the_innermost_counts(processors: dict[str, dict[str, Any]]) -> None:
    run = Running(**processors)
    inner = stream(300.0, **{"ai.operationId": "ai.streamText.doStream"})
    outer = span("ai.stream_response", inner, attributes={"ai.ttft_ms": 310})
    run.feed(request(outer))

    assert told(run) == [(300.0, "excellent")]
    assert run.measured("llm.ttft")["value"].to_list() == [300.0]


def test_the_outer_span_counts_where_the_billed_one_tells_no_time() -> None:
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 10}
    run = running()
    run.feed(request(stream(310.0, stream(None, **usage), **usage)))

    assert sorted(run.spans[COST_STATUS]) == ["covered", "priced"]
    assert told(run) == [(310.0, "excellent")]


def test_a_late_span_of_a_call_that_is_billed_is_not_counted_again() -> None:
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 10}
    outer = stream(310.0, stream(300.0, **usage), **usage)
    above, below = spans_of(outer, trace_id(1))
    run = running()
    run.feed(request_of([below]))
    run.feed(request_of([above]))

    assert run.spans["late"].to_list() == [False, True]
    assert told(run) == [(300.0, "excellent")]


def test_calls_in_a_row_are_counted_each() -> None:
    assert outcome(span("agent", stream(300.0), stream(2500.0))) == [(300.0, "excellent"), (2500.0, "poor")]


def test_the_seeds_own_span_counts_by_itself_under_its_provider_and_model() -> None:
    own = span(
        "ai.stream_response", attributes={"ai.ttft_ms": 1234, "ai.provider": "openai.chat", "ai.model": "gpt-4o"}
    )
    run = Running(ttft={})
    run.feed(request(own))

    (row,) = run.measured("llm.ttft").rows(named=True)
    assert (row["value"], row["gen_ai.provider.name"], row["gen_ai.request.model"]) == (1234.0, "openai", "gpt-4o")


def test_a_measurement_is_of_the_environment_and_at_the_end_of_its_span() -> None:
    run = running()
    tree = stream(300.0)
    run.feed(request(tree, resource={"deployment.environment.name": "prod", "service.version": "7"}))

    (row,) = run.measured("llm.ttft").rows(named=True)
    (made,) = spans_of(tree, trace_id(1))
    assert (row["environment"], row["release"], row["count"]) == ("prod", "7", 1)
    assert row["time"] == pytest.approx(made.end_time_unix_nano / 1e9)
    assert row["trace_id"] == int.from_bytes(made.trace_id, "big")


# breadcrumbs


def crumbs(*trees: SpanTree) -> list[Breadcrumb]:
    run = running()
    run.feed(request(*trees))
    return run.breadcrumbs


def test_a_poor_first_token_is_a_warning_and_a_good_one_is_not() -> None:
    late, early = crumbs(span("agent", stream(300.0), stream(2500.0)))

    assert (late.message, late.level) == ("First token: 2500ms (poor)", "warning")
    assert (early.message, early.level) == ("First token: 300ms (excellent)", "info")
    assert early.data == {"ttft_ms": 300.0, "quality": "excellent", "model": "gpt-4o-mini"}


def test_a_trace_of_many_streams_has_breadcrumbs_of_the_slowest() -> None:
    found = crumbs(span("agent", *(stream(float(ms)) for ms in range(100, 140))))

    assert [crumb.data["ttft_ms"] for crumb in found] == [float(ms) for ms in range(139, 119, -1)]
