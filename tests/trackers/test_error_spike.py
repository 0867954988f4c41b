from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.semconv.measurements import ERROR_RATE
from otelbridge.trackers.error_spike import Config, ErrorSpike
from otelbridge.trackers.error_spike.outcomes import by_service

FAILED = [("shop", "A"), ("shop", "A"), ("shop", "B"), ("shop", "C"), ("shop", "D"), ("stock", "A")]


def measured(failed: list[tuple[str, str | None]], second: float = 1.0) -> pl.DataFrame:
    """Of operations that failed, with their class."""
    rows = [
        {
            "service": service,
            "error.type": error_type,
            "time": second,
            "value": 1.0,
            "count": 1,
            "trace_id": place + 1,
            "span_id": place + 1,
        }
        for place, (service, error_type) in enumerate(failed)
    ]
    return pl.DataFrame(rows, schema=ERROR_RATE.schema())


def outcomes(failed: list[tuple[str, str | None]], max_types: int = 3) -> list[tuple[str | None, dict[str, int]]]:
    found = by_service(measured(failed), max_types)
    return [
        (service, {name: int(sum(failures.values())) for name, failures in of_service.failures.items()})
        for (_, service), of_service in found.items()
    ]


def test_the_most_frequent_classes_are_told_apart_and_the_rest_is_other() -> None:
    assert outcomes([*FAILED, ("shop", None)]) == [("shop", {"A": 2, "B": 1, "other": 3}), ("stock", {"A": 1})]


def test_classes_that_are_not_too_many_are_all_told_apart() -> None:
    assert outcomes([("shop", "B"), ("shop", "A")]) == [("shop", {"A": 1, "B": 1})]


@given(st.permutations(FAILED))
def test_the_order_of_the_rows_does_not_matter(failed: list[tuple[str, str | None]]) -> None:
    assert list(map(str, outcomes(failed))) == list(map(str, outcomes(list(FAILED))))


def test_a_service_of_which_nothing_failed_has_no_classes() -> None:
    fine = measured([("shop", None), ("shop", None)]).with_columns(value=pl.lit(0.0))

    (of_service,) = by_service(fine, 3).values()

    assert (of_service.totals, of_service.failures, of_service.last) == ({1.0: 2}, {}, {})


def test_no_environment_and_one_without_a_name_are_two() -> None:
    rows = measured([("shop", "A"), ("shop", "A")])
    environments = pl.Series("environment", [None, ""], dtype=pl.String)

    assert list(by_service(rows.with_columns(environments), 3)) == [(None, "shop"), ("", "shop")]


def test_the_last_failed_operation_is_the_example_of_its_class() -> None:
    (of_service,) = by_service(measured([("shop", name) for name in "AABBCCDA"]), 3).values()

    assert of_service.last == {"A": (8, 8, None), "B": (4, 4, None), "other": (7, 7, None)}


CLASSES = st.lists(st.tuples(st.sampled_from(["shop", "stock"]), st.sampled_from("ABCD")), min_size=1, max_size=4)


@given(st.lists(CLASSES, min_size=2, max_size=12), st.integers(2, 6))
def test_series_keep_their_slots_whether_a_tracker_remembers_or_restores_them(
    ticks: list[list[tuple[str, str | None]]], max_series: int
) -> None:
    config = Config(max_series=max_series, max_error_types=3)
    one, parts = ErrorSpike(config), dict[str, bytes]()
    for second, failed in enumerate(ticks):
        other = ErrorSpike(config)
        other.restore(parts)
        frame = measured(failed, float(second))
        one.observe({ERROR_RATE.name: frame}, 0.0)
        other.observe({ERROR_RATE.name: frame}, 0.0)
        changed = one.changes()
        assert other.changes() == changed
        parts |= {name: part for name, part in changed.items() if part is not None}
        parts = {name: part for name, part in parts.items() if changed.get(name, b"") is not None}
