"""Consistent probability sampling: who samples by the same randomness keeps the same traces.

Every trace has 56 random bits R: those of `rv` in its tracestate, else the last 56 of its id. Keeping it with the
probability p means R >= T with the threshold T = (1 - p) * 2^56, and `ot=th:T` tells whoever comes next. So two
services, or two daemons, that keep 10 % keep the same 10 %, and 10 % of what an SDK has cut down to 10 % is all of it.

Source: OpenTelemetry specification, "TraceState: Probability Sampling" (th, rv: hexadecimal, trailing zeros of th cut).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

_BITS = 56
_DIGITS = _BITS // 4
ALWAYS = 0
NEVER = 1 << _BITS
_LOW_BITS = np.uint64(NEVER - 1)

Thresholds = npt.NDArray[np.uint64]

_OURS = r"(?:^|,)[ \t]*ot=([^,]*)"
_THRESHOLD = rf"(?:^|;)th:([0-9a-f]{{1,{_DIGITS}}})(?:;|[ \t]*$)"
_RANDOMNESS = rf"(?:^|;)rv:([0-9a-f]{{{_DIGITS}}})(?:;|[ \t]*$)"


def threshold(probability: npt.NDArray[np.float64]) -> Thresholds:
    """What the randomness of a trace must reach to be kept with these probabilities (0..1; exact at both ends)."""
    rejected = np.rint((1.0 - np.clip(probability, 0.0, 1.0)) * NEVER)
    return rejected.astype(np.uint64)


def probability(thresholds: Thresholds) -> npt.NDArray[np.float64]:
    """The inverse of `threshold`."""
    return 1.0 - thresholds.astype(np.float64) / NEVER


def randomness(trace_ids: pl.Series) -> Thresholds:
    """The last 56 bits of trace ids (UInt128)."""
    low = trace_ids.to_frame("id").select(pl.col("id").cast(pl.UInt64, wrap_numerical=True)).to_series()
    return np.asarray(low.to_numpy() & _LOW_BITS)


def read_trace_states(trace_states: pl.Series) -> pl.DataFrame:
    """What tracestates (String) say: `th` and `rv` (UInt64, null where absent or unreadable), one row each."""
    ours = trace_states.to_frame("state").select(pl.col("state").str.extract(_OURS).alias("ours"))
    return ours.select(
        th=pl.col("ours").str.extract(_THRESHOLD).str.pad_end(_DIGITS, "0").str.to_integer(base=16, dtype=pl.UInt64),
        rv=pl.col("ours").str.extract(_RANDOMNESS).str.to_integer(base=16, dtype=pl.UInt64),
    )
