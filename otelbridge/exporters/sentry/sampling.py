"""With which probability a trace was kept, so that Sentry's counts and sums are those of all traffic.

The SDK may have sampled before us and says so in tracestate (`ot=th:...`, W3C consistent probability sampling). Both
decisions are made by the same randomness of the trace id, so what both keep is what the stricter one keeps: the
smaller of the two rates holds.
"""

from __future__ import annotations

_PRECISION_DIGITS = 14  # hexadecimal digits of 56 bits
_ALL = 1 << 56


def rate_of_trace_state(trace_state: str) -> float | None:
    """The sampling probability in a W3C tracestate; None when there is none, or none that can be read."""
    if "ot=" not in trace_state:
        return None
    for member in trace_state.split(","):
        key, _, value = member.strip().partition("=")
        if key != "ot":
            continue
        for field in value.split(";"):
            name, _, threshold = field.partition(":")
            if name == "th":
                return _rate(threshold)
    return None


def combined_rate(ours: float | None, theirs: float | None) -> float | None:
    """The rate that holds after both, in (0, 1]; None when neither is known."""
    rates = [rate for rate in (ours, theirs) if rate is not None and 0 < rate <= 1]
    return min(rates, default=None)


def _rate(threshold: str) -> float | None:
    if not 0 < len(threshold) <= _PRECISION_DIGITS:
        return None
    try:
        rejected = int(threshold.ljust(_PRECISION_DIGITS, "0"), 16)
    except ValueError:
        return None
    return (_ALL - rejected) / _ALL
