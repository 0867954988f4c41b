"""What every tracker of the catalogue promises, tested once for all of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from otelbridge.catalogue import BUILT_IN
from otelbridge.core.component import BuildContext, ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.semconv.measurements import MEASUREMENTS
from tests.trackers.conftest import MINUTES, TRACKERS, findings_of, findings_with_kills, pipeline_of

SPECS = [spec for spec in BUILT_IN if spec.kind is Kind.TRACKER]


@pytest.fixture(scope="module")
def uninterrupted() -> list[str]:
    return [str(finding) for finding in findings_of([spec.name for spec in SPECS]).findings]


def test_each_tracker_finds_what_goes_wrong(uninterrupted: list[str]) -> None:
    for kind in ("degradation", "error_spike", "capacity"):
        raised = [text for text in uninterrupted if f"kind='{kind}'" in text and "state='raised'" in text]
        assert len(raised) == 1, kind


@pytest.mark.parametrize("seed", [1, 2])
def test_any_cut_of_the_log_gives_the_same_findings(uninterrupted: list[str], seed: int) -> None:
    rng = random.Random(seed)
    cuts = {rng.randrange(1, MINUTES + 1) for _ in range(MINUTES // 7)}

    cut = findings_of([spec.name for spec in SPECS], cuts)

    assert [str(finding) for finding in cut.findings] == uninterrupted


@pytest.mark.parametrize("seed", [3, 4])
def test_kills_at_any_point_give_the_same_findings(uninterrupted: list[str], seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    kills = {rng.randrange(1, MINUTES + 1) for _ in range(8)}

    killed = findings_with_kills([spec.name for spec in SPECS], kills, tmp_path / "state.sqlite")

    assert [str(finding) for finding in killed] == uninterrupted


def test_everything_is_measured_when_nearly_everything_is_sampled_out(uninterrupted: list[str]) -> None:
    nothing_kept = findings_of([spec.name for spec in SPECS], keep=0.0)

    assert [str(finding) for finding in nothing_kept.findings] == uninterrupted


def test_the_example_of_a_finding_is_kept_though_all_else_is_sampled_out() -> None:
    noted = findings_of([spec.name for spec in SPECS], keep=0.0)

    raised = [finding for finding in noted.findings if finding.state == "raised"]
    assert raised
    assert {finding.trace_id for finding in raised} == noted.traces


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_tracker_bears_any_numbers(spec: ComponentSpec[Any]) -> None:
    config = spec.config.model_validate(TRACKERS[spec.name])
    tracker = spec.build(config, BuildContext(spec.name))
    hostile = [0.0, -1.0, 1e308, -1e308, 5e-324, 2.0**63]
    for name in spec.watches(config):
        keys = MEASUREMENTS[name].keys if name in MEASUREMENTS else ("environment", "service")
        frame = pl.DataFrame(
            {
                "time": [time for time in hostile for _ in hostile],
                "value": [value for _ in hostile for value in hostile],
                "count": pl.Series([1] * 36, dtype=pl.UInt32),
                "trace_id": pl.Series([1] * 36, dtype=pl.UInt128),
                "span_id": pl.Series([1] * 36, dtype=pl.UInt64),
                "release": pl.Series([None] * 36, dtype=pl.String),
                **{key: pl.Series([None, "a"] * 18, dtype=pl.String) for key in keys},
            }
        )
        for now in range(20):
            tracker.observe({name: frame}, float(now))

    tracker.changes()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_state_that_nobody_wrote_is_refused_by_name(spec: ComponentSpec[Any]) -> None:
    tracker = spec.build(spec.config.model_validate(TRACKERS[spec.name]), BuildContext(spec.name))

    with pytest.raises(StateUnreadable, match=spec.name):
        tracker.restore({"order": b"\xc1", "series 0": b"\xc1", "state": b"\xc1"})


def test_only_what_changed_is_saved() -> None:
    pipeline = pipeline_of([spec.name for spec in SPECS])
    for watched in pipeline.trackers:
        assert watched.tracker.changes() == {}
