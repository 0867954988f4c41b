"""Mean scores over the latest calls."""

from __future__ import annotations

from collections import deque

import msgspec
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
