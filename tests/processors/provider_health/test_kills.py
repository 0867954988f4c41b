"""What is found does not depend on how the log was cut into groups, nor on when the daemon was killed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.contract.conftest import Stream, run, run_with_kills
from tests.processors.provider_health.building import call, failed
from tests.support.otlp import request

NAMES = ["llm_cost", "provider_health"]


@pytest.fixture(scope="module")
def outage() -> Stream:
    """30 good calls, 60 bad ones, 60 good ones, a record and a trace each, a fifth of a second apart."""
    trees = [call() for _ in range(30)] + [failed() for _ in range(60)] + [call() for _ in range(60)]
    for number, tree in enumerate(trees):
        tree.start_ms = number * 200.0
    return [(request(tree, trace=number), 1_790_000_000.0 + number / 5) for number, tree in enumerate(trees, start=1)]


def test_an_outage_is_raised_and_resolved(outage: Stream) -> None:
    found = run(NAMES, outage, set()).findings

    assert len(found) == 2
    assert ["state='raised'" in one for one in found].count(True) == 1
    assert ["state='resolved'" in one for one in found].count(True) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_cut_of_the_log_finds_the_same(outage: Stream, seed: int) -> None:
    rng = random.Random(seed)
    cuts = set(rng.sample(range(1, len(outage)), 20))

    assert run(NAMES, outage, cuts).findings == run(NAMES, outage, set()).findings


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kills_during_an_outage_change_nothing(outage: Stream, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    kills = set(rng.sample(range(1, len(outage)), 10))

    assert (
        run_with_kills(NAMES, outage, kills, tmp_path / "state.sqlite").findings == run(NAMES, outage, set()).findings
    )
