from __future__ import annotations

from otelbridge.analysis.increments import Increments, Nothing

POOL, CACHE = 1, 2
LONG_AGO, SINCE = 1.0, 5.0


def totals(most: int = 10) -> Increments:
    return Increments(most)


def take(
    of: Increments, time: float, value: float, count: int = 1, start: float = LONG_AGO, series: int = POOL
) -> tuple[float, int] | Nothing:
    return of.take(series, start, time, value, count, SINCE)


def test_a_total_that_began_before_anybody_listened_is_where_counting_begins() -> None:
    assert take(totals(), 10.0, 500.0) is Nothing.FIRST


def test_one_that_does_not_say_when_it_began_too() -> None:
    assert take(totals(), 10.0, 500.0, start=0.0) is Nothing.FIRST


def test_all_of_a_total_counts_that_began_since() -> None:
    assert take(totals(), 10.0, 500.0, 7, start=6.0) == (500.0, 7)


def test_a_total_counts_by_what_it_adds() -> None:
    of = totals()
    take(of, 10.0, 500.0, 7)

    assert take(of, 20.0, 512.0, 9) == (12.0, 2)
    assert take(of, 30.0, 512.0, 9) == (0.0, 0)


def test_series_count_apart() -> None:
    of = totals()
    take(of, 10.0, 500.0)

    assert take(of, 20.0, 512.0, series=CACHE) is Nothing.FIRST


def test_after_a_restart_of_the_sender_all_of_the_total_is_new() -> None:
    of = totals()
    take(of, 10.0, 5.0)

    assert take(of, 20.0, 8.0, start=12.0) == (8.0, 1), "it says that it began anew"


def test_a_total_that_falls_was_begun_anew_even_if_it_does_not_say_so() -> None:
    of = totals()
    take(of, 10.0, 5.0, start=0.0)

    assert take(of, 20.0, 3.0, start=0.0) == (3.0, 1)


def test_two_senders_under_one_name_are_each_compared_with_themselves() -> None:
    of = totals()
    added = 0.0
    for minute in range(1, 5):
        for start, value in ((6.0, 1000.0 + minute), (7.0, 10.0 + minute)):
            taken = take(of, 60.0 * minute, value, start=start)
            added += taken[0] if isinstance(taken, tuple) else 0.0

    assert added == 1004.0 + 14.0


def test_reports_that_come_twice_or_late_add_nothing() -> None:
    of = totals()
    take(of, 10.0, 5.0)
    take(of, 20.0, 8.0)

    assert take(of, 20.0, 8.0) is Nothing.REPEATED
    assert take(of, 15.0, 6.0) is Nothing.REPEATED
    assert take(of, 30.0, 9.0) == (1.0, 0)


def test_no_more_totals_are_remembered_than_allowed_and_a_forgotten_one_is_not_counted_again() -> None:
    of = totals(most=2)
    for series in (1, 2):
        take(of, 10.0, 100.0, start=6.0, series=series)
    take(of, 20.0, 200.0, start=6.0, series=1)
    take(of, 20.0, 100.0, start=6.0, series=3)

    assert (len(of), of.forgotten) == (2, 1)
    assert take(of, 30.0, 500.0, start=6.0, series=1) == (300.0, 0)
    assert take(of, 30.0, 500.0, start=6.0, series=2) is Nothing.FIRST, "it was there before"


def test_only_parts_that_changed_are_saved() -> None:
    of = totals(most=100)
    for series in range(32):
        take(of, 10.0, 1.0, series=series)

    assert len(of.changes()) == 17
    assert dict(of.changes()) == {}
    take(of, 20.0, 2.0, series=3)
    assert set(of.changes()) == {"3", "newest forgotten"}


def test_a_restored_state_goes_on_as_the_one_that_was_saved() -> None:
    saved, restored = totals(most=2), totals(most=2)
    parts: dict[str, bytes] = {}
    for series, time in ((1, 10.0), (2, 10.0), (1, 20.0)):
        take(saved, time, time, series=series)
        parts |= saved.changes()
    restored.restore(parts)

    for of in (saved, restored):
        take(of, 20.0, 1.0, series=3)
        assert take(of, 30.0, 50.0, series=1) == (30.0, 0)
        assert take(of, 30.0, 50.0, series=2) is Nothing.FIRST
