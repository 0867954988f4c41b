"""What real applications exported, through a running daemon, to the data that Sentry gets, over both protocols."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.today import NS_PER_SECOND, seconds_to_today, today, today_in_json
from tests.processors.llm_cost.test_recordings import USAGE_ON_A_SPAN, calls_by_key, published_usd
from tests.support import daemon, recordings, relay, sentry
from tests.support.daemon import JSON, Daemon
from tests.support.sentry import Taken

COST = "otelbridge.cost.usd"
WITH_MODELS = ("ai-sdk-v6", "ai-sdk-v7", "py-openinference")
NAMES = (*WITH_MODELS, "drizzle-pg", "py-sqlalchemy-sqlite", "js-exception", "otlp-json")

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("delivered", ["grpc", "http"], indirect=True)]


@dataclass(frozen=True)
class Delivered:
    """What Sentry took.

    Attributes:
        taken: envelopes of events and transactions.
        recording_of: name of the recording by trace id.
        now: when it was delivered, seconds since the epoch.
    """

    taken: list[Taken]
    recording_of: dict[str, str]
    now: float

    def payloads(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Of one recording."""
        return [
            taken.payload
            for taken in self.taken
            if taken.kind == kind and self.recording_of[taken.payload["contexts"]["trace"]["trace_id"]] == name
        ]

    def spans(self, name: str) -> list[dict[str, Any]]:
        """Of one recording, those of the segments included."""
        transactions = self.payloads(name, "transaction")
        return [span for payload in transactions for span in (payload["contexts"]["trace"], *payload["spans"])]

    def errors(self, name: str) -> list[dict[str, Any]]:
        """Error events of exceptions."""
        return [payload for payload in self.payloads(name, "event") if "exception" in payload]

    def findings(self, name: str) -> set[tuple[str, str]]:
        """Title of each finding, and its route."""
        found = [payload for payload in self.payloads(name, "event") if "exception" not in payload]
        titles = {(payload["logentry"]["formatted"], payload["tags"]["route"]) for payload in found}
        assert len(titles) == len(found)
        return titles


@pytest.fixture(scope="module")
def shifts() -> dict[str, int]:
    return {name: seconds_to_today(name) for name in NAMES}


@pytest.fixture(scope="module")
def through(shifts: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Delivered]:
    """What comes of the recordings, by protocol; each once for all tests."""
    made = {}
    for transport in ("grpc", "http"):
        folder = tmp_path_factory.mktemp(transport)
        with sentry.running() as server, daemon.running(folder, server.dsn) as running:
            spans = 0
            for name in NAMES:
                _send(running, transport, name, shifts[name])
                spans += len(recordings.spans(name))
            running.wait_until_all_is_delivered(spans)
            assert running.metric("otelbridge_component_errors") == 0
            assert running.metric("otelcol_exporter_sent_spans") == spans
            assert running.stop() == 0
            newest = time.time_ns()
            owners = {span.trace_id.hex(): name for name in NAMES for span in recordings.spans(name)}
            made[transport] = Delivered(server.events(), owners, newest / NS_PER_SECOND)
    return made


def _send(running: Daemon, transport: str, name: str, seconds: int) -> None:
    if transport == "grpc":
        with running.grpc() as export:
            assert export(today(name, seconds)) == b""
    elif name == "otlp-json":
        assert running.post(today_in_json(name, seconds), JSON) == (200, b"{}")
    else:
        assert running.post(today(name, seconds)) == (200, b"")


@pytest.fixture
def delivered(request: pytest.FixtureRequest, through: dict[str, Delivered]) -> Delivered:
    return through[request.param]


@pytest.mark.parametrize("name", NAMES)
def test_every_span_arrives_once(name: str, delivered: Delivered) -> None:
    arrived = Counter((span["trace_id"], span["span_id"]) for span in delivered.spans(name))
    assert arrived == Counter((span.trace_id.hex(), span.span_id.hex()) for span in recordings.spans(name))


