from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.semconv.measurements import ERROR_RATE
from otelbridge.trackers.error_spike.outcomes import by_service

FAILED = [("shop", "A"), ("shop", "A"), ("shop", "B"), ("shop", "C"), ("shop", "D"), ("stock", "A")]


def outcomes(failed: list[tuple[str, str | None]], max_types: int = 3) -> list[tuple[str | None, dict[str, int]]]:
    rows = [
        {
            "service": service,
            "error.type": error_type,
            "time": 1.0,
            "value": 1.0,
            "count": 1,
            "trace_id": 1,
            "span_id": 1,
        }
        for service, error_type in failed
    ]
    found = by_service(pl.DataFrame(rows, schema=ERROR_RATE.schema()), max_types)
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
