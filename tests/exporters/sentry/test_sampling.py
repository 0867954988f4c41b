from __future__ import annotations

import pytest

from otelbridge.exporters.sentry.sampling import combined_rate, rate_of_trace_state


@pytest.mark.parametrize(
    ("trace_state", "rate"),
    [
        ("ot=th:c", 0.25),
        ("ot=th:8", 0.5),
        ("ot=th:0", 1.0),
        ("vendor=x, ot=rv:abc;th:8", 0.5),
        ("ot=th:ffffffffffffff", 2**-56),
        ("", None),
        ("ot=rv:abc", None),
        ("ot=th:", None),
        ("ot=th:xyz", None),
        ("ot=th:fffffffffffffff", None),
        ("foo=th:8", None),
        ("hot=th:8", None),
    ],
)
def test_the_threshold_in_a_tracestate_is_a_rate(trace_state: str, rate: float | None) -> None:
    assert rate_of_trace_state(trace_state) == rate


def test_the_stricter_rate_holds() -> None:
    assert combined_rate(0.5, 0.25) == combined_rate(0.25, 0.5) == 0.25
    assert combined_rate(None, 0.25) == combined_rate(0.25, None) == 0.25
    assert combined_rate(None, None) is None


@pytest.mark.parametrize("nonsense", [0.0, -1.0, 2.0, float("nan")])
def test_what_is_no_rate_is_not_told(nonsense: float) -> None:
    assert combined_rate(nonsense, None) is None
