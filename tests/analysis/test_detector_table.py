from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.detector_table import ROTATION, DetectorTable
from otelbridge.analysis.identities import Identity, hash_identities

MAX_SERIES = 3


class Summing:
    """Says its sum whenever that passes a multiple of ten."""

    def __init__(self) -> None:
        self.sum = 0.0

    def show(self, number: float, _second: float, _third: float) -> dict[str, Any] | None:
        before, self.sum = self.sum, self.sum + number
        return {"kind": "alert", "sum": self.sum} if self.sum // 10 > before // 10 else None

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.sum)

    def restore(self, state: bytes) -> None:
        self.sum = msgspec.msgpack.decode(state)


def table(watched: str = "abcdef", max_series: int = MAX_SERIES) -> DetectorTable[Summing]:
    return DetectorTable(max_series, lambda identity: Summing() if identity[0] in watched else None, Summing.show)


def identity(name: str) -> Identity:
    return name, ("key",), ("value",)


def feed(detectors: DetectorTable[Summing], call: list[tuple[str, int]]) -> list[tuple[str, float]]:
    """What was said, by whom."""
    identities = [identity(name) for name, _ in call]
    hashes = hash_identities(identities)
    assigned = detectors.assign(np.array([hashes[one] for one in identities], np.uint64), lambda row: identities[row])
    rows = np.flatnonzero(assigned.slot_of_row >= 0)
    inputs = np.array([[number, 0, 0] for _, number in call], np.float64).reshape(-1, 3)[rows]
    said = detectors.show(assigned.slot_of_row[rows], inputs)
    return [(detectors.identities[slot][0], event["sum"]) for _, slot, event in said]


def merged(saved: dict[str, bytes], changed: dict[str, bytes | None]) -> dict[str, bytes]:
    both = {**saved, **changed}
    return {name: part for name, part in both.items() if part is not None}


CALLS = st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9)), max_size=6), max_size=60)


@given(CALLS, st.sets(st.integers(0, 59)), st.integers(0, 59))
def test_a_restored_table_says_what_the_first_one_would(
    calls: list[list[tuple[str, int]]], checkpoints: set[int], kill: int
) -> None:
    whole = table()
    expected = [feed(whole, call) for call in calls]

    first, saved, last = table(), {}, 0
    for number, call in enumerate(calls[:kill]):
        feed(first, call)
        if number in checkpoints:
            saved, last = merged(saved, first.changes()), number + 1
    second = table()
    second.restore(saved)

    assert [feed(second, call) for call in calls[last:]] == expected[last:]


def test_series_that_are_no_longer_watched_are_not_restored() -> None:
    first = table()
    feed(first, [("a", 9), ("b", 9)])
    second = table(watched="b")

    second.restore(merged({}, first.changes()))

    assert feed(second, [("b", 1)]) == [("b", 10.0)]
    assert [one[0] for one in second.identities.values()] == ["b"]


def test_what_is_saved_does_not_grow_with_time() -> None:
    detectors, saved = table(), {}
    for _ in range(200):
        feed(detectors, [("a", 1), ("b", 1)])
        saved = merged(saved, detectors.changes())

    assert len(saved) <= 16 + MAX_SERIES + 1


def test_a_released_series_begins_anew_and_is_saved_as_gone() -> None:
    detectors = table()
    feed(detectors, [("a", 9), ("b", 9)])
    saved = merged({}, detectors.changes())
    (slot,) = [slot for slot, one in detectors.identities.items() if one[0] == "a"]

    detectors.release([slot])
    saved = merged(saved, detectors.changes())
    restored = table()
    restored.restore(saved)

    assert feed(detectors, [("a", 1), ("b", 1)]) == [("b", 10.0)]
    assert feed(restored, [("a", 1), ("b", 1)]) == [("b", 10.0)]


def test_an_heir_begins_with_the_past_of_another_series() -> None:
    detectors = table()
    feed(detectors, [("a", 9), ("b", 1)])

    detectors.inherit(0, 1)

    assert feed(detectors, [("b", 1)]) == [("b", 10.0)]


@pytest.mark.parametrize("kill", range(ROTATION - 2, 2 * ROTATION + 6))
def test_a_table_that_was_saved_more_often_than_its_detectors_in_turn_is_restored(kill: int) -> None:
    whole, saved = table(), {}
    for _ in range(kill):
        feed(whole, [("a", 3), ("b", 4)])
        saved = merged(saved, whole.changes())
    restored = table()
    restored.restore(saved)
    for _ in range(ROTATION + 6):  # through what it says of the next turns, too
        feed(restored, [("a", 3), ("b", 4)])
        saved = merged(saved, restored.changes())
    again = table()
    again.restore(saved)

    assert again.detector(0).sum == 3 * (kill + ROTATION + 6)
    assert again.detector(1).sum == 4 * (kill + ROTATION + 6)


def test_the_series_seen_least_recently_leaves_first_after_a_kill_too() -> None:
    first = table()
    feed(first, [("a", 1)])
    feed(first, [("b", 1), ("c", 1)])
    saved = merged({}, first.changes())
    first.assign(np.array([hash_identities([identity("a")])[identity("a")]], np.uint64), lambda _row: identity("a"))
    saved = merged(saved, first.changes())  # nothing was shown to any detector since the last time
    second = table()
    second.restore(saved)

    feed(second, [("d", 1)])

    assert "a" in {one[0] for one in second.identities.values()}


def broken(_detector: Summing) -> bytes:
    raise RuntimeError("broken")


def test_a_detector_that_cannot_be_saved_loses_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first = table()
    feed(first, [("a", 3), ("b", 4)])
    with monkeypatch.context() as patch:
        patch.setattr(Summing, "snapshot", broken)
        with pytest.raises(RuntimeError):
            first.changes()

    second = table()
    second.restore(merged({}, first.changes()))

    assert [second.detector(slot).sum for slot in (0, 1)] == [3.0, 4.0]


def test_series_for_which_there_is_no_room_any_more_are_counted_and_deleted() -> None:
    first = table()
    feed(first, [("a", 1), ("b", 1), ("c", 1)])
    saved = merged({}, first.changes())
    second = table(max_series=1)

    second.restore(saved)
    saved = merged(saved, second.changes())

    assert second.series.forgotten == 2
    assert {name for name in saved if name.startswith("series")} == {"series 0"}
