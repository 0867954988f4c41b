import numpy as np
import polars as pl
import pytest

from otelbridge.semconv.trace_state import NEVER, probability, randomness, read_trace_states, threshold


@pytest.mark.parametrize(
    ("state", "th", "rv"),
    [
        ("ot=th:8", 1 << 55, None),
        ("ot=th:0", 0, None),
        ("ot=th:fd70a3d70a3d71", 0xFD70A3D70A3D71, None),
        ("ot=rv:0123456789abcd;th:c", 0xC << 52, 0x0123456789ABCD),
        ("congo=t61,ot=p:8;th:8;x:y,rojo=1", 1 << 55, None),
        ("congo=t61, ot=th:8 ", 1 << 55, None),
        ("ot=th:", None, None),
        ("ot=th:xyz", None, None),
        ("ot=th:123456789012345", None, None),
        ("ot=rv:12", None, None),
        ("not=th:8", None, None),
        ("congo=ot=th:8", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_a_tracestate_says_threshold_and_randomness(state: str | None, th: int | None, rv: int | None) -> None:
    assert read_trace_states(pl.Series([state], dtype=pl.String)).row(0) == (th, rv)


def test_nothing_and_everything_are_exact() -> None:
    assert threshold(np.array([0.0, 1.0, 0.5, -1.0, 2.0])).tolist() == [NEVER, 0, NEVER // 2, NEVER, 0]


def test_a_probability_becomes_a_threshold_and_back() -> None:
    rates = np.array([0.0, 1e-9, 0.01, 0.1, 0.3, 0.999, 1.0])
    assert probability(threshold(rates)) == pytest.approx(rates, abs=1e-15)


def test_randomness_is_the_end_of_the_trace_id() -> None:
    ids = pl.Series([0xFFFF_FFFF_FFFF_FFFF_AB12_3456_789A_BCDE, 1 << 56], dtype=pl.UInt128)
    assert randomness(ids).tolist() == [0x12_3456_789A_BCDE, 0]
