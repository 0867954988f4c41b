from __future__ import annotations

from otelbridge.analysis.increments import Increments

POOL, CACHE = b"pool", b"cache"


def test_the_first_total_is_where_counting_starts() -> None:
    assert Increments(10).take(POOL, start=0.0, time=10.0, value=500.0, count=0) is None


def test_a_total_counts_by_what_it_adds() -> None:
    totals = Increments(10)
    totals.take(POOL, 0.0, 10.0, 500.0, 7)

    assert totals.take(POOL, 0.0, 20.0, 512.0, 9) == (12.0, 2)
    assert totals.take(POOL, 0.0, 30.0, 512.0, 9) == (0.0, 0)


def test_series_count_apart() -> None:
    totals = Increments(10)
    totals.take(POOL, 0.0, 10.0, 500.0, 0)

    assert totals.take(CACHE, 0.0, 20.0, 512.0, 0) is None


def test_after_a_restart_of_the_sender_all_of_the_total_is_new() -> None:
    totals = Increments(10)
    totals.take(POOL, 1.0, 10.0, 5.0, 0)

    assert totals.take(POOL, 12.0, 20.0, 8.0, 0) == (8.0, 0), "it says that it started later than the last report"
    assert totals.take(POOL, 0.0, 30.0, 3.0, 0) == (3.0, 0), "it fell, and does not say why"


def test_reports_that_come_twice_or_late_add_nothing() -> None:
    totals = Increments(10)
    totals.take(POOL, 0.0, 10.0, 5.0, 0)
    totals.take(POOL, 0.0, 20.0, 8.0, 0)

    assert totals.take(POOL, 0.0, 20.0, 8.0, 0) is None
    assert totals.take(POOL, 0.0, 15.0, 6.0, 0) is None
    assert totals.take(POOL, 0.0, 30.0, 9.0, 0) == (1.0, 0)


def test_no_more_series_are_remembered_than_allowed() -> None:
    totals = Increments(2)
    for series in (b"a", b"b"):
        totals.take(series, 0.0, 10.0, 1.0, 0)
    totals.take(b"a", 0.0, 20.0, 2.0, 0)
    totals.take(b"c", 0.0, 20.0, 1.0, 0)

    assert (len(totals), totals.forgotten) == (2, 1)
    assert totals.take(b"a", 0.0, 30.0, 5.0, 0) == (3.0, 0)
    assert totals.take(b"b", 0.0, 30.0, 5.0, 0) is None


def test_a_restored_state_goes_on_as_the_one_that_was_saved() -> None:
    saved, restored = Increments(2), Increments(2)
    saved.take(b"a", 0.0, 10.0, 1.0, 2)
    saved.take(b"b", 0.0, 10.0, 1.0, 2)
    saved.take(b"a", 0.0, 20.0, 2.0, 3)
    restored.restore(saved.snapshot())

    for totals in (saved, restored):
        totals.take(b"c", 0.0, 20.0, 1.0, 0)
        assert totals.take(b"a", 0.0, 30.0, 5.0, 9) == (3.0, 6)
        assert totals.take(b"b", 0.0, 30.0, 5.0, 9) is None
