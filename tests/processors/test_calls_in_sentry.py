"""What ttft and provider_health say reaches the reader in Sentry, whatever Sentry scrubs by default."""

from __future__ import annotations

from typing import Any

import pytest
from sentry_relay.processing import convert_datascrubbing_config, pii_strip_event

from tests.exporters.conftest import Sent, send
from tests.processors.provider_health.building import ERROR, Traffic, call
from tests.processors.running import Running

DEFAULT_SCRUBBING = convert_datascrubbing_config(
    {"scrubData": True, "scrubDefaults": True, "scrubIpAddresses": False, "sensitiveFields": [], "excludeFields": []}
)

WORD_JOINER = "\u2060"
"""The exporter puts it, which nobody sees, into words that would be scrubbed."""


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    """Twenty failures after a call that streamed and was billed: what each export became."""
    run = Running(llm_cost={}, ttft={}, provider_health={})
    usage = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "ai.response.msToFirstChunk": 2500}
    Traffic(run).feed([call(ms=3000.0, **usage)] + [call(status=ERROR) for _ in range(30)])
    return [send(kept) for kept in run.kept]


def scrubbed(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pii_strip_event(DEFAULT_SCRUBBING, payload) for payload in payloads]


def transactions(sent: list[Sent]) -> list[dict[str, Any]]:
    return scrubbed([payload for one in sent for payload in one.transactions])


def test_columns_of_a_call_survive(sent: list[Sent]) -> None:
    calls = [payload["contexts"]["trace"]["data"] for payload in transactions(sent)]
    (streamed,) = [data for data in calls if "ai.ttft_ms" in data]

    assert streamed["ai.ttft_ms"] == 2500.0
    assert streamed["ai.ttft_quality"] == "poor"
    assert streamed["otelbridge.provider.score"] == 85
    assert streamed["otelbridge.cost.usd_per_1k"] == pytest.approx(0.00021 / 1.1)
    assert streamed["otelbridge.cost.usage_per_cent"] == pytest.approx(1100 / 0.021)
    assert sorted(data["otelbridge.provider.score"] for data in calls) == [30] * 30 + [85]


def test_the_breadcrumb_of_a_late_first_token_survives(sent: list[Sent]) -> None:
    crumbs = [
        crumb for payload in transactions(sent) for crumb in (payload.get("breadcrumbs") or {"values": []})["values"]
    ]

    (crumb,) = [crumb for crumb in crumbs if crumb["category"] == "ai.streaming"]
    message = crumb["message"].replace(WORD_JOINER, "")
    assert (message, crumb["level"]) == ("First token: 2500ms (poor)", "warning")
    assert crumb["data"] == {"ttft_ms": 2500.0, "quality": "poor", "model": "gpt-4o-mini"}


def test_the_finding_survives(sent: list[Sent]) -> None:
    (event,) = scrubbed([payload for one in sent for payload in one.events])

    assert event["logentry"]["formatted"] == "Model provider does badly: openai gpt-4o-mini"
    told = event["contexts"]["provider_health"]
    assert (told["provider"], told["model"], told["unhealthy_below"]) == ("openai", "gpt-4o-mini", 50.0)
    assert (told["calls"], told["failed"], told["score"]) == (20, 19, 32.8)
