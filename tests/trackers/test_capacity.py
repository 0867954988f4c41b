from __future__ import annotations

import polars as pl
import pytest

from otelbridge.core.findings import Finding
from otelbridge.semconv.measurements import LLM_TOKENS
from otelbridge.trackers.capacity import Capacity, Config

START = 1_790_000_000.0
MINUTE = 60.0


def minute(number: int, **tokens: float) -> pl.DataFrame:
    """What each provider used in a minute."""
    rows = [
        {
            "time": START + number * MINUTE,
            "value": amount,
            "count": 1,
            "trace_id": number + 1,
            "span_id": number + 1,
            "environment": "prod",
            "gen_ai.provider.name": provider,
        }
        for provider, amount in tokens.items()
    ]
    return pl.DataFrame(rows, schema=LLM_TOKENS.schema())


def findings(by: list[str] | None) -> list[Finding]:
    """Of four hours in which two providers use what would be up after five."""
    limit = {"measurement": LLM_TOKENS.name, "limit": 300.0, "by": by, "per": "day"}
    tracker = Capacity(Config.model_validate({"limits": [limit]}))
    return [
        finding
        for number in range(240)
        for finding in tracker.observe({LLM_TOKENS.name: minute(number, openai=0.5, mistral=0.5)}, START)
    ]


def test_all_series_share_a_limit_that_is_by_nothing() -> None:
    assert [finding.key for finding in findings(by=[])] == [("llm.tokens a day",)]


@pytest.mark.parametrize("by", [["gen_ai.provider.name"], None])
def test_each_series_has_the_whole_limit(by: list[str] | None) -> None:
    assert findings(by=by) == []
