"""A fixed part of `python -m bench.detection`, held to what a detector must reach."""

from __future__ import annotations

import statistics

import pytest

from bench.detection.degradation import Score
from bench.detection.degradation_rivals import ours
from bench.detection.degradation_streams import NEGATIVE, POSITIVE, Scenario, streams

SEED = 20261128
STREAMS = 4
DETECT = ours()


def score_of(scenario: Scenario) -> Score:
    score = Score()
    for stream in streams(scenario, STREAMS, SEED):
        score.add(stream, DETECT(stream)[0])
    return score


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    return {scenario.__name__: score_of(scenario) for scenario in POSITIVE + NEGATIVE}


def together(scores: dict[str, Score], scenarios: tuple[Scenario, ...]) -> Score:
    score = Score()
    for scenario in scenarios:
        score.merge(scores[scenario.__name__])
    return score


def test_changes_are_found_and_on_streams_without_a_false_alarm(scores: dict[str, Score]) -> None:
    score = together(scores, POSITIVE)
    assert score.found / score.changes >= 0.97
    assert score.found_clean / score.changes >= 0.95


def test_a_change_is_alerted_once(scores: dict[str, Score]) -> None:
    score = together(scores, POSITIVE)
    assert score.hits / score.found <= 1.10


def test_streams_without_a_change_are_silent(scores: dict[str, Score]) -> None:
    score = together(scores, NEGATIVE)
    assert score.silent / score.streams >= 0.95
    assert score.false / score.values * 10_000 <= 0.10


@pytest.mark.parametrize(
    ("scenario", "values"),
    [("step_100", 130), ("step_30", 350), ("tail_shift", 500), ("gradual_25", 2_600), ("gradual_100", 1_300)],
)
def test_the_median_delay_is_short(scores: dict[str, Score], scenario: str, values: int) -> None:
    assert statistics.median(scores[scenario].delays) <= values
