"""What trackers find is taken by Sentry as it is: nothing is refused, trimmed or scrubbed away."""

from __future__ import annotations

import re

import polars as pl
import pytest

from otelbridge.core.component import Kept
from otelbridge.core.findings import Example, Finding
from otelbridge.exporters.file import local_encoder
from otelbridge.trackers.cascade.report import finding as cascade_finding
from tests.support import relay
from tests.trackers.conftest import findings_of

NOW = 1_790_020_000.0


def cascade_findings() -> list[Finding]:
    said = {
        "kind": "alert",
        "environment": "production",
        "root": "postgresql@db-1",
        "root_before": "",
        "root_now": "",
        "services": ["postgresql@db-1", *(f"service-{number}" for number in range(80))],
        "first_failures": {f"service-{number}": 1_790_000_000.0 + number for number in range(80)},
        "edges": [(f"service-{number}", "postgresql@db-1") for number in range(80)],
        "trigger": "postgresql@db-1",
        "start": 1_790_000_000.0,
        "time": 1_790_000_040.0,
    }
    example = Example.of(7, 9, "7.1")
    return [cascade_finding({**said, "kind": kind}, example, NOW) for kind in ("alert", "info", "recovery")]


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return [*findings_of(["degradation", "error_spike", "capacity"]).findings, *cascade_findings()]


def test_every_finding_passes_sentrys_own_checks(found: list[Finding]) -> None:
    kept = Kept(pl.DataFrame(), {}, (), tuple(found), (), NOW)

    encoded = local_encoder("sentry").encode(kept)

    assert {finding.kind for finding in found} == {"degradation", "error_spike", "capacity", "cascade"}
    assert len(encoded.parcels) == len(found)
    for parcel, finding in zip(encoded.parcels, found, strict=True):
        payload = relay.checked(parcel.body, finding.time)
        assert payload["fingerprint"] == ["otelbridge", finding.kind, *finding.key]
        assert payload["tags"]["finding.state"] == finding.state
        assert payload["level"] == finding.level
        assert payload["logentry"]["formatted"].startswith(finding.title)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("degradation", r"from [\d.]+ to [\d.]+ ms \(\+\d+%\)"),
        ("error_spike", r"[\d.]+% of its operations, normally [\d.]+%"),
        ("cascade", r"to service-\d+, service-\d+, service-\d+ and 77 more"),
        ("capacity", r"\d+% full, \d+ (minutes|hours) left"),
    ],
)
def test_what_is_listed_says_how_much(found: list[Finding], kind: str, said: str) -> None:
    summaries = [finding.summary for finding in found if finding.kind == kind and finding.state == "raised"]
    assert summaries
    assert all(re.fullmatch(said, summary) for summary in summaries), summaries