@pytest.mark.parametrize("name", WITH_MODELS)
def test_each_call_that_reached_a_span_is_billed_once_at_published_prices(name: str, delivered: Delivered) -> None:
    calls = calls_by_key(name)
    billed, expected = [], 0.0
    for span in delivered.spans(name):
        data = span["data"]
        if COST in data:
            call = calls[data["gen_ai.usage.input_tokens"], data.get("gen_ai.usage.output_tokens", 0)]
            cache_read = data.get("gen_ai.usage.cache_read.input_tokens", 0)
            usd = published_usd(call, cache_read, tier_is_told=name.startswith("ai-sdk"))
            assert data[COST] == pytest.approx(usd, rel=1e-9)
            billed.append(call.response_id)
            expected += usd

    assert len(set(billed)) == len(billed) == USAGE_ON_A_SPAN[name]
    assert expected > 0
    assert sum(span["data"].get(COST, 0.0) for span in delivered.spans(name)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", WITH_MODELS)
def test_no_span_above_a_call_has_a_cost(name: str, delivered: Delivered) -> None:
    spans = {span["span_id"]: span for span in delivered.spans(name)}
    for span in spans.values():
        above = spans.get(span.get("parent_span_id", ""))
        while COST in span["data"] and above is not None:
            assert COST not in above["data"]
            above = spans.get(above.get("parent_span_id", ""))


def test_loops_of_queries_are_findings_with_their_routes_and_waits_are_not(delivered: Delivered) -> None:
    assert delivered.findings("drizzle-pg") == {
        ("N+1 query: SELECT Vote_v2 in GET /api/chat/:id/votes", "GET /api/chat/:id/votes"),
        ("N+1 query: SELECT Vote_v2 in GET /api/chat/:id/votes-with-literals", "GET /api/chat/:id/votes-with-literals"),
        ("N+1 query: SELECT Vote_v2 in GET /api/chat/:id/sibling-parents", "GET /api/chat/:id/sibling-parents"),
        (
            "N+1 queries in turn: SELECT Vote_v2, SELECT Suggestion in GET /api/chat/:id/interleaved",
            "GET /api/chat/:id/interleaved",
        ),
        ("Insert loop: INSERT Message_v2 in POST /api/chat", "POST /api/chat"),
    }


def test_a_loop_of_25_queries_is_counted_as_25(delivered: Delivered) -> None:
    (found,) = [
        payload
        for payload in delivered.payloads("drizzle-pg", "event")
        if payload.get("tags", {}).get("route") == "GET /api/chat/:id/votes"
    ]
    assert found["contexts"]["n_plus_one"]["count"] == 25


def test_lazy_relations_are_findings_with_their_routes(delivered: Delivered) -> None:
    assert {route for _, route in delivered.findings("py-sqlalchemy-sqlite")} == {"GET /authors", "GET /named/authors"}


@pytest.mark.parametrize("name", [*WITH_MODELS, "js-exception", "otlp-json"])
def test_what_has_no_loop_has_no_finding(name: str, delivered: Delivered) -> None:
    assert delivered.findings(name) == set()


def innermost_exceptions(name: str) -> set[tuple[str, str, str, str]]:
    """(trace, span, type, message) of each recorded exception that no span below has recorded too."""
    spans = {(span.trace_id, span.span_id): span for span in recordings.spans(name)}
    recorded: dict[tuple[bytes, bytes], set[tuple[str, str]]] = {}
    for place, span in spans.items():
        for event in span.events:
            if event.name == "exception":
                said = {item.key: item.value.string_value for item in event.attributes}
                identity = said.get("exception.type", ""), said.get("exception.message", "")
                recorded.setdefault(place, set()).add(identity)
    passed_on = set()
    for (trace, span_id), identities in recorded.items():
        above = (trace, spans[trace, span_id].parent_span_id)
        while above in spans:
            passed_on |= {(above, identity) for identity in identities}
            above = (trace, spans[above].parent_span_id)
    return {
        (trace.hex(), span_id.hex(), *identity)
        for (trace, span_id), identities in recorded.items()
        for identity in identities
        if ((trace, span_id), identity) not in passed_on
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_exception_is_one_error_event_of_the_innermost_span(name: str, delivered: Delivered) -> None:
    events = delivered.errors(name)
    traces = [payload["contexts"]["trace"] for payload in events]
    expected = Counter((trace, span) for trace, span, _, _ in innermost_exceptions(name))

    assert Counter((trace["trace_id"], trace["span_id"]) for trace in traces) == expected


def test_the_recordings_have_exceptions(delivered: Delivered) -> None:
    assert len(delivered.errors("js-exception")) == 6
    assert len(delivered.errors("py-sqlalchemy-sqlite")) == 1
    assert len(delivered.errors("drizzle-pg")) == 1


def test_sentry_takes_every_envelope_as_it_is(delivered: Delivered) -> None:
    assert delivered.taken
    for taken in delivered.taken:
        relay.checked(taken.body, delivered.now)


def test_both_protocols_give_the_same(delivered: Delivered, through: dict[str, Delivered]) -> None:
    def content(side: Delivered) -> list[str]:
        """Findings carry the time and thus an id of their own run."""
        payloads = [dict(taken.payload) for taken in side.taken]
        for payload in payloads:
            if payload.get("logger", "").startswith("otelbridge."):
                del payload["event_id"], payload["timestamp"]
        return sorted(json.dumps(payload, sort_keys=True) for payload in payloads)

    assert content(delivered) == content(through["grpc"])
