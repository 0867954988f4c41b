"""Mean scores over the latest calls."""

from __future__ import annotations

from collections import deque

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.processors.provider_health.rolling import RollingScores, Series
from otelbridge.processors.provider_health.settings import Config

KEY = ("prod", "openai", "gpt-5")
SMALL = Config(window_calls=5, min_calls=3, max_series=2)


@given(st.lists(st.integers(0, 100), max_size=60))
def test_changes_are_those_of_the_mean_of_the_latest_calls(scores: list[int]) -> None:
    rolling, latest, is_low = RollingScores(SMALL), deque[int](maxlen=5), False
    for score in scores:
        latest.append(score)
        mean = sum(latest) / len(latest)
        expected = None
        if is_low and mean >= 60:
            expected, is_low = "resolved", False
        elif not is_low and len(latest) >= 3 and mean < 50:
            expected, is_low = "raised", True

        series, change = rolling.add(KEY, score)

        assert change == expected
        assert series.mean == mean
        assert series.calls == len(latest)
        assert series.failed == sum(score < 40 for score in latest)


def test_the_series_used_longest_ago_leaves_first_and_is_counted() -> None:
    rolling = RollingScores(SMALL)
    for model in ("a", "b", "a", "c"):
        rolling.add(("", "p", model), 100)

    assert [key[2] for key, _ in rolling.save()] == ["a", "c"]
    assert rolling.forgotten == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=30), st.integers(0, 30))
def test_what_was_saved_goes_on_alike(calls: list[tuple[str, int]], at: int) -> None:
    whole, first, second = (RollingScores(SMALL) for _ in range(3))
    expected = [whole.add(("", "p", model), score)[1] for model, score in calls]

    changes = [first.add(("", "p", model), score)[1] for model, score in calls[:at]]
    saved = msgspec.msgpack.encode(first.save())
    second.load(msgspec.msgpack.decode(saved, type=list[tuple[tuple[str, str, str], Series]]), first.forgotten)
    changes += [second.add(("", "p", model), score)[1] for model, score in calls[at:]]

    assert changes == expected
    assert second.save() == whole.save()
    assert second.forgotten == whole.forgotten


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), min_size=1, max_size=40), max_size=6),
    st.sampled_from([1, 2, 3]),
)
def test_calls_that_are_added_together_change_what_they_would_one_by_one(
    batches: list[list[tuple[str, int]]], max_series: int
) -> None:
    config = Config(window_calls=5, min_calls=3, max_series=max_series)
    together, one_by_one = RollingScores(config), RollingScores(config)
    for batch in batches:
        keys = [("", "p", model) for model in dict.fromkeys(model for model, _ in batch)]
        key_of_call = np.array([keys.index(("", "p", model)) for model, _ in batch])
        expected = [
            (place, change, series.mean)
            for place, (model, score) in enumerate(batch)
            for series, change in [one_by_one.add(("", "p", model), score)]
            if change
        ]

        scores = np.array([score for _, score in batch])
        found = [(at, change, series.mean) for at, _, series, change in together.add_all(keys, key_of_call, scores)]

        assert sorted(found) == expected
        assert together.save() == one_by_one.save()
        assert together.forgotten == one_by_one.forgotten
