"""What docs/trackers say of findings is what findings hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from otelbridge.core.findings import NO_EXAMPLE
from otelbridge.trackers.cascade.report import finding as finding_of_cascade
from tests.trackers.conftest import findings_of

PAGES = Path(__file__).parents[2] / "docs" / "trackers"
UNIT = "unit"  # a measurement of one's own has none that trackers know


@cache
def details() -> Mapping[str, Mapping[str, Any]]:
    """Of each kind, those of one finding that was raised."""
    raised = [one for one in findings_of(["degradation", "error_spike", "capacity"]).findings if one.state == "raised"]
    said = {
        "kind": "alert", "root": "db", "services": ["db", "a"], "first_failures": {"db": 1.0, "a": 3.0},
        "trigger": "db", "edges": [("a", "db")], "environment": "production", "start": 1.0, "time": 40.0,
        "root_before": "a", "root_now": "c",
    }  # fmt: skip
    return {one.kind: one.contexts[one.kind] for one in (*raised, finding_of_cascade(said, NO_EXAMPLE, 41.0))}


def explained(name: str) -> set[str]:
    section = (PAGES / f"{name}.md").read_text().split("## What the finding says")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return {word for cell in first_cells for word in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize("name", ["degradation", "error_spike", "capacity", "cascade"])
def test_every_detail_of_a_finding_is_explained_and_none_that_there_is_not(name: str) -> None:
    assert explained(name) - {UNIT} == set(details()[name]) - {UNIT}
